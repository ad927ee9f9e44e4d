"""Least-squares channel estimation: Sionna's own behind a Keras face."""

import keras
import tensorflow as tf
from sionna.phy import ofdm

from link_sim.receivers.grid_config import (
    grid_from_config,
    grid_to_config,
    in_single_precision,
)
from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class LSChannelEstimator(ReceiverLayer):
    """Least squares at the pilots and interpolation between them, compiled with XLA.

    A Keras face of `sionna.phy.ofdm.LSChannelEstimator`.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid
    interpolation_type : `lin`, `lin_time_avg` or `nn` (nearest neighbour)

    Input
    -----
    y : [batch, receivers, antennas, symbols, fft_size], complex
    no : scalar or [batch, ...], noise variance per complex dimension

    Output
    ------
    h_hat : [batch, receivers, antennas, transmitters, streams, symbols, subcarriers],
        complex, over the effective subcarriers
    err_var : broadcastable to `h_hat`, float: variance of the error at the pilots,
        interpolated
    """

    def __init__(self, resource_grid, interpolation_type="lin", **kwargs):
        super().__init__(**kwargs)
        self.resource_grid = resource_grid
        self.interpolation_type = interpolation_type
        self._estimate = tf.function(
            ofdm.LSChannelEstimator(
                in_single_precision(resource_grid),
                interpolation_type,
                precision="single",
            ),
            autograph=False,
            jit_compile=True,
        )

    def call(self, y, no):
        return self._estimate(y, no)

    def get_config(self):
        return {
            **super().get_config(),
            "resource_grid": grid_to_config(self.resource_grid),
            "interpolation_type": self.interpolation_type,
        }

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        return cls(**{**config, "resource_grid": grid})
