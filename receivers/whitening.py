"""Estimators and detectors for white noise, where interference colours it."""

import keras
import tensorflow as tf

from link_sim.receivers.estimation.noise_covariance import NoiseCovariance
from link_sim.receivers.grid_config import grid_from_config, grid_to_config
from link_sim.receivers.layer import ReceiverLayer


class Whitened(ReceiverLayer):
    """A block behind a whitening of the receive antennas, found in the pilots.

    Parameters
    ----------
    block : called with what is white, of variance `no`
    resource_grid, antennas : as in `NoiseCovariance`
    """

    def __init__(self, block, resource_grid, antennas, **kwargs):
        super().__init__(**kwargs)
        self.block, self.resource_grid, self.antennas = block, resource_grid, antennas
        self._covariance = NoiseCovariance(resource_grid, antennas)

    def get_config(self):
        return super().get_config() | {
            "block": keras.saving.serialize_keras_object(self.block),
            "resource_grid": grid_to_config(self.resource_grid),
            "antennas": self.antennas,
        }

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        return super().from_config(config | {"resource_grid": grid})


@keras.saving.register_keras_serializable("link_sim")
class WhitenedEstimator(Whitened):
    """Channel estimates by an estimator for white noise.

    It is given `R^-1/2 y` with the covariance R of noise and interference over the
    band, in units of `no`, and estimates `R^-1/2 h`; estimate and error variance
    returned are those of h.

    Input and output
    ----------------
    as those of the estimator, for one receiver; err_var [batch, 1, antennas, …]
    """

    def call(self, y, no):
        colour = self._covariance.whole_band(y, no)
        h_hat, err_var = self.block(_mixed(colour.power(-0.5)[:, 0], y), no)
        back = colour.power(0.5)[:, 0]
        shape = tf.concat([tf.shape(h_hat)[:3], tf.shape(err_var)[3:]], 0)
        err_var = tf.broadcast_to(err_var, shape)
        return _mixed(back, h_hat), _mixed(tf.abs(back) ** 2, err_var)


@keras.saving.register_keras_serializable("link_sim")
class WhitenedDetector(Whitened):
    """LLRs by a detector for white noise.

    It is given `R^-1/2 y` and `R^-1/2 h_hat` with the covariance R of the window that a
    subcarrier is in. Errors of the channel estimates are taken to have the colour of
    noise and interference, as those of linear estimators have.

    Input and output
    ----------------
    as those of the detector, for one receiver
    """

    def call(self, y, h_hat, err_var, no):
        found = self._covariance
        colour = found.in_windows(y, no)
        white, power = colour.power(-0.5), tf.linalg.diag_part(colour.power(1.0))
        bins, carriers = found.of_bins, found.of_carriers
        y = tf.einsum("bfij,bxjsf->bxisf", tf.gather(white, bins, axis=1), y)
        white = tf.gather(white, carriers, axis=1)
        h_hat = tf.einsum("bfij,bxjtmsf->bxitmsf", white, h_hat)
        # [batch, 1, antennas, 1, 1, 1, subcarriers]
        power = tf.gather(tf.math.real(power), carriers, axis=1)
        power = tf.transpose(power, [0, 2, 1])[:, None, :, None, None, None]
        return self.block(y, h_hat, err_var / power, no)


def _mixed(matrix, z):
    """A matrix [batch, antennas, antennas] along the antennas, the third axis, of z."""
    return tf.einsum("bij,bxj...->bxi...", matrix, z)
