"""Grids as oversampled OFDM waveforms, and back."""

import numpy as np
import tensorflow as tf

from link_sim.scenarios.channel_file import used_carriers
from link_sim.scenarios.sections import Grid


class Waveform:
    """Turns grids into samples of mean power 1 and takes them back.

    A window of an OFDM symbol is what an amplifier or an oscillator sees after the
    cyclic prefix: while its memory fits into the prefix, the window is cyclic.

    Parameters
    ----------
    grid : Grid of a scenario
    oversampling : samples for each of the grid's bandwidth
    """

    def __init__(self, grid: Grid, oversampling: int = 1):
        self.grid, self.oversampling = grid, oversampling
        self._size = grid.fft_size * oversampling
        self._first = (self._size - grid.fft_size) // 2
        self._first += grid.fft_size % 2 * (1 - self._size % 2)
        self.used = used_carriers(grid) + grid.fft_size // 2
        self._scale = self._size / np.sqrt(len(self.used))

    def samples(self, x_rg):
        """Windows [..., symbols, oversampling * fft_size] of [..., symbols, fft_size].

        A grid with an energy of 1 on each used subcarrier has samples of power 1.
        """
        after = self._size - self.grid.fft_size - self._first
        sides = [[0, 0]] * (x_rg.shape.rank - 1) + [[self._first, after]]
        x = tf.signal.ifftshift(tf.pad(x_rg, sides), axes=-1)
        return tf.signal.ifft(x) * self._scale

    def carriers(self, samples):
        """The inverse of `samples`; what lies outside the grid's bandwidth is lost."""
        x = tf.signal.fftshift(tf.signal.fft(samples / self._scale), axes=-1)
        return x[..., self._first : self._first + self.grid.fft_size]
