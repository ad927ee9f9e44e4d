import numpy as np
from keras import ops

from link_sim.models.stationary_mixture import (
    FLOOR,
    StationaryMixtureDenoiser,
    covariance,
    fit_spectrum,
)

LENGTHS, POINTS = (3, 4), (6, 8)
RNG = np.random.default_rng(0)


def waves():
    first, second = (
        np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(p) / p))
        for n, p in zip(LENGTHS, POINTS, strict=True)
    )
    return np.kron(first, second)


def test_covariance_is_a_sum_of_plane_waves():
    p = RNG.random(POINTS)
    f = waves()
    exact = (f * p.reshape(-1)) @ f.conj().T + FLOOR * p.sum() * np.eye(12)
    np.testing.assert_allclose(covariance(p, LENGTHS), exact, atol=1e-10)


def test_estimate_is_that_of_the_gaussian_mixture():
    spectra = RNG.random((2, *POINTS)) ** 8
    x = RNG.standard_normal((4, 1, *LENGTHS, 2)).astype("float32")
    y = (x[..., 0] + 1j * x[..., 1]).reshape(4, -1)
    found = ops.convert_to_numpy(StationaryMixtureDenoiser(spectra, LENGTHS)(x, 0.5))
    means, logs = [], []
    for p in spectra:
        c = covariance(p, LENGTHS)
        inverse = np.linalg.inv(c + 0.5 * np.eye(12))
        means.append(y @ (c @ inverse).T)
        quadratic = np.einsum("ni,ij,nj->n", y.conj(), inverse, y).real
        logs.append(np.linalg.slogdet(inverse)[1] - quadratic)
    weights = np.exp(np.array(logs) - np.max(logs, axis=0))
    weights /= weights.sum(axis=0)
    exact = np.einsum("kn,kni->ni", weights, means).reshape(4, 1, *LENGTHS)
    assert np.all((weights > 1e-3).any(axis=1))  # both components matter
    np.testing.assert_allclose(found[..., 0] + 1j * found[..., 1], exact, atol=1e-4)


def test_fit_finds_the_covariance_and_never_loses_likelihood():
    p = RNG.random(POINTS) ** 6
    c = covariance(p, LENGTHS)
    w = RNG.standard_normal((2, 20_000, 12))
    h = (w[0] + 1j * w[1]) / np.sqrt(2) @ np.linalg.cholesky(c).T
    sample = h.T @ h.conj() / len(h)

    def loss(iterations):
        fitted = covariance(
            fit_spectrum(h.reshape(-1, *LENGTHS), POINTS, iterations), LENGTHS
        )
        trace = np.trace(np.linalg.solve(fitted, sample)).real
        return np.linalg.slogdet(fitted)[1] + trace

    losses = [loss(n) for n in (0, 1, 5, 50, 400)]
    assert np.all(np.diff(losses) < 1e-6)
    exact = np.linalg.slogdet(c)[1] + np.trace(np.linalg.solve(c, sample)).real
    # twice the log-likelihood ratio of at most 83 parameters, over the samples
    assert abs(losses[-1] - exact) < 2 * 83 / len(h)
