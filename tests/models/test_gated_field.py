"""The denoiser of complex fields, before any training."""

import keras
import numpy as np
import pytest

from link_sim.models.gated_field import ComplexMixing, GatedField


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return GatedField((4, 8), width=6, complex_width=3, blocks=2)


def drawn(sigma):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 8, 2), "float32")
    return x, np.full((2, 1, 1, 1), sigma, "float32"), np.zeros((2, 4), "float32")


def times(x, factor):
    z = (x[..., 0] + 1j * x[..., 1]) * factor
    return np.stack([z.real, z.imag], axis=-1).astype("float32")


def test_a_new_network_is_the_posterior_of_white_gaussian_fields(network):
    x, sigma, told = drawn(0.5)
    mean, variance = network.posterior(x, sigma, told)
    share = 0.5 / (0.5 + 0.5**2)
    np.testing.assert_allclose(mean, share * x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, 2 * 0.5**2 * share, rtol=1e-5)


def test_the_estimate_turns_with_the_field_and_the_variance_does_not(network):
    keras.utils.set_random_seed(2)
    weights = network.get_weights()
    rng = np.random.default_rng(3)
    network.set_weights([rng.normal(0, 0.3, w.shape) for w in weights])
    x, sigma, told = drawn(0.3)
    told[:] = 0.4, -1.2, 1, -1
    turn = np.exp(1.1j)
    mean, variance = network.posterior(x, sigma, told)
    turned, same = network.posterior(times(x, turn), sigma, told)
    scale = np.abs(mean).max()
    assert (
        np.abs(np.asarray(turned) - times(np.asarray(mean), turn)).max() < 1e-4 * scale
    )
    np.testing.assert_allclose(variance, same, rtol=1e-4)
    elsewhere, _ = network.posterior(x, sigma, 0 * told)
    assert np.abs(np.asarray(elsewhere) - mean).max() > 1e-2 * scale
    network.set_weights(weights)


def test_mixing_is_a_cyclic_convolution_of_complex_numbers():
    layer = ComplexMixing(1)
    rng = np.random.default_rng(4)
    z = rng.standard_normal((2, 4, 5))
    z = z[0] + 1j * z[1]
    x = np.stack([z.real, z.imag], axis=-1)[None].astype("float32")
    out = np.asarray(layer(x))[0]
    real, imag = np.asarray(layer.kernel)[..., 0, 0]
    kernel = real + 1j * imag
    expected = sum(
        kernel[i, j] * np.roll(z, (1 - i, 1 - j), (0, 1))
        for i in range(3)
        for j in range(3)
    )
    np.testing.assert_allclose(out[..., 0] + 1j * out[..., 1], expected, atol=1e-5)
