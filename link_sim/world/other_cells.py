"""What users of other cells send."""

import numpy as np
import tensorflow as tf
from sionna.phy.mapping import QAMSource

from link_sim.scenarios.channel_file import used_carriers


class Interference:
    """Draws grids of QAM symbols on all subcarriers in use, of energy 1.

    Parameters
    ----------
    scenario : LinkScenario, whose grid and alphabet are used
    streams : of all interferers

    Input
    -----
    batch_size : number of grids

    Output
    ------
    x_rg : [batch, 1, streams, symbols, fft_size], complex64
    """

    def __init__(self, scenario, streams: int):
        grid, self.streams = scenario.grid, streams
        self._shape = 1, streams, grid.symbols, grid.fft_size
        self._mask = np.zeros(grid.fft_size, "complex64")
        self._mask[used_carriers(grid) + grid.fft_size // 2] = 1
        self._source = QAMSource(scenario.code.bits_per_symbol)

    def __call__(self, batch_size):
        return self._source([batch_size, *self._shape]) * tf.constant(self._mask)
