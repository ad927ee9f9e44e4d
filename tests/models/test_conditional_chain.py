import numpy as np
import pytest
from keras import ops

from link_sim.models.conditional_chain import (
    SIGMA_INFINITE,
    ConditionalChain,
    sample_chain,
)
from link_sim.models.denoiser import GaussianDenoiser

CHAIN = ConditionalChain(200)


def test_ends():
    assert CHAIN.m[0] == 0 and CHAIN.delta[0] == 0 and CHAIN.sigma[0] == 0
    assert CHAIN.m[-1] == 1 and CHAIN.sigma[-1] == SIGMA_INFINITE
    assert np.isclose(CHAIN.delta[-1], 0.236068, atol=1e-6)
    assert np.all(np.diff(CHAIN.sigma) > 0)
    np.testing.assert_allclose(CHAIN.delta, 1 - (1 + CHAIN.m**2) * CHAIN.a, atol=1e-12)


@pytest.mark.parametrize("t, s", [(200, 199), (120, 119), (2, 1), (150, 30)])
def test_ancestral_coefficients_equal_the_exact_posterior(t, s):
    """Brute force: condition the joint Gaussian of (x_s, x_t) given x0, y on x_t."""
    a, m, delta = CHAIN.a, CHAIN.m, CHAIN.delta
    slope = (1 - m[t]) / (1 - m[s]) * np.sqrt(a[t] / a[s])  # x_t = slope x_s + ...
    gain = slope * delta[s] / delta[t]
    x0, y, x = 0.3, -0.8, 0.45
    mean_s, mean_t = (np.sqrt(a[k]) * ((1 - m[k]) * x0 + m[k] * y) for k in (s, t))
    exact_mean = mean_s + gain * (x - mean_t)
    exact_variance = delta[s] - gain * slope * delta[s]
    clean, corrupted, keep, spread = CHAIN.step_coefficients(t, s, eta=1.0)
    assert np.isclose(clean * x0 + corrupted * y + keep * x, exact_mean)
    assert np.isclose(spread**2, exact_variance)


def test_ancestral_coefficients_equal_the_published_form():
    """c_x, c_y and c_e of Lu et al. 2022, with x0_hat written through the noise."""
    t, s = 90, 89
    a, m, delta = CHAIN.a, CHAIN.m, CHAIN.delta
    alpha, ratio = a[t] / a[s], (1 - m[t]) / (1 - m[s])
    step = delta[t] - ratio**2 * alpha * delta[s]
    c_x = ratio * delta[s] / delta[t] * np.sqrt(alpha)
    c_x += (1 - m[s]) * step / delta[t] / np.sqrt(alpha)
    c_y = m[s] * delta[t] - m[t] * ratio * alpha * delta[s]
    c_y *= np.sqrt(a[s]) / delta[t]
    c_e = (1 - m[s]) * step / delta[t] * np.sqrt(1 - a[t]) / np.sqrt(alpha)
    clean, corrupted, keep, _ = CHAIN.step_coefficients(t, s, eta=1.0)
    assert np.isclose(keep + clean / np.sqrt(a[t]), c_x)
    assert np.isclose(corrupted, c_y)
    assert np.isclose(clean * np.sqrt(1 - a[t]) / np.sqrt(a[t]), c_e)


def posterior_problem(samples):
    """y = x0 + noise of variance 0.5: the denoiser knows y, as bound networks do."""
    rng = np.random.default_rng(1)
    prior, noise = 1.0, 0.5
    x0 = rng.standard_normal((samples, 1)).astype("float32")
    y = x0 + np.float32(np.sqrt(noise)) * rng.standard_normal(x0.shape, "float32")
    variance = prior * noise / (prior + noise)
    denoiser = GaussianDenoiser(y * prior / (prior + noise), variance)
    return x0, ops.convert_to_tensor(y), denoiser, variance


def test_one_step_is_the_mmse_estimate_without_noise():
    _, y, denoiser, _ = posterior_problem(5)
    estimate = sample_chain(denoiser, y, 0.0, CHAIN, 1)
    np.testing.assert_allclose(estimate, denoiser.mean, atol=1e-4)


@pytest.mark.parametrize("num_steps, eta", [(200, 0.0), (200, 1.0), (100, 0.5)])
def test_many_steps_sample_the_posterior(num_steps, eta):
    samples = 4000
    x0, y, denoiser, variance = posterior_problem(samples)
    noise = np.random.default_rng(2).standard_normal((num_steps, samples, 1), "float32")
    x = sample_chain(denoiser, y, ops.convert_to_tensor(noise), CHAIN, num_steps, eta)
    spread = ops.convert_to_numpy(x) - ops.convert_to_numpy(denoiser.mean)
    # 4 standard errors, and 3 % of discretisation
    assert abs(spread.mean()) < 4 * np.sqrt(variance / samples)
    assert abs(spread.var() / variance - 1) < 4 * np.sqrt(2 / samples) + 0.03
    penalty = np.mean((ops.convert_to_numpy(x) - x0) ** 2) / variance  # 2 in theory
    assert abs(penalty - 2) < 4 * 2 * np.sqrt(2 / samples) + 0.06


def test_fewer_steps_lie_between_estimate_and_sample():
    x0, y, denoiser, _ = posterior_problem(4000)
    errors = []
    for num_steps in (1, 2, 4, 8, 32):
        noise = np.random.default_rng(2).standard_normal(
            (num_steps, 4000, 1), "float32"
        )
        x = sample_chain(denoiser, y, ops.convert_to_tensor(noise), CHAIN, num_steps)
        errors.append(np.mean((ops.convert_to_numpy(x) - x0) ** 2))
    assert errors == sorted(errors)


def test_impossible_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="num_steps=0 is outside 1 ... 200"):
        CHAIN.levels(0)
