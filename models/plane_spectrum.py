"""A `SpectralDenoiser` of fields whose spectrum lies over two dimensions at once.

Scattering over a planar array has no product spectrum: the visible wavenumbers fill a
disc. All antennas are then one axis, whose grid are the wavenumbers of
`wavenumber_spectrum`, and the second axis has length one and carries the power.
"""

import numpy as np

from link_sim.models.spectral import SpectralDenoiser

SECOND = 12
"""Points of the second axis, as many as the networks' convolutions reach."""


def plane_denoiser(antennas: int, points: int, **options) -> SpectralDenoiser:
    """An untrained denoiser; its weights serve other numbers of both."""
    return SpectralDenoiser((antennas, 1), (points, SECOND), **options)


def constant_axis() -> np.ndarray:
    """The response of the second axis, complex64 [1, SECOND]."""
    return np.ones((1, SECOND), "complex64")


def read_spectrum(denoiser, a, y, no: float) -> np.ndarray:
    """The spectrum p [points] of `learn_spectrum`, read off pilots at once.

    a: responses as observed, complex64 [size, points] for all pilots, which are then
    read together, or [snapshots, size, points]; each is then read by itself, and their
    spectra averaged. y: [snapshots, size]. no: noise variance of an element.
    """
    a, y = np.asarray(a, "complex64"), np.asarray(y, "complex64")
    together = a.ndim == 2
    y = y[None] if together else y[:, None]
    x = np.stack([y.real, y.imag], axis=-1)[:, :, :, None]
    sigma = np.full((*x.shape[:2], 1, 1, 1), np.sqrt(no / 2), "float32")
    first, second = denoiser.spectra(x, sigma, [a, constant_axis()])
    power = np.sum(np.asarray(second), axis=1, keepdims=True)
    return np.mean(np.asarray(first) * power, axis=0)
