"""Uniform mid-rise quantisers of few bits: Gaussian signals through them, exactly."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_ndtr
from scipy.stats import norm


@dataclass(frozen=True)
class Quantiser:
    """With the best step for N(0, rms^2), and a gain of 1 for these (Bussgang).

    Args:
        bits: Of a real number.
        rms: That it is set to.

    Call arguments:
        x: Real numbers. Returns numbers of as many levels.
    """

    bits: int
    rms: float

    @property
    def step(self) -> float:
        return best_step(self.bits) * self.rms

    @cached_property
    def gain(self) -> float:
        """E x Q(x) / E x^2 before it is divided by."""
        return gaussian_moments(self.bits, best_step(self.bits))[0]

    def __call__(self, x):
        return (self._index(x / self.step) + 0.5) * (self.step / self.gain)

    def cells(self, levels) -> tuple[np.ndarray, np.ndarray]:
        """Between what numbers x was, for each level: float64, infinite at the ends."""
        index = self._index(np.asarray(levels, "float64") * self.gain / self.step)
        half = 2 ** (self.bits - 1)
        low = np.where(index == -half, -np.inf, index * self.step)
        return low, np.where(index == half - 1, np.inf, (index + 1) * self.step)

    def gaussian(self, deviation) -> tuple[np.ndarray, np.ndarray]:
        """Gain, and variance of the distortion, for N(0, deviation^2): as `deviation`.

        Q(x) = gain x + d with d uncorrelated with x, by Bussgang's theorem.
        """
        edges = np.arange(1 - 2 ** (self.bits - 1), 2 ** (self.bits - 1)) * self.step
        at = edges / np.asarray(deviation)[..., None]
        size = self.step / self.gain
        gain = size / deviation * np.sum(norm.pdf(at), axis=-1)
        jumps = 2 * np.abs(edges) / self.step  # of (Q / size)^2 at an edge, above zero
        power = 0.25 + np.sum(np.where(edges == 0, 0, jumps) * norm.sf(np.abs(at)), -1)
        return gain, size**2 * power - gain**2 * np.square(deviation)

    def _index(self, x):
        half = 2 ** (self.bits - 1)
        return np.clip(np.floor(x), -half, half - 1)


def cell_moments(low, high, mean, variance):
    """Mean, variance and log of the mass of N(mean, variance) between two edges.

    Arrays of one shape; in double precision, also far from the mean.
    """
    deviation = np.sqrt(variance)
    a, b = (low - mean) / deviation, (high - mean) / deviation
    flipped = a + b > 0
    a, b = np.where(flipped, -b, a), np.where(flipped, -a, b)  # most of it below zero
    below, above = log_ndtr(a), log_ndtr(b)
    with np.errstate(divide="ignore"):
        mass = above + np.log(-np.expm1(below - above))
    at_a, at_b = (np.exp(norm.logpdf(z) - mass) for z in (a, b))
    shift = at_a - at_b
    ends = np.where(np.isinf(a), 0, a) * at_a - np.where(np.isinf(b), 0, b) * at_b
    mean = mean + deviation * np.where(flipped, -shift, shift)
    return mean, variance * np.clip(1 + ends - shift**2, 0, 1), mass


@cache
def best_step(bits: int) -> float:
    """Step of the uniform mid-rise quantiser that suits N(0, 1) best (Max 1960)."""
    widest = 2.0 ** (1 - bits) * 8
    found = minimize_scalar(
        lambda step: gaussian_error(bits, step),
        bounds=(1e-6, widest),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


def gaussian_error(bits: int, step: float) -> float:
    """E (x - Q(x))^2 of a uniform mid-rise quantiser for x ~ N(0, 1), exactly."""
    gain, power = gaussian_moments(bits, step)
    return 1 - 2 * gain + power


def gaussian_moments(bits: int, step: float) -> tuple[float, float]:
    """E x Q(x) and E Q(x)^2 for x ~ N(0, 1): sums over the cells of the quantiser."""
    levels = (np.arange(2**bits) - (2**bits - 1) / 2) * step
    edges = np.concatenate([[-np.inf], levels[:-1] + step / 2, [np.inf]])
    mass, first = np.diff(norm.cdf(edges)), -np.diff(norm.pdf(edges))
    return float(levels @ first), float(levels**2 @ mass)


def converter_share(bits: int) -> float:
    """Variance of the distortion over the energy converted, at a gain of 1 (Bussgang).

    With Q(x) = a x + d and d uncorrelated with x: var(d) / a^2.
    """
    gain, power = gaussian_moments(bits, best_step(bits))
    return power / gain**2 - 1
