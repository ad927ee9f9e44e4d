"""The phase of an oscillator within OFDM symbols, by what was sent."""

import numpy as np
import tensorflow as tf

from link_sim.receivers.detection.conjugate_gradients import conjugate_gradients
from link_sim.receivers.detection.elements import as_complex

ITERATIONS = 16
"""Of conjugate gradients."""


class PhaseSmoother:
    """Takes a phase that moves within OFDM symbols off the samples of a receiver.

    Of samples y = s exp(i phi) + n at all antennas, s known and phi small,

        sum conj(s) y = sum |s|^2 (1 + i phi) + sum conj(s) n

    and phi is Gaussian of known spectrum: its LMMSE estimate is (R^-1 + W)^-1 u with
    W = 2 sum |s|^2 / no, u = 2 Im sum conj(s) y / no and R circulant, by conjugate
    gradients (Petrovic, Rave and Fettweis 2007, section IV, estimate a few lines of
    the spectrum by least squares; here all have their prior).

    Parameters
    ----------
    lines : variances of the lines of the phase's spectrum within a symbol [rad^2],
        [fft_size], in the order of an FFT

    Input
    -----
    y, s : [batch, 1, antennas, symbols, fft_size], received and expected, complex64
    no : [batch], variance of noise and errors of s

    Output
    ------
    y : without the phase; left : variance of what is left of it, [batch]
    """

    def __init__(self, lines: np.ndarray):
        self._lines = np.float32(lines)
        self._root = np.complex64(np.sqrt(lines * len(lines)))

    def __call__(self, y, s, no):
        y, s = (tf.signal.ifft(tf.signal.ifftshift(z, axes=-1)) for z in (y, s))
        size = len(self._lines)
        scale = 2 * size / no[:, None, None]
        weight = scale * tf.reduce_sum(tf.abs(s[:, 0]) ** 2, axis=1)
        turned = tf.reduce_sum(tf.math.conj(s[:, 0]) * y[:, 0], axis=1)
        phase = self._estimate(scale * tf.math.imag(turned), weight)
        phase = phase[:, None, None]
        y *= tf.complex(tf.cos(phase), -tf.sin(phase))
        known = tf.reduce_mean(weight, axis=[1, 2])[:, None] * self._lines * size
        left = tf.reduce_sum(self._lines / (1 + known), axis=1)
        return tf.signal.fftshift(tf.signal.fft(y), axes=-1), left

    def _estimate(self, u, weight):
        """R^(1/2) (1 + R^(1/2) W R^(1/2))^-1 R^(1/2) u: [batch, symbols, samples]."""

        def apply(a):
            return a + self._coloured(weight * self._coloured(a))

        found = conjugate_gradients(apply, self._coloured(u), _inner, ITERATIONS)
        return self._coloured(found)

    def _coloured(self, x):
        spectrum = self._root * tf.signal.fft(as_complex(x))
        return tf.math.real(tf.signal.ifft(spectrum))


def _inner(a, b):
    return tf.reduce_sum(a * b, -1, keepdims=True) + np.finfo("float32").tiny
