"""Losses from observations alone, against the error that only the truth tells."""

import numpy as np
import pytest

from link_sim.models.denoiser import GaussianDenoiser
from link_sim.models.pilot_losses import PROBE, denoising_score, sure
from link_sim.models.spectral import SpectralDenoiser

SIZE, LENGTH, SIGMA = 2000, 50, 0.5


def observed(rng, variance=1.0):
    x0 = np.sqrt(variance) * rng.standard_normal((SIZE, LENGTH))
    y = x0 + SIGMA * rng.standard_normal(x0.shape)
    sigma = np.full((SIZE, 1), SIGMA)
    return x0.astype("float32"), y.astype("float32"), sigma.astype("float32")


@pytest.mark.parametrize("assumed", [0.2, 1.0, 5.0])
def test_sure_is_the_error_that_it_never_saw(assumed):
    rng = np.random.default_rng(1)
    x0, y, sigma = observed(rng)
    denoiser = GaussianDenoiser(variance=assumed)
    signs = rng.choice([-1, 1], y.shape).astype("float32")
    found = np.asarray(sure(denoiser, y, sigma, signs))
    true = np.mean((np.asarray(denoiser(y, sigma)) - x0) ** 2, axis=1) / SIGMA**2
    gap = found - true
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(SIZE)
    assert found.std() < 1


def test_losses_of_rounds_are_those_of_each():
    rng = np.random.default_rng(2)
    _, y, sigma = observed(rng)
    signs = rng.choice([-1, 1], y.shape).astype("float32")
    each = [GaussianDenoiser(variance=v) for v in (0.5, 2.0)]

    def both(x, s):
        return np.stack([d(x, s) for d in each], axis=1)

    for loss in (sure, lambda *seen: denoising_score(*seen, 0.3)):
        rounds = np.asarray(loss(both, y, sigma, signs))
        for denoiser, found in zip(each, rounds.T, strict=True):
            alone = loss(denoiser, y, sigma, signs)
            np.testing.assert_allclose(found, alone, atol=2e-5 / PROBE)


def test_denoising_autoencoder_finds_the_score():
    """Of linear denoisers c y the best is c = 1 - sigma^2 / (1 + (1 + t^2) sigma^2)."""
    rng = np.random.default_rng(3)
    _, y, sigma = observed(rng)
    u = rng.standard_normal(y.shape).astype("float32")
    share = 0.3
    gains = np.linspace(0.6, 1, 81)
    losses = [
        np.mean(denoising_score(lambda x, s, c=c: c * x, y, sigma, u, share))
        for c in gains
    ]
    best = 1 - SIGMA**2 / (1 + (1 + share**2) * SIGMA**2)
    # slope's deviation over the curvature, both per element
    spread = SIGMA / share / np.sqrt(u.size)
    assert gains[np.argmin(losses)] == pytest.approx(best, abs=4 * spread + 0.005)


def test_sure_through_a_combiner_is_the_error_that_it_sees():
    """A field of 8 antennas behind 6 measurements, its spectrum read off by a network
    that is not trained."""
    rng = np.random.default_rng(4)
    size, no = 50, 0.1
    f = np.exp(2j * np.pi * np.outer(np.arange(8), np.arange(16) / 16))
    m = rng.standard_normal((6, 8)) / np.sqrt(8)
    h = f[:, :3] @ (rng.standard_normal((size, 3, 4, 2)) @ [1, 1j]) / np.sqrt(6)
    z = np.swapaxes(m @ h, 1, 2)[..., None]  # [size, snapshots, measurements, 1]
    y = z + np.sqrt(no / 2) * (rng.standard_normal((*z.shape, 2)) @ [1, 1j])
    z, y = (np.stack([x.real, x.imag], -1).astype("float32") for x in (z, y))
    model = SpectralDenoiser((6, 1), (16, 12), width=4)
    one = np.ones((1, 12), "complex64")
    sigma = np.full((size, 1, 1, 1, 1), np.sqrt(no / 2), "float32")

    def denoiser(x, s):
        return model(x, s, [m @ f, one], training=True)

    signs = rng.choice([-1, 1], y.shape).astype("float32")
    found = np.asarray(sure(denoiser, y, sigma, signs))[:, -1]
    error = np.asarray(denoiser(y, sigma))[:, -1] - z
    gap = found - np.mean(error**2, axis=(1, 2, 3, 4)) / (no / 2)
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(size) < 0.6
