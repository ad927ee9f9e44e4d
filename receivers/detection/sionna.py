"""Detectors of Sionna behind a Keras face."""

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import ofdm
from sionna.phy.mimo import StreamManagement

from link_sim.receivers.grid_config import (
    grid_from_config,
    grid_to_config,
    in_single_precision,
)
from link_sim.receivers.layer import ReceiverLayer

CANDIDATES = 64
"""Paths that `KBestDetector` keeps."""


class SionnaDetector(ReceiverLayer):
    """Soft bits of QAM symbols by a detector of `sionna.phy.ofdm`.

    Traced apart from what is around it: Sionna's detectors need AutoGraph.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid
    stream_management : sionna.phy.mimo.StreamManagement
    num_bits_per_symbol : 2, 4, 6, 8 …

    Input
    -----
    y, h_hat, err_var, no : as in `LMMSEEqualizer`

    Output
    ------
    llr : [batch, transmitters, streams, data symbols * num_bits_per_symbol], float
    """

    def __init__(self, resource_grid, stream_management, num_bits_per_symbol, **kwargs):
        super().__init__(**kwargs)
        self.resource_grid = in_single_precision(resource_grid)
        self.stream_management = stream_management
        self.num_bits_per_symbol = num_bits_per_symbol
        self._detect = tf.function(self._make())

    def call(self, y, h_hat, err_var, no):
        return self._detect(y, h_hat, err_var, no)

    def get_config(self):
        streams = self.stream_management
        association = np.asarray(streams.rx_tx_association).tolist()
        return {
            **super().get_config(),
            "resource_grid": grid_to_config(self.resource_grid),
            "stream_management": [association, int(streams.num_streams_per_tx)],
            "num_bits_per_symbol": self.num_bits_per_symbol,
        }

    @classmethod
    def from_config(cls, config):
        association, streams = config["stream_management"]
        blocks = {
            "resource_grid": grid_from_config(config["resource_grid"]),
            "stream_management": StreamManagement(np.array(association), streams),
        }
        return cls(**config | blocks)

    def _make(self):
        """Sionna's block."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("link_sim")
class SionnaLinearDetector(SionnaDetector):
    """LMMSE equalisation and a posteriori demapping; see `SionnaDetector`."""

    def _make(self):
        return ofdm.LinearDetector(
            "lmmse", "bit", "app", self.resource_grid, self.stream_management, "qam",
            num_bits_per_symbol=self.num_bits_per_symbol, precision="single",
        )  # fmt: skip


@keras.saving.register_keras_serializable("link_sim")
class KBestDetector(SionnaDetector):
    """K-best tree search with 64 candidates, or all there are; see `SionnaDetector`."""

    def _make(self):
        streams, bits = self.resource_grid.num_streams_per_tx, self.num_bits_per_symbol
        return ofdm.KBestDetector(
            "bit", streams, min(CANDIDATES, 2 ** (bits * streams)),
            self.resource_grid, self.stream_management, "qam", bits,
            precision="single",
        )  # fmt: skip


@keras.saving.register_keras_serializable("link_sim")
class SionnaEPDetector(SionnaDetector):
    """Expectation propagation, 10 iterations; see `SionnaDetector`."""

    def _make(self):
        return ofdm.EPDetector(
            "bit", self.resource_grid, self.stream_management,
            self.num_bits_per_symbol, precision="single",
        )  # fmt: skip
