import keras
import numpy as np
import pytest
from keras import ops

from link_sim.models.pixel_denoiser import PixelDenoiser
from link_sim.models.unet import UNet

RNG = np.random.default_rng(0)
LLR = RNG.normal(0, 2, (2, 8, 8, 8)).astype("float32")
CONDITION = np.tanh(LLR / 2)


def denoiser(logit=0.0, gain=0.0):
    """One whose network answers the same everywhere."""
    network = UNet((8, 8, 9), 17, (32, 64), (1, 1), "float32")
    network.trainable_weights[-1].assign(np.tile([logit] * 8 + [gain] * 8 + [0.0], 4))
    return PixelDenoiser(network, 0.6)


def test_untrained_estimate_is_the_posterior_mean_of_uniform_bits():
    p = 1 / (1 + np.exp(-LLR.astype("float64")))
    exact = 2 * (p * 2.0 ** np.arange(7, -1, -1)).sum(-1) / 255 - 1
    estimate = denoiser()(ops.zeros((2, 8, 8, 1)), 1e4, CONDITION)
    np.testing.assert_allclose(estimate[..., 0], exact, atol=1e-5)


def test_hard_bits_of_known_flip_rate_under_a_prior_give_the_exact_mean():
    """All bits have prior p(1) = 0.3 and flip with 0.1: compare with Bayes' rule."""
    prior, flip = 0.3, 0.1
    received = np.where(LLR > 0, 1.0, -1.0).astype("float32")
    likelihood = np.where(received > 0, (1 - flip) / flip, flip / (1 - flip))
    p = prior * likelihood / (prior * likelihood + 1 - prior)
    exact = 2 * (p * 2.0 ** np.arange(7, -1, -1)).sum(-1) / 255 - 1
    clipped = np.log(1.9999 / 0.0001)
    gain = np.log((1 - flip) / flip) / clipped - 1
    layer = denoiser(np.log(prior / (1 - prior)), gain)
    estimate = layer(ops.zeros((2, 8, 8, 1)), 1e4, received)
    np.testing.assert_allclose(estimate[..., 0], exact, atol=1e-3)


@pytest.mark.parametrize("sigma", [1e-4, 0.6, 100.0])
def test_state_counts_as_much_as_its_noise_allows(sigma):
    x = ops.convert_to_tensor(RNG.standard_normal((2, 8, 8, 1)), "float32")
    layer = denoiser()
    mean = layer(ops.zeros_like(x), 1e4, CONDITION)
    share = sigma**2 / (sigma**2 + 0.6**2)
    exact = (1 - share) * x + share * mean
    np.testing.assert_allclose(layer(x, sigma, CONDITION), exact, atol=1e-4)


def test_serialises_with_its_network():
    layer = denoiser(0.3, 0.2)
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(layer.get_weights())
    x = ops.ones((2, 8, 8, 1))
    np.testing.assert_array_equal(copy(x, 0.5, CONDITION), layer(x, 0.5, CONDITION))
