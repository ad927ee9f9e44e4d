"""What detectors of symbols behind a channel matrix share."""

import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.symbols import bit_llr, level_logits, pam, real_form
from link_sim.receivers.layer import ReceiverLayer


class MIMODetector(ReceiverLayer):
    """LLRs of the bits of streams behind a matrix, y = H x + n, n ~ CN(0, S).

    Called as Sionna's detectors of `sionna.phy.mimo` are, so that it serves in
    `sionna.phy.ofdm.OFDMDetector`; and with what is known of the bits before. A
    subclass gives `logits(y, h, noise, prior)` for one real problem after the other:
    whitened, real parts first, scaled so that the columns of H have a mean energy of 1.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 or 10, of square QAM

    Input
    -----
    y : [..., antennas], complex64
    h : [..., antennas, streams], complex64
    s : [..., antennas, antennas], complex64, covariance of noise and interference
    prior : [..., streams, num_bits_per_symbol], float, a priori LLRs; none if left out

    Output
    ------
    llr : [..., streams, num_bits_per_symbol], float, log p(1)/p(0) a posteriori:
        `prior` is part of it
    """

    overloaded = False
    """Whether there may be more streams than antennas."""

    def __init__(self, num_bits_per_symbol, **kwargs):
        super().__init__(**kwargs)
        self.levels, self.labels = pam(num_bits_per_symbol)
        self.num_bits_per_symbol = num_bits_per_symbol

    def call(self, y, h, s, prior=None):
        factor = tf.linalg.cholesky(s)
        both = tf.concat([y[..., None], h], -1)
        both = tf.linalg.triangular_solve(factor, both)
        return self.whitened(both[..., 0], both[..., 1:], prior)

    def whitened(self, y, h, prior=None):
        """The same for noise of covariance I, as an OFDM grid leaves it at once."""
        logits = self.symbol_logits(y, h, prior)
        return bit_llr(logits, self.labels)

    def symbol_logits(self, y, h, prior=None):
        """Logits of the levels, real parts first: [..., 2 streams, levels]."""
        shape, (antennas, streams) = tf.shape(h)[:-2], h.shape[-2:]
        self.check(antennas, streams)
        y, h = real_form(y, h)
        y, h = tf.reshape(y, [-1, 2 * antennas]), tf.reshape(h, [-1, *h.shape[-2:]])
        given = tf.math.is_finite(tf.reduce_sum(y, 1) + tf.reduce_sum(h, [1, 2]))
        # a matrix that holds no numbers cannot be factored, nor can one of zeros
        y = tf.where(given[:, None], y, 0)
        h = tf.where(given[:, None, None], h, 1)
        power = tf.reduce_mean(tf.reduce_sum(h**2, 1), -1)
        amplitude = tf.math.rsqrt(power)
        y, h = y * amplitude[:, None], h * amplitude[:, None, None]
        size = [-1, 2 * streams, len(self.levels)]
        if prior is None:
            known = tf.zeros([tf.shape(h)[0], *size[1:]])
        else:
            known = tf.reshape(level_logits(prior, self.labels), size)
        logits = self.logits(y, h, 0.5 / power, known)
        logits = tf.where(given[:, None, None], logits, np.nan)
        return tf.reshape(logits, tf.concat([shape, size[1:]], 0))

    def check(self, antennas: int, streams: int) -> None:
        """Raises `ValueError` for more streams than it can tell apart."""
        if streams > antennas and not self.overloaded:
            raise ValueError(
                f"this detector cannot serve {streams} streams and {antennas} "
                "antennas: use ep"
            )

    def get_config(self):
        return super().get_config() | {"num_bits_per_symbol": self.num_bits_per_symbol}
