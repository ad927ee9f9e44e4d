"""Image bits as a decoder leaves them, drawn from a model instead of a link.

Training on these makes a restorer independent of code, modulation and channel.
"""

from statistics import NormalDist

import numpy as np


def received_llr(rng: np.random.Generator, images: np.ndarray, rate: float):
    """Consistent-Gaussian LLRs of all image bits, whose signs err at `rate`."""
    s = -2 * NormalDist().inv_cdf(rate)
    bits = np.unpackbits(images[..., None], axis=-1)
    noise = rng.standard_normal(bits.shape, "float32")
    return np.float32(s) * ((2.0 * bits - 1) * s / 2 + noise).astype("float32")


def hard_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """Bits as -1 and 1 with unknown flips: at one rate, or at two in two stretches.

    The rate is log-uniform on [0.002, 0.5] per image; in 20 % of the images the part
    before or after a random bit has its own: free of errors, guessed, or any.
    """
    size = len(bits)
    rate, other = np.exp(rng.uniform(np.log(0.002), np.log(0.5), (2, size, 1)))
    kind = rng.random((size, 1))
    other = np.where(kind < 0.07, 0.0, np.where(kind < 0.14, 0.5, other))
    rate = np.where(_stretch(rng, size) & (kind < 0.2), other, rate)
    sent = bits.reshape(size, -1)
    flips = rng.random(sent.shape, "float32") < rate
    return np.where(flips == sent, -1, 1).astype("float32").reshape(bits.shape)


def soft_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """`tanh(llr / 2)` of LLRs drawn from N(+-s^2 / 2, s^2), s uniform on [0, 6].

    The consistent-Gaussian model of a decoder's output, with unequal reliability:
    three random classes of bits in each image, and as in `hard_bits` a stretch with
    its own s in 20 % of the images: verified bits, erased ones, or any. A quarter of
    the images overstate or understate their LLRs by up to 2.
    """
    size, sent = len(bits), 2.0 * bits.reshape(len(bits), -1) - 1
    s, other = rng.uniform(0, 6, (2, size, 1))
    kind = rng.random((size, 1))
    other = np.where(kind < 0.07, 1e3, np.where(kind < 0.14, 0.0, other))
    classes = np.exp(rng.normal(0, 0.3, (size, 3)))
    s = s * np.take_along_axis(classes, rng.integers(0, 3, sent.shape), axis=1)
    s = np.where(_stretch(rng, size) & (kind < 0.2), other, s).astype("float32")
    trust = np.exp(rng.uniform(-np.log(2), np.log(2), (size, 1)))
    trust = np.where(rng.random((size, 1)) < 0.25, trust, 1)
    noise = rng.standard_normal(sent.shape, "float32")
    llr = trust * s * (sent * s / 2 + noise)
    return np.tanh(llr / 2).astype("float32").reshape(bits.shape)


def _stretch(rng, size):
    """Which of 6,272 bits lie before (or else after) a random one: [size, 6272]."""
    before = np.arange(28 * 28 * 8) < rng.integers(0, 28 * 28 * 8, (size, 1))
    return before == (rng.random((size, 1)) < 0.5)
