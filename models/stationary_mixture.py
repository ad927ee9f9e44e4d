"""A denoiser of fields that are one of several stationary Gaussian processes."""

import numpy as np
from keras import ops

FLOOR = 1e-5
"""White power in every component, relative to the field."""


class StationaryMixtureDenoiser:
    """The exact denoiser of a mixture of stationary Gaussian fields over two arrays.

    A component has the covariance `C_k = sum_g p_k(g) f_g f_g^H` of plane waves f_g
    on a grid of angle pairs, so a field of 16 x 64 antennas takes a few thousand
    parameters instead of a million:

        x0_hat = sum_k Pr(k | x) C_k (C_k + no I)^-1 x,  no = 2 sigma^2

    Args:
        spectra: Powers p_k(g), [components, grid_1, grid_2].
        lengths: Antennas of the two uniform linear arrays.

    Call arguments:
        x: [batch, 1, length_1, length_2, 2], real and imaginary parts.
        sigma: Noise per real dimension; broadcasts to [batch, 1, 1, 1, 1].
    """

    def __init__(self, spectra, lengths):
        self.lengths = tuple(lengths)
        covariances = (covariance(p, self.lengths) for p in spectra)
        modes = (np.linalg.eigh(c) for c in covariances)
        self._modes = [
            (np.maximum(values, 0).astype("float32"), vectors.astype("complex64"))
            for values, vectors in modes
        ]

    def __call__(self, x, sigma):
        x = ops.convert_to_tensor(x)
        sigma = ops.broadcast_to(
            ops.cast(sigma, "float32"), (ops.shape(x)[0], 1, 1, 1, 1)
        )
        found = [self._weigh(*modes, x, sigma) for modes in self._modes]
        likelihood = ops.stack([f[0] for f in found], axis=-1)
        weights = ops.exp(likelihood - ops.max(likelihood, axis=-1, keepdims=True))
        weights = weights / ops.sum(weights, axis=-1, keepdims=True)
        weights = weights[:, None, None, None, None]
        return ops.sum(ops.stack([f[1] for f in found], axis=-1) * weights, axis=-1)

    def _weigh(self, values, vectors, x, sigma):
        """log p(x) up to a constant [batch], and the estimate, under one component."""
        y = ops.reshape(ops.view_as_complex(x), (-1, len(values)))
        no = 2 * sigma[:, 0, 0, 0] ** 2
        z = ops.matmul(y, vectors.conj())
        total = values + no
        likelihood = -ops.sum(ops.abs(z) ** 2 / total + ops.log(total), axis=-1)
        gain = values / total
        z = ops.view_as_real(z) * gain[..., None]
        x0_hat = ops.matmul(ops.view_as_complex(z), vectors.T)
        return likelihood, ops.reshape(ops.view_as_real(x0_hat), ops.shape(x))


def covariance(spectrum: np.ndarray, lengths) -> np.ndarray:
    """C = sum_g p(g) f_g f_g^H + floor: complex128 [n, n], n = length_1 length_2.

    spectrum: [grid_1, grid_2], over spatial frequencies g / grid of uniform arrays.
    """
    lags = np.fft.fft2(spectrum).conj()
    lags[0, 0] *= 1 + FLOOR
    first, second = (np.subtract.outer(np.arange(n), np.arange(n)) for n in lengths)
    c = lags[first[:, None, :, None], second[None, :, None, :]]
    size = int(np.prod(lengths))
    return c.reshape(size, size)


def fit_spectrum(fields: np.ndarray, points, iterations: int) -> np.ndarray:
    """The spectrum under which Gaussian fields are likeliest: [grid_1, grid_2].

    From the mean periodogram, by

        p(g) <- p(g) sqrt(f_g^H C^-1 S C^-1 f_g / f_g^H C^-1 f_g)

    with the sample covariance S, a step that never lowers the likelihood
    (minorisation-maximisation; Sun, Babu and Palomar, "Robust estimation of structured
    covariance matrix for heavy-tailed elliptical distributions", IEEE TSP 2016).

    fields: complex [number, length_1, length_2].
    """
    number, *lengths = fields.shape
    flat = fields.reshape(number, -1)
    size = flat.shape[1]
    sample = (flat.T @ flat.conj() / number).astype("complex128")
    p = np.maximum(_quadratic(sample, lengths, points), 0)
    p *= np.trace(sample).real / size / p.sum()
    for _ in range(iterations):
        inverse = np.linalg.inv(covariance(p, lengths))
        found = _quadratic(inverse @ sample @ inverse, lengths, points)
        expected = _quadratic(inverse, lengths, points)
        p *= np.sqrt(np.maximum(found, 0) / np.maximum(expected, 1e-3))
    return p.astype("float32")


def _quadratic(matrix: np.ndarray, lengths, points) -> np.ndarray:
    """`f_g^H M f_g` of all grid points: the transform of M summed along its lags."""
    first, second = lengths
    blocks = matrix.reshape(first, second, first, second)
    lags = np.zeros(points, "complex128")
    for i in range(first):
        for j in range(second):
            rows, columns = np.arange(first) - i, np.arange(second) - j
            lags[np.ix_(rows % points[0], columns % points[1])] += blocks[i, j]
    return np.fft.ifft2(lags).real * np.prod(points)
