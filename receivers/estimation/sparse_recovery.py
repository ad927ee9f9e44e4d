"""Sparse recovery of channels Y = H P + N over two oversampled DFT grids."""

from typing import NamedTuple

import numpy as np
from scipy import fft

OVERSAMPLING = 4
"""Points of the angle grids per antenna."""
ITERATIONS = 300
"""At most."""
SETTLED = 1e-8
"""Energy of a step over that of the estimate at which iterations end."""
THRESHOLD = 0.4
"""Weight of the l1 norm, relative to the standard deviation of the noise."""
LEAST_NOISE = 1e-4
"""Least noise over energy for that weight with fewer pilots than antennas: with less,
`ITERATIONS` are too few."""
GRADIENTS = 30
"""Steps of conjugate gradients for the degrees of freedom."""


class Fit(NamedTuple):
    """What is fitted: the shape of the channels, pilots, and the weight of the norm.

    shape : (receive, transmit); pilots : [batch, transmit, number]; weight :
        [batch, 1, 1]
    """

    shape: tuple[int, int]
    pilots: np.ndarray
    weight: np.ndarray

    def field(self, x):
        """Channels of amplitudes x [batch, *grids]."""
        h = fft.fft2(x, norm="ortho", axes=(1, 2))
        return h[:, : self.shape[0], : self.shape[1]]

    def seen(self, x):
        return self.field(x) @ self.pilots

    def back(self, y):
        """The adjoint of `seen`."""
        points = [OVERSAMPLING * n for n in self.shape]
        h = y @ np.conj(np.swapaxes(self.pilots, -1, -2))
        return fft.ifft2(h, points, axes=(1, 2), norm="ortho")

    def followed(self, x):
        """The share of the observations that an estimate x follows: [batch, 1, 1].

        Degrees of freedom over observations, along one draw of signs e: `Re e^H d / n`,
        where d is how the predictions move with the observations along e. x moves
        within its support, across its phase against the curvature of the norm.
        """
        size, support = np.abs(x), x != 0
        phase = x / np.where(support, size, 1)
        stiff = np.where(support, self.weight / np.where(support, size, 1), 0)

        def curved(d):
            across = d - phase * np.real(np.conj(phase) * d)
            return support * self.back(self.seen(d)) + stiff * across

        shape = len(x), self.shape[0], self.pilots.shape[2]
        signs = np.sign(np.random.default_rng(0).standard_normal((2, *shape)))
        signs = ((signs[0] + 1j * signs[1]) / np.sqrt(2)).astype("complex64")
        moved = _solved(curved, support * self.back(signs))
        return np.clip(_dot(signs, self.seen(moved)) / np.prod(shape[1:]), 0, 1)


def recovered(y, pilots, no):
    """Amplitudes x [batch, *grids] by FISTA with restarts, and their `Fit`.

        min_x |Y - A_r x A_t^T P|^2 / 2 + lambda |x|_1

    (Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm", 2009;
    restarts of O'Donoghue and Candes 2015). y, pilots : complex64, as in
    `receivers.estimation.mimo`.
    """
    shape = y.shape[1], pilots.shape[1]
    if pilots.shape[2] < pilots.shape[1]:
        no = np.maximum(no, LEAST_NOISE * np.mean(np.abs(y) ** 2, axis=(1, 2)))
    weight = THRESHOLD * np.sqrt(no * np.mean(np.sum(np.abs(pilots) ** 2, 2), 1))
    fit = Fit(shape, pilots, weight[:, None, None].astype("float32"))
    step = 1 / np.linalg.norm(pilots, 2, axis=(1, 2))[:, None, None] ** 2
    x = z = np.zeros((len(y), *(OVERSAMPLING * n for n in shape)), "complex64")
    momentum = 1.0
    for _ in range(ITERATIONS):
        moved = z - step * fit.back(fit.seen(z) - y)
        size = np.abs(moved)
        shrunk = np.maximum(size - fit.weight * step, 0)
        new = moved * (shrunk / np.maximum(size, 1e-12))
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        moved = new - x
        if np.sum(np.real(np.conj(z - new) * moved)) > 0:
            following = momentum = 1.0
        z, x = new + (momentum - 1) / following * moved, new
        momentum = following
        if np.all(_dot(moved, moved) < SETTLED * _dot(x, x)):
            break
    return x, fit


def _solved(curved, rest):
    """The solution d of `curved(d) = rest` by conjugate gradients."""
    found, towards, left = np.zeros_like(rest), rest, _dot(rest, rest)
    for _ in range(GRADIENTS):
        turned = curved(towards)
        pace = left / np.maximum(_dot(towards, turned), 1e-30)
        found, rest = found + pace * towards, rest - pace * turned
        before, left = left, _dot(rest, rest)
        towards = rest + left / np.maximum(before, 1e-30) * towards
    return found


def _dot(a, b):
    return np.sum(np.real(np.conj(a) * b), axis=(1, 2), keepdims=True)
