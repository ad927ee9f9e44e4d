"""Digital predistortion: a memory polynomial before the amplifier that inverts it."""

import numpy as np
import tensorflow as tf

from link_sim.world.hardware.amplifiers import (
    clipped,
    memory_polynomial,
    saturation,
)

ORDERS, TAPS, ROUNDS = 7, 3, 3
"""Of the polynomial, and of its fits, each with what the former lets out."""
PEAK = 3.2
"""Largest amplitude asked for, of samples of mean power 1: 10.1 dB."""
SAFETY = 0.97
"""Share of the amplifier's largest amplitude that is asked for at most."""
RIDGE = 1e-6
SAMPLES = 2**16
"""That a fit is to."""


class Predistorter:
    """Indirect learning: the post-inverse of the amplifier, put before it.

    The polynomial that gives the input z of the amplifier from its output y / g, g the
    linear gain, is fitted by regularised least squares, and fitted again with what it
    lets out (Eun and Powers 1997). The fit with the least distortion stays, or none:
    near saturation fits may diverge. No more is asked for than the amplifier can give,
    nor sent to it than gives the most: a polynomial knows nothing beyond.

    Parameters
    ----------
    amplify : samples of mean power 1 to those that leave the amplifier
    samples : typical ones, [rows, samples], complex64

    Input
    -----
    samples : [..., samples], complex64

    Output
    ------
    : the same, for the amplifier
    """

    def __init__(self, amplify, samples):
        samples = samples[: max(1, SAMPLES // samples.shape[-1])]
        wanted = _gain(samples, amplify(samples))
        self._loudest, largest = saturation(amplify)
        self._peak = min(PEAK, SAFETY * largest / abs(wanted))
        self._taps = tf.constant([[1.0]], tf.complex64)
        tried = []
        for _ in range(ROUNDS + 1):
            z = self(samples)
            y = amplify(z)
            tried.append((_distortion(samples, y), self._taps))
            self._taps = tf.constant(_inverse(y / wanted, z))
        _, self._taps = min(tried, key=lambda each: each[0])

    def __call__(self, samples):
        z = memory_polynomial(clipped(samples, self._peak), self._taps)
        return clipped(z, self._loudest)


def _gain(x, y) -> complex:
    return complex(np.vdot(x, y) / np.vdot(x, x))


def _distortion(x, y) -> float:
    """Energy of y that x does not explain, over that which it does."""
    explained = abs(np.vdot(x, y)) ** 2 / np.vdot(x, x).real
    return float(np.vdot(y, y).real / explained) - 1


def _inverse(y, z) -> np.ndarray:
    """Coefficients [taps, orders] of the polynomial that gives z from y."""
    amplitude = tf.abs(y)
    columns = [
        tf.roll(y * tf.cast(amplitude**k, y.dtype), m, axis=-1)
        for m in range(TAPS)
        for k in range(ORDERS)
    ]
    matrix = np.stack([np.ravel(c) for c in columns], 1).astype("complex64")
    scale = np.linalg.norm(matrix, axis=0)
    matrix /= scale
    gram = (matrix.conj().T @ matrix).astype("complex128")
    right = (matrix.conj().T @ np.ravel(z)).astype("complex128")
    found = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), right) / scale
    return found.reshape(TAPS, ORDERS).astype("complex64")
