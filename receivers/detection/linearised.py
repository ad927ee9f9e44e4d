"""Symbols behind an amplifier that is linearised about decisions."""

import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.amplified import Amplified
from link_sim.receivers.detection.conjugate_gradients import conjugate_gradients
from link_sim.receivers.detection.elements import as_complex

ITERATIONS = 8
"""Of conjugate gradients."""
SURE = 1e-6
"""Least variance of decisions."""
LARGEST_GAIN = 2.0
"""Of what is known of a symbol by what others' distortion tells of it."""


class Linearised:
    """LMMSE estimates of symbols from what an amplifier makes of them together.

    Symbols as equalised are z = x + e(x) + w with e the distortion and w noise of
    variance v. About decisions x' with errors d of variance q

        z - x' - e(x') = M d + w,   M = 1 + e'(x')

    is linear in the real and imaginary parts of d (a Gauss-Newton step). With
    C = q M M^T + v, half of each in a real part, the estimate of d_k without what
    decisions tell of it is (M^T C^-1 r)_k / g_k, of variance 1 / g_k - q, with
    g_k = (M^T C^-1 M)_kk (interference cancellation by MMSE: Wang and Poor 1999,
    eqs. 36 to 38, for M in place of a channel). C is inverted by conjugate gradients,
    M and its transpose are derivatives that TensorFlow takes, and the g_k are those of
    M = 1 times the ratio of the traces, found by a random vector (Hutchinson 1990).

    Parameters
    ----------
    transmitter : a `LinkContext` with hardware

    Input
    -----
    z : [batch, 1, streams, data symbols], complex64
    variance : the same, float, of w
    x : decisions, like z
    doubt : [batch], variance of their errors

    Output
    ------
    x_hat, no_eff : like z and variance
    """

    def __init__(self, transmitter):
        self.amplified = Amplified(transmitter)
        self._traced = tf.function(self._estimate, autograph=False)

    def __call__(self, z, variance, x, doubt):
        return self._traced(z, variance, x, doubt)

    def _estimate(self, z, variance, x, doubt):
        q = tf.maximum(doubt, SURE)[:, None, None, None]
        root = as_complex(tf.math.rsqrt(variance))
        signs = np.random.default_rng(1).choice([-1, 1], (2, *z.shape[1:]))
        probe = tf.constant(signs[0] + 1j * signs[1], tf.complex64)
        probe = tf.broadcast_to(probe, tf.shape(z))
        right = root * (z - self.amplified(x)), root * self._forward(x, probe)
        both = tf.concat([x, x], 0), tf.concat([root, root], 0), tf.concat([q, q], 0)
        solved = both[1] * self._solved(tf.concat(right, 0), *both)
        step, seen = tf.split(self.amplified.transpose(both[0], solved), 2)
        trace = tf.reduce_mean(tf.math.real(tf.math.conj(probe) * seen), [1, 2, 3]) / 2
        plain = 1 / (q + variance)
        ratio = trace[:, None, None, None] / tf.reduce_mean(
            plain, [1, 2, 3], keepdims=True
        )
        g = ratio * plain
        no_eff = tf.maximum(1 / g - q, variance / LARGEST_GAIN)
        return x + step / as_complex(g), no_eff

    def _forward(self, x, d):
        """M d: the derivative of M^T u in u."""
        u = tf.zeros_like(d)
        with tf.GradientTape() as tape:
            tape.watch(u)
            back = self.amplified.transpose(x, u)
        return tape.gradient(back, u, output_gradients=d)

    def _solved(self, right, x, root, q):
        """(1 + q R M M^T R)^-1 right, R = v^-1/2, by conjugate gradients, each row."""
        q = as_complex(q)

        def apply(s):
            return s + q * root * self._forward(
                x, self.amplified.transpose(x, root * s)
            )

        return conjugate_gradients(apply, right, _inner, ITERATIONS)


def _inner(a, b):
    """Of real and imaginary parts of each row: [batch, 1, 1, 1], complex64."""
    inner = tf.reduce_sum(tf.math.real(tf.math.conj(a) * b), [1, 2, 3], keepdims=True)
    return as_complex(inner + np.finfo("float32").tiny)
