"""Each sampler against the known answer of a Gaussian or Gaussian mixture prior."""

import numpy as np
import pytest
from keras import ops

from link_sim.models import samplers
from link_sim.models.denoiser import GaussianDenoiser, GaussianMixtureDenoiser
from link_sim.models.posterior import LinearGaussianLikelihood, PosteriorDenoiser
from link_sim.models.schedules import karras_sigmas

pytestmark = pytest.mark.usefixtures("eager")

SAMPLES = 20_000
MEAN, VARIANCE, SIGMA_MAX = 0.5, 0.8, 20.0


def normal(*shape, seed=0):
    noise = np.random.default_rng(seed).standard_normal(shape, "float32")
    return ops.convert_to_tensor(noise)


def run(name, denoiser, start, steps):
    sigmas = karras_sigmas(steps, 0.01, SIGMA_MAX)
    return getattr(samplers, name)(denoiser, start, sigmas)


def assert_moments(x, mean, variance, bias=0.0):
    """Sample moments within 4 standard errors, plus `bias` of the discretisation."""
    x = ops.convert_to_numpy(x)
    count = x.shape[0]
    assert np.all(np.abs(x.mean(0) - mean) < 4 * np.sqrt(variance / count) + bias)
    error = 4 * variance * np.sqrt(2 / count) + bias
    assert np.all(np.abs(x.var(0) - variance) < error)


@pytest.mark.parametrize("name", ["euler", "heun"])
def test_gaussian_prior_is_sampled(name):
    denoiser = GaussianDenoiser(MEAN, VARIANCE)
    start = MEAN + np.sqrt(VARIANCE + SIGMA_MAX**2) * normal(SAMPLES)
    steps = 20 if name == "heun" else 150
    assert_moments(run(name, denoiser, start, steps), MEAN, VARIANCE, bias=0.02)


@pytest.mark.parametrize("name", ["euler", "heun"])
def test_mixture_prior_is_sampled(name):
    means, variances, weights = [[-1.0], [2.0]], [0.09, 0.04], [0.3, 0.7]
    denoiser = GaussianMixtureDenoiser(means, variances, weights)
    start = 1.1 + SIGMA_MAX * normal(SAMPLES, 1)
    x = ops.convert_to_numpy(run(name, denoiser, start, 60))[:, 0]
    right = x > 0.5
    assert abs(right.mean() - 0.7) < 4 * np.sqrt(0.21 / SAMPLES) + 0.01
    assert_moments(x[right], 2.0, 0.04, bias=0.01)
    assert_moments(x[~right], -1.0, 0.09, bias=0.02)


def single_step_errors(name, steps):
    """Errors of a deterministic path whose exact end is known."""
    denoiser = GaussianDenoiser(MEAN, VARIANCE)
    start = ops.convert_to_tensor(np.linspace(-15, 15, 7), "float32")
    result = run(name, denoiser, start, steps)
    scale = np.sqrt(VARIANCE / (VARIANCE + SIGMA_MAX**2))
    exact = MEAN + scale * (ops.convert_to_numpy(start) - MEAN)
    return np.abs(ops.convert_to_numpy(result) - exact).max()


@pytest.mark.parametrize("name, order", [("euler", 1), ("heun", 2)])
def test_order_of_convergence(name, order):
    errors = [single_step_errors(name, steps) for steps in (16, 32, 64)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, order, atol=0.3)


def linear_observation():
    rng = np.random.default_rng(3)
    matrix, variance = rng.standard_normal((3, 4)), 0.5
    y = rng.standard_normal(3)
    covariance = np.linalg.inv(np.eye(4) / VARIANCE + matrix.T @ matrix / variance)
    mean = covariance @ (MEAN / VARIANCE + matrix.T @ y / variance)
    likelihood = LinearGaussianLikelihood(matrix, variance)
    prior = GaussianDenoiser(MEAN, VARIANCE)
    denoiser = PosteriorDenoiser(prior, likelihood, y, np.sqrt(VARIANCE))
    return denoiser, mean, covariance


def test_posterior_denoiser_far_out_is_the_lmmse_estimate():
    denoiser, mean, _ = linear_observation()
    estimate = denoiser(ops.zeros((1, 4)), 1e3)
    np.testing.assert_allclose(estimate[0], mean, atol=1e-4)


@pytest.mark.parametrize(
    "name", [pytest.param("euler", marks=pytest.mark.slow), "heun"]
)
def test_posterior_is_sampled(name):
    denoiser, mean, covariance = linear_observation()
    x = run(
        name, denoiser, SIGMA_MAX * normal(SAMPLES, 4), 30 if name == "heun" else 150
    )
    assert_moments(x, mean, np.diag(covariance), bias=0.02)
    error = np.cov(ops.convert_to_numpy(x), rowvar=False) - covariance
    assert np.abs(error).max() < 4 * np.sqrt(2 / SAMPLES) * covariance.max() + 0.02
