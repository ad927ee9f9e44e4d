import keras
import numpy as np
from keras import ops

from link_sim.models.denoiser import (
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    PreconditionedDenoiser,
)
from link_sim.models.layers import depth_to_space, space_to_depth
from link_sim.models.unet import UNet

NORMAL = np.random.default_rng(0).standard_normal


def small_denoiser():
    network = UNet((8, 8, 3), 1, (32, 64), (1, 1), "float32")
    network.set_weights([0.1 * NORMAL(w.shape) for w in network.get_weights()])
    return PreconditionedDenoiser(network, 0.5)


def test_gaussian_denoiser_is_the_regression_of_x0_on_x():
    samples, sigma = 200_000, 0.7
    x0 = 1 + 1.5 * NORMAL(samples)
    x = x0 + sigma * NORMAL(samples)
    slope, offset = np.polyfit(x, x0, 1)
    denoiser = GaussianDenoiser(mean=1.0, variance=1.5**2)
    # slope error: sqrt(residual variance / samples) / std(x), 4 standard errors
    assert abs(denoiser(1.0, sigma) - denoiser(0.0, sigma) - slope) < 4 * 0.63 / 450
    assert abs(denoiser(0.0, sigma) - offset) < 4 * 0.63 / 450 * 2


def test_mixture_denoiser_equals_numerical_integration():
    means, variances, weights = [[-1.0], [2.0]], [0.3, 0.1], [0.4, 0.6]
    x, sigma = 0.7, 0.8
    grid = np.linspace(-12, 12, 200_001)
    prior = sum(
        w / np.sqrt(v) * np.exp(-((grid - m[0]) ** 2) / 2 / v)
        for m, v, w in zip(means, variances, weights, strict=True)
    )
    posterior = prior * np.exp(-((x - grid) ** 2) / 2 / sigma**2)
    exact = (posterior * grid).sum() / posterior.sum()
    denoiser = GaussianMixtureDenoiser(means, variances, weights)
    estimate = float(denoiser(ops.convert_to_tensor([[x]]), sigma)[0, 0])
    assert abs(estimate - exact) < 1e-5


def test_mixture_of_equal_components_is_gaussian():
    x = ops.convert_to_tensor(NORMAL((5, 3)), "float32")
    mixture = GaussianMixtureDenoiser([[0.5] * 3] * 2, [2.0, 2.0], [0.3, 0.7])
    exact = GaussianDenoiser(0.5, 2.0)(x, 0.9)
    np.testing.assert_allclose(mixture(x, 0.9), exact, atol=1e-6)


def test_space_to_depth_round_trip_keeps_pixel_groups_together():
    x = NORMAL((2, 8, 12, 3)).astype("float32")
    folded = ops.convert_to_numpy(space_to_depth(x))
    np.testing.assert_array_equal(folded[1, 2, 3], x[1, 4:6, 6:8].ravel())
    np.testing.assert_array_equal(depth_to_space(folded), x)


def test_untrained_denoiser_only_rescales_its_input():
    network = UNet((8, 8, 1), 1, (32, 64), (1, 1), "float32")
    denoiser = PreconditionedDenoiser(network, 0.5)
    x = ops.ones((2, 8, 8, 1))
    np.testing.assert_allclose(denoiser(x, 0.5), 0.5 * x, rtol=1e-6)
    np.testing.assert_allclose(denoiser(x, 1e-4), x, rtol=1e-6)


def test_sigma_broadcasts_and_condition_matters():
    denoiser = small_denoiser()
    x = ops.convert_to_tensor(NORMAL((2, 8, 8, 1)), "float32")
    condition = ops.convert_to_tensor(NORMAL((2, 8, 8, 2)), "float32")
    each = ops.convert_to_tensor(np.full((2, 1, 1, 1), 0.3), "float32")
    scalar = denoiser(x, 0.3, condition)
    np.testing.assert_allclose(denoiser(x, each, condition), scalar, atol=1e-6)
    assert float(ops.max(ops.abs(denoiser(x, 0.3, -condition) - scalar))) > 0.01


def test_denoiser_serialises_with_its_network():
    denoiser = small_denoiser()
    config = keras.saving.serialize_keras_object(denoiser)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(denoiser.get_weights())
    x, condition = ops.ones((1, 8, 8, 1)), ops.ones((1, 8, 8, 2))
    np.testing.assert_array_equal(copy(x, 0.7, condition), denoiser(x, 0.7, condition))
