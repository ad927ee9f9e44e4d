"""What quantised projections tell of a field whose prior is a mixture of Gaussians.

A projection u = a^H h falls in a cell, an interval of its real part times one of its
imaginary part. Given a component of the mixture it is Gaussian, so the probability of
the cell and the mean and variance of u within it are known; the field is taken for
Gaussian again with these moments (assumed-density filtering).
"""

import numpy as np
from scipy.special import ndtr

from link_sim.receivers.feedback.codecs import Modes
from link_sim.receivers.feedback.transform import water_level

RARE = 1e-2
"""Probability below which a component is given up."""
SURE, ITERATIONS = 0.99, 2
"""Probability of a component whose own modes are taken for those of the posterior;
power iterations otherwise."""
LEAST = 1e-9
"""Share of the variance of a projection that is left at least."""


class Belief:
    """One component: C - sum l l^H, mean, and what is left of each mode's variance."""

    def __init__(self, weight: float, modes: Modes):
        self.log_weight, self.modes = np.log(weight), modes
        self.mean = np.zeros(modes.field(np.zeros(1)).size, complex)
        self.rest = modes.variances.copy()
        self.known = np.zeros((0, len(self.mean)), complex)
        self.past: list[tuple] = []  # a, sqrt(1 / (s + N)) and N of each projection

    def spread(self, a) -> np.ndarray:
        """The covariance times a vector."""
        z = self.modes.of(a.reshape(1, *self.modes.shape))[0]
        whole = self.modes.field(self.modes.variances * z).ravel()
        return whole - self.known.T @ (self.known.conj() @ a)

    def predict(self, a):
        """Covariance times a, and mean and variance of the projection on it."""
        g = self.spread(a)
        return g, np.vdot(a, self.mean), max(np.vdot(a, g).real, 1e-15)

    def observe(self, a, predicted, cell) -> None:
        """cell : (low, high) of the real and of the imaginary part."""
        g, mean, s = predicted
        found = [
            truncated(m, np.sqrt(s / 2), *ends)
            for m, ends in zip((mean.real, mean.imag), cell, strict=True)
        ]
        (p, t, v), (q, u, w) = found
        self.log_weight += np.log(p) + np.log(q)
        self.mean = self.mean + g * (t + 1j * u - mean) / s
        kept = np.clip(1 - (v + w) / s, LEAST, 1 - LEAST)
        root = np.sqrt(kept / s)
        told = self.modes.of((root * g).reshape(1, *self.modes.shape))[0]
        self.rest = np.maximum(self.rest - np.abs(told) ** 2, 0)
        self.known = np.vstack([self.known, root * g])
        self.past.append((a, root, s / kept - s))

    def sample(self, rng) -> np.ndarray:
        """A field of the posterior: one of the prior, moved by what it would tell."""
        x = np.sqrt(self.modes.variances) * _normal(rng, len(self.rest))
        x = self.modes.field(x).ravel()
        for known, (a, root, no) in zip(self.known, self.past, strict=True):
            x = x - known * root * (np.vdot(a, x) + np.sqrt(no) * _normal(rng))
        return self.mean + x


class MixturePosterior:
    """All components: (weight, modes) each."""

    def __init__(self, components: list[tuple]):
        self._beliefs = [Belief(*each) for each in components]

    @property
    def weights(self) -> np.ndarray:
        logs = np.array([each.log_weight for each in self._beliefs])
        weights = np.exp(logs - logs.max())
        return weights / weights.sum()

    @property
    def mean(self) -> np.ndarray:
        return self.weights @ np.stack([each.mean for each in self._beliefs])

    def level(self, bits: float) -> float:
        """Water level of so many bits more, a geometric mean of the components'."""
        levels = [water_level(-np.sort(-each.rest), bits) for each in self._beliefs]
        return float(np.exp(self.weights @ np.log(np.maximum(levels, 1e-15))))

    def direction(self) -> np.ndarray:
        """The leading eigenvector of the covariance, by power iterations."""
        weights, mean = self.weights, self.mean
        likely = self._beliefs[np.argmax(weights)]
        first = np.eye(1, len(likely.rest), np.argmax(likely.rest))[0]
        a = likely.modes.field(first).ravel()
        if weights.max() > SURE:
            return a
        for _ in range(ITERATIONS):
            x = np.zeros_like(a)
            for weight, each in zip(weights, self._beliefs, strict=True):
                apart = each.mean - mean
                x += weight * (each.spread(a) + apart * np.vdot(apart, a))
            a = x / np.linalg.norm(x)
        return a

    def predict(self, a) -> list[tuple]:
        """Of each component, see `Belief.predict`."""
        return [each.predict(a) for each in self._beliefs]

    def observe(self, a, predicted, cell) -> None:
        """Takes in a projection; rare components are given up."""
        for each, own in zip(self._beliefs, predicted, strict=True):
            each.observe(a, own, cell)
        weights = self.weights
        kept = np.flatnonzero(weights > RARE * weights.max())
        self._beliefs = [self._beliefs[n] for n in kept]

    def samples(self, rng, number: int) -> np.ndarray:
        """Fields of the posterior, [number, antennas, columns]."""
        chosen = rng.choice(len(self._beliefs), number, p=self.weights)
        drawn = [self._beliefs[n].sample(rng) for n in chosen]
        return np.reshape(drawn, (number, *self._beliefs[0].modes.shape))


def truncated(mean, spread, low, high):
    """Probability of an interval under a Gaussian; mean and variance within it."""
    a, b = (low - mean) / spread, (high - mean) / spread
    if a > 0:  # the tail where differences of `ndtr` are exact
        p, t, v = truncated(-mean, spread, -high, -low)
        return p, -t, v
    p = ndtr(b) - ndtr(a)
    if p < 1e-100:
        return 1e-100, min(max(mean, low), high), 0.0
    f, g = (np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) for x in (a, b))
    first, second = (f - g) / p, (a * f - b * g) / p
    return p, mean + spread * first, spread**2 * max(1 + second - first**2, 0)


def _normal(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)
