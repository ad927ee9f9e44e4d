"""Image bits as a decoder leaves them, drawn from a model instead of a link.

Training on these makes a restorer independent of code, modulation and channel.
"""

from statistics import NormalDist

import numpy as np

from link_sim.models.bit_planes import CERTAIN
from link_sim.recipes.noise_levels import log_uniform

RATES = 0.002, 0.5
"""Ends of the bit error rates of training."""


def received_llr(rng: np.random.Generator, images: np.ndarray, rate: float):
    """Consistent-Gaussian LLRs of all image bits, whose signs err at `rate`."""
    s = -2 * NormalDist().inv_cdf(rate)
    bits = np.unpackbits(images[..., None], axis=-1)
    noise = rng.standard_normal(bits.shape, "float32")
    return np.float32(s) * ((2.0 * bits - 1) * s / 2 + noise).astype("float32")


def flipped_llr(rng: np.random.Generator, images: np.ndarray, rate: float):
    """LLRs of hard bits of 8-bit images, each wrong with a probability that they know.

    [..., 8], +-log(1 / rate - 1), most significant bit first.
    """
    bits = np.unpackbits(images[..., None], axis=-1)
    found = bits ^ (rng.random(bits.shape) < rate)
    return ((2.0 * found - 1) * np.log(1 / rate - 1)).astype("float32")


def hard_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """Bits as -1 and 1 with unknown flips: at one rate, or at two in two stretches.

    The rate is log-uniform on [0.002, 0.5] per image; in 20 % of the images the part
    before or after a random bit has its own: free of errors, guessed, or any.
    """
    size = len(bits)
    rate, other = log_uniform(rng.random((2, size, 1)), *RATES)
    kind = rng.random((size, 1))
    other = np.where(kind < 0.07, 0.0, np.where(kind < 0.14, 0.5, other))
    rate = np.where(_stretch(rng, size) & (kind < 0.2), other, rate)
    sent = bits.reshape(size, -1)
    flips = rng.random(sent.shape, "float32") < rate
    return np.where(flips == sent, -1, 1).astype("float32").reshape(bits.shape)


def flipped_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """`tanh(llr / 2)` of hard bits that are wrong at a known rate p, +-(1 - 2 p).

    p is log-uniform on [0.002, 0.5] per image.
    """
    size = len(bits)
    rate = log_uniform(rng.random((size, 1)), *RATES)
    sent = bits.reshape(size, -1)
    flips = rng.random(sent.shape, "float32") < rate
    certainty = (1 - 2 * rate).astype("float32")
    return np.where(flips == sent, -certainty, certainty).reshape(bits.shape)


def mixed_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """`flipped_bits` for 30 % of the images, `soft_bits` for the rest."""
    hard = 3 * len(bits) // 10
    return np.concatenate([flipped_bits(rng, bits[:hard]), soft_bits(rng, bits[hard:])])


def decoder_llr(rng: np.random.Generator, bits: np.ndarray, skew: int) -> np.ndarray:
    """Consistent-Gaussian LLRs N(+-s^2 / 2, s^2) of image bits at a decoder's output.

    The bits of an image fall into eight classes at random, as the interleaver deals
    them out to blocks and to bit positions of symbols. Each has its own s, around a
    value of the image: 6 u^skew, u uniform on [0, 1]. In half of the images one class
    is erased, like the bits that 5G LDPC codes never transmit; in a tenth, four are
    verified.
    """
    size = len(bits)
    sent = np.float32(2) * bits.reshape(size, -1) - np.float32(1)
    s = 6 * rng.random((size, 1)) ** skew * np.exp(rng.normal(0, 0.5, (size, 8)))
    s[rng.random(size) < 0.5, 0] = 0
    s[rng.random(size) < 0.1, 4:] = 1e3
    classes = rng.integers(0, 8, sent.shape, np.uint8)
    s = np.take_along_axis(s.astype("float32"), classes, axis=1)
    llr = s * (sent * s / 2 + rng.standard_normal(sent.shape, "float32"))
    return np.clip(llr, -CERTAIN, CERTAIN).reshape(bits.shape)


def soft_bits(rng: np.random.Generator, bits: np.ndarray) -> np.ndarray:
    """`tanh(llr / 2)` of LLRs as a restorer gets them, from `decoder_llr`.

    In 20 % of the images the bits before or after a random one are verified or erased;
    a quarter of the images overstate or understate their LLRs by up to 2.
    """
    size = len(bits)
    llr = decoder_llr(rng, bits, skew=1).reshape(size, -1)
    sent = np.float32(2) * bits.reshape(size, -1) - np.float32(1)
    kind = rng.random((size, 1))
    certain = np.where(kind < 0.1, CERTAIN, 0).astype("float32")
    llr = np.where(_stretch(rng, size) & (kind < 0.2), certain * sent, llr)
    trust = log_uniform(rng.random((size, 1)), 1 / 2, 2)
    trust = np.where(rng.random((size, 1)) < 0.25, trust, 1).astype("float32")
    return np.tanh(trust * llr / 2).reshape(bits.shape)


def _stretch(rng, size):
    """Which of 6,272 bits lie before (or else after) a random one: [size, 6272]."""
    before = np.arange(28 * 28 * 8) < rng.integers(0, 28 * 28 * 8, (size, 1))
    return before == (rng.random((size, 1)) < 0.5)
