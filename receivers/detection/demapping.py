"""Soft demapping of square QAM as two independent PAM axes."""

import keras
import numpy as np
import tensorflow as tf
from sionna.phy.mapping import Constellation

from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class QAMDemapper(ReceiverLayer):
    """LLRs of the bits of Gray-labelled square QAM symbols, without prior.

    Even bits choose the real part and odd bits the imaginary part (3GPP TS 38.211,
    section 5.1), so each axis is demapped by itself: with 64-QAM 8 candidates a bit,
    not 64. For a level x = Re(y) and the levels a of the axis,

        llr = f({a: bit 1}) - f({a: bit 0}),  f(A) = log sum_A exp(-(x - a)^2 / no)

    or with the largest exponent instead, if `demapping_method` is `maxlog`. Both are
    exactly what `sionna.phy.mapping.Demapper` computes: the other axis cancels.

    Parameters
    ----------
    demapping_method : `app` or `maxlog`
    num_bits_per_symbol : 2, 4, 6, 8 …

    Input
    -----
    y : [..., symbols], complex64
    no : broadcastable to `y`, float, noise variance per complex dimension

    Output
    ------
    llr : [..., symbols * num_bits_per_symbol], float, log p(1)/p(0)

    Raises `ValueError` for another method, and for odd numbers of bits.
    """

    def __init__(self, demapping_method, num_bits_per_symbol, **kwargs):
        super().__init__(**kwargs)
        if demapping_method not in ("app", "maxlog"):
            raise ValueError(f"there is no demapping '{demapping_method}': use app")
        self.demapping_method = demapping_method
        self.num_bits_per_symbol = num_bits_per_symbol
        points = Constellation(
            "qam", num_bits_per_symbol, precision="single"
        ).points.numpy()
        shifts = np.arange(num_bits_per_symbol)[::-1]
        labels = np.arange(len(points))[:, None] >> shifts & 1
        axis = ~labels[:, 1::2].any(axis=1)  # points that differ in the real part
        self._levels, self._labels = points[axis].real, labels[axis, ::2]

    def call(self, y, no):
        x = tf.stack([tf.math.real(y), tf.math.imag(y)])
        no = tf.maximum(no, np.finfo("float32").tiny)
        levels = self._levels.reshape([-1] + [1] * x.shape.rank)
        exponents = -((x - levels) ** 2) / no
        llr = tf.stack([self._llr(exponents, bit) for bit in self._labels.T])
        llr = tf.transpose(llr, [*range(2, llr.shape.rank), 0, 1])
        bits = [y.shape[-1] * self.num_bits_per_symbol]
        return tf.reshape(llr, tf.concat([tf.shape(y)[:-1], bits], 0))

    def soft_symbols(self, llr):
        """Posterior means of symbols whose bits are independent.

        llr : [..., symbols * num_bits_per_symbol] -> complex64 [..., symbols]
        """
        means, _ = self.moments(llr)
        return means

    def moments(self, llr):
        """Posterior means, as `soft_symbols`, and variances, float like them."""
        bits = tf.reshape(llr, [-1, self.num_bits_per_symbol // 2, 2])
        weights = tf.einsum("sba,lb->sal", bits, self._labels.astype("float32"))
        weights = tf.nn.softmax(weights)
        means = tf.reduce_sum(weights * self._levels, -1)
        away = self._levels - means[..., None]
        variances = tf.reduce_sum(weights * away**2, [1, 2])
        shape = tf.concat([tf.shape(llr)[:-1], [-1]], 0)
        symbols = tf.complex(means[:, 0], means[:, 1])
        return tf.reshape(symbols, shape), tf.reshape(variances, shape)

    def get_config(self):
        names = "demapping_method", "num_bits_per_symbol"
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _llr(self, exponents, bit):
        ones, zeros = (np.flatnonzero(bit == value) for value in (1, 0))
        if len(ones) == 1:
            return exponents[ones[0]] - exponents[zeros[0]]
        app = self.demapping_method == "app"
        collect = tf.reduce_logsumexp if app else tf.reduce_max
        ones, zeros = (tf.gather(exponents, rows) for rows in (ones, zeros))
        return collect(ones, 0) - collect(zeros, 0)
