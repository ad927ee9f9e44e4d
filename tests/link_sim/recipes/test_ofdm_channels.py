"""What the prior of OFDM grids is trained on, and its loss."""

import numpy as np
import pytest

from link_sim.models.kronecker import response
from link_sim.models.spectral import SpectralDenoiser, array_response, log_error
from link_sim.recipes import ofdm_channels
from link_sim.recipes.ofdm_channels import fields, modes_of, ofdm_batch, over_bands

RNG = np.random.default_rng(0)
BANDS = 60e3 * np.arange(6), 500e3 * np.arange(9)


def normal(*shape):
    return (RNG.standard_normal((*shape, 2)) @ [1, 1j]).astype("complex64")


def drawn(rng, seed, size):
    a, tau = normal(size, 4, 2, 3), RNG.uniform(0, 1e-6, (size, 3))
    return [fields(a, tau, f) for f in BANDS]


def test_fields_are_sums_of_paths():
    a, tau = normal(2, 4, 3, 5), RNG.uniform(0, 1e-6, (2, 5))
    h = fields(a, tau, BANDS[1])
    expected = np.sum(a[1, 2, 1] * np.exp(-2j * np.pi * 2e6 * tau[1]))
    assert h.shape == (2, 4, 3, 9) and h[1, 2, 1, 4] == pytest.approx(expected, 1e-5)


def test_a_batch_is_what_the_estimator_makes_of_noisy_pilots():
    """Of all bands together; per unit of noise, errors of 1 on each mode."""
    bases = [modes_of(f)[0] for f in BANDS]
    inputs, target, _ = ofdm_batch(0, 1, 800, drawn, bases)
    assert len(inputs) == 6 and target.shape == (400,)
    for band, into in enumerate(bases):
        x, sigma, x0 = inputs[3 * band : 3 * band + 3]
        assert x.shape == x0.shape == (400, 4, 2, into.shape[1], 2)
        noise = (x - x0) / sigma
        assert np.mean(noise**2) == pytest.approx(1, abs=6 * np.sqrt(2 / noise.size))
        power = np.sum(x**2, axis=(2, 3, 4)) / (2 * len(into))
        quiet = sigma[..., 0, 0, 0] < 0.1
        assert np.mean(power[quiet]) == pytest.approx(1, abs=0.05)


def test_the_loss_is_that_of_each_band():
    denoiser = SpectralDenoiser((2, 6), (16, 64))
    bases, observed = zip(*map(modes_of, BANDS), strict=True)
    inputs, *_ = ofdm_batch(0, 1, 8, drawn, bases)
    errors = np.asarray(over_bands(denoiser, 2, observed)(*inputs))
    assert errors.shape == (4, 2)
    x, sigma, x0 = inputs[3:]
    array = response(array_response(2, 16))
    expected = log_error(x0, denoiser(x, sigma, (array, observed[1]), training=True))
    np.testing.assert_allclose(errors[:, 1], expected, rtol=1e-5)
    mean = ofdm_channels.mean_of_bands(None, errors)
    np.testing.assert_allclose(mean, errors.mean(axis=1), rtol=1e-6)
