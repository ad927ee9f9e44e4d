"""Converters of few bits, and IQ imbalance."""

import numpy as np
import tensorflow as tf

from link_sim.models.quantiser import best_step, gaussian_moments


def controlled(y, bits: int):
    """Complex samples as converters behind an automatic gain control give them.

    y : [..., samples], whose rms over all but the first three axes is what the
    converters are set to; otherwise as in `convert`.
    """
    axes = list(range(3, y.shape.rank))
    rms = tf.sqrt(tf.reduce_mean(tf.abs(y) ** 2, axes, keepdims=True) / 2)
    return convert(y, bits, tf.maximum(rms, np.finfo("float32").tiny))


def convert(y, bits: int, rms):
    """Complex samples through a converter for each real part, at a gain of 1.

    y : complex64; rms : of its real parts. Divided by the gain for Gaussian signals, so
    that the signal keeps its scale. Derivatives are those of that gain, 1.
    """
    step = best_step(bits)
    gain, _ = gaussian_moments(bits, step)
    largest = (2**bits - 1) / 2

    def quantise(x):
        level = tf.floor(x / (rms * step)) + 0.5
        level = tf.clip_by_value(level, -largest, largest) * rms * (step / gain)
        return x + tf.stop_gradient(level - x)

    return tf.complex(quantise(tf.math.real(y)), quantise(tf.math.imag(y)))


def branches(imbalance: tuple[float, float]) -> tuple[complex, complex]:
    """mu and nu of y = mu x + nu conj(x), of energy |mu|^2 + |nu|^2 = 1.

    imbalance : gain [dB] g and phase [degrees] p of one branch over the other,
    mu = (1 + g e^jp) / 2 and nu = (1 - g e^jp) / 2 but for the scale (Schenk 2008, RF
    imperfections in high-rate wireless systems, sec. 5.2).
    """
    gain, phase = imbalance
    turned = 10 ** (gain / 20) * np.exp(1j * np.radians(phase))
    mu, nu = (1 + turned) / 2, (1 - turned) / 2
    scale = np.hypot(abs(mu), abs(nu))
    return complex(mu / scale), complex(nu / scale)


def image_share(imbalance: tuple[float, float]) -> float:
    """Energy of the image over that of the signal, the image rejection."""
    mu, nu = branches(imbalance)
    return abs(nu) ** 2 / abs(mu) ** 2


def imbalanced(x, imbalance: tuple[float, float]):
    """Samples as two unequal branches leave them."""
    mu, nu = branches(imbalance)
    return mu * x + nu * tf.math.conj(x)
