"""Detectors of MIMO symbols, applied to the data of an OFDM grid."""

import keras
import tensorflow as tf

from link_sim.receivers.detection.elements import GridElements, as_complex
from link_sim.receivers.grid_config import grid_from_config, grid_to_config
from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class GridDetector(ReceiverLayer):
    """LLRs of the bits of every stream of a grid, by any `MIMODetector`.

    Noise and the errors of the channel estimates, summed over the streams, are white
    after division by their standard deviation. Only elements with data are detected;
    `sionna.phy.ofdm.OFDMDetector` around the same detector detects the pilots too, and
    factors a covariance of the antennas for each element, but serves several
    transmitters and receivers.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, as `LMMSEEqualizer` needs it
    detector : MIMODetector

    Input
    -----
    y, h_hat, err_var, no : as in `LMMSEEqualizer`
    prior : [batch, 1, streams, data symbols * num_bits_per_symbol], float, a priori
        LLRs; none if left out

    Output
    ------
    llr : [batch, 1, streams, data symbols * num_bits_per_symbol], float, log p(1)/p(0)
        a posteriori: `prior` is part of it
    """

    def __init__(self, resource_grid, detector, **kwargs):
        super().__init__(**kwargs)
        self.resource_grid, self.detector = resource_grid, detector
        self.elements = GridElements(resource_grid)

    def call(self, y, h_hat, err_var, no, prior=None):
        return self.detect(*self.elements.flatten(y, h_hat, err_var, no), prior)

    def detect(self, y, h, variance, prior=None):
        """The same of what `GridElements.flatten` gives; antennas may be turned."""
        y, h, variance = (
            tf.gather(a, self.elements.data, axis=-1) for a in (y, h, variance)
        )
        weight = as_complex(tf.math.rsqrt(variance))
        y = tf.transpose(y * weight, [0, 2, 1])
        h = tf.transpose(h * weight[:, :, None], [0, 3, 1, 2])
        bits, streams = self.detector.num_bits_per_symbol, h.shape[-1]
        if prior is not None:
            prior = tf.reshape(prior[:, 0], [-1, streams, y.shape[1], bits])
            prior = tf.transpose(prior, [0, 2, 1, 3])
        llr = self.detector.whitened(y, h, prior)
        llr = tf.transpose(llr, [0, 2, 1, 3])
        return tf.reshape(llr, [-1, 1, streams, y.shape[1] * bits])

    def get_config(self):
        return super().get_config() | {
            "resource_grid": grid_to_config(self.resource_grid),
            "detector": keras.saving.serialize_keras_object(self.detector),
        }

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        return super().from_config(config | {"resource_grid": grid})
