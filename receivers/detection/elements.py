"""The elements of an OFDM grid that carry data, one beside the other."""

import numpy as np
import tensorflow as tf


class GridElements:
    """Takes the grid of one transmitter apart into resource elements.

    resource_grid : sionna.phy.ofdm.ResourceGrid, with one transmitter whose streams
        have their pilots in the same places

    Raises `ValueError` for a grid of several transmitters or of unlike streams.
    """

    def __init__(self, resource_grid):
        mask = np.asarray(resource_grid.pilot_pattern.mask)
        if len(mask) != 1 or np.any(mask != mask[:, :1]):
            raise ValueError(
                "this detector needs one transmitter and the same pilot positions on "
                "all streams: use Sionna's"
            )
        self.data = np.flatnonzero(mask[0, 0] == 0)
        carriers = np.asarray(resource_grid.effective_subcarrier_ind)
        symbols = np.arange(resource_grid.num_ofdm_symbols)[:, None]
        self._used = (symbols * resource_grid.fft_size + carriers).ravel()

    def received(self, y):
        """The elements in use of y, as in `LMMSEEqualizer`: [batch, antennas, ...]."""
        shape = tf.shape(y)
        y = tf.reshape(y[:, 0], [shape[0], y.shape[2], -1])
        return tf.gather(y, self._used, axis=-1)

    def flatten(self, y, h_hat, err_var, no):
        """What detectors are given, of the elements in use, pilots among them.

        y, h_hat, err_var, no : as in `LMMSEEqualizer`

        Returns y [batch, antennas, elements], h [batch, antennas, streams, elements]
        and the variance of noise and channel errors, like y.
        """
        shape, streams = tf.shape(y), h_hat.shape[4]
        y = self.received(y)
        h = tf.reshape(h_hat, [shape[0], shape[2], streams, -1])
        errors = tf.shape(err_var)[:3], [1, streams], tf.shape(h_hat)[5:]
        error = tf.broadcast_to(err_var, tf.concat(errors, 0))
        error = tf.reduce_sum(error[:, 0, :, 0], 2)
        error = tf.reshape(error, tf.concat([tf.shape(error)[:2], [-1]], 0))
        no = tf.cast(no, tf.float32)
        no = tf.reshape(no, [-1, no.shape[2] if no.shape.rank == 3 else 1])
        return y, h, error + no[..., None]


def as_complex(x):
    """Real numbers as complex64 ones; of the gradient of a cast TensorFlow warns."""
    return tf.complex(x, tf.zeros_like(x))
