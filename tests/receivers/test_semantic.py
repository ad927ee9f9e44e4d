import keras
import numpy as np
import pytest
from keras import ops

from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
from link_sim.receivers.semantic import (
    SemanticDecoder,
    SymbolEncoder,
    num_symbols,
    observe,
)

RNG = np.random.default_rng(0)
IMAGE = RNG.random((3, 2, 8, 8, 1)).astype("float32")


def complex_normal(shape):
    return (RNG.standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2)).astype("complex64")


def small_encoder():
    network = SemanticEncoder((8, 8, 1), 16, (4, 4, 4, 4))
    network.layers[-1].bias.assign(RNG.standard_normal(16))
    return SymbolEncoder(network)


def test_numbers_of_symbols_are_the_published_bandwidth_ratios():
    ratios = 1 / 48, 1 / 24, 1 / 12, 1 / 6
    cifar = [num_symbols(ratio, (32, 32, 3)) for ratio in ratios]
    assert cifar == [64, 128, 256, 512]
    assert [num_symbols(r, (28, 28, 1)) for r in ratios] == [16, 33, 65, 131]
    assert [num_symbols(r, (28, 28, 1), 2) for r in ratios] == [16, 32, 64, 130]


@pytest.mark.parametrize("count", [2, 6, 8])
def test_every_image_has_mean_symbol_energy_one(count):
    x = np.asarray(small_encoder()(IMAGE, count))
    assert x.shape == (3, 2, count) and x.dtype == np.complex64
    np.testing.assert_allclose(np.mean(np.abs(x) ** 2, axis=-1), 1, rtol=1e-5)


def test_fewer_symbols_are_the_first_of_more_but_for_the_power():
    encoder, one = small_encoder(), IMAGE[:, :1]
    few, many = (np.asarray(encoder(one, count)) for count in (3, 8))
    ratio = many[..., :3] / few
    np.testing.assert_allclose(ratio, ratio[..., :1] + 0 * ratio, rtol=1e-4)
    np.testing.assert_allclose(ratio.imag, 0, atol=1e-4)


def test_observation_is_the_linear_mmse_estimate_padded_with_nothing():
    x_hat, no_eff = complex_normal((2, 1, 3)), RNG.random((2, 1, 3)).astype("float32")
    vector, levels = (np.asarray(part) for part in observe(x_hat, no_eff, 5))
    weight = 1 / (1 + no_eff[:, 0])
    np.testing.assert_allclose(vector[:, :3], x_hat[:, 0].real * weight, rtol=1e-5)
    np.testing.assert_allclose(vector[:, 5:8], x_hat[:, 0].imag * weight, rtol=1e-5)
    assert not vector[:, [3, 4, 8, 9]].any()
    np.testing.assert_allclose(levels[:, 0], weight.mean(-1), rtol=1e-5)
    np.testing.assert_allclose(levels[:, 1], 3 / 5, rtol=1e-6)
    # symbols of infinite noise are as good as unsent ones
    erased = np.concatenate([no_eff, np.full((2, 1, 2), np.inf, "float32")], -1)
    longer = np.concatenate([x_hat, complex_normal((2, 1, 2))], -1)
    for one, other in zip(observe(longer, erased, 5), (vector, levels), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


class LinearGaussian:
    """The exact denoiser of x0 ~ N(gain v, variance I) for an observed vector v."""

    variance = 0.04

    def __call__(self, x, sigma, vector, levels):
        mean = ops.reshape(0.5 * vector[:, :1], (-1, 1, 1, 1)) + 0 * x
        gain = self.variance / (self.variance + sigma**2)
        return mean + gain * (x - mean)


def test_steps_lead_from_the_mmse_estimate_to_the_posterior():
    x_hat = np.full((50, 1, 1), 0.6 + 0j, "complex64")
    no_eff = np.full((50, 1, 1), 0.2, "float32")
    mean = 0.5 * 0.5  # w x_hat = 0.5

    def decoded(num_steps):
        decoder = SemanticDecoder(LinearGaussian(), (8, 8, 1), 1, num_steps)
        return 2 * np.asarray(decoder(x_hat, no_eff)) - 1

    np.testing.assert_allclose(decoded(1), mean, atol=1e-5)
    sample = decoded(50)
    # 3,200 pixels: 4 standard errors. The start at SIGMA_MAX = 1 lacks the variance
    # v of v + 1, Euler steps some more: 0.98^2 and below of v
    assert abs(sample.mean() - mean) < 4 * 0.2 / np.sqrt(3200)
    assert 0.85 < sample.var() / LinearGaussian.variance < 1.05
    assert decoded(2).var() < decoded(8).var() < 1.05 * LinearGaussian.variance


def test_decoder_serialises_and_repeats_itself():
    denoiser = SemanticDenoiser((8, 8, 1), 16, 2, 0.5, (32, 32), (1, 1))
    denoiser.set_weights([0.1 * RNG.standard_normal(w.shape) for w in denoiser.weights])
    decoder = SemanticDecoder(denoiser, (8, 8, 1), 8, num_steps=3)
    received = complex_normal((2, 2, 4)), np.full((2, 2, 4), 0.1, "float32")
    first = decoder(*received)
    assert first.shape == (2, 2, 8, 8, 1)
    np.testing.assert_array_equal(decoder(*received), first)
    noise = decoder.draw_noise(4, 1)
    assert not np.array_equal(decoder(*received, noise), first)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(decoder)
    )
    copy.denoiser.set_weights(denoiser.get_weights())
    np.testing.assert_array_equal(copy(*received), first)
    encoder = small_encoder()
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(encoder)
    )
    twin.network.set_weights(encoder.network.get_weights())
    np.testing.assert_array_equal(twin(IMAGE, 4), encoder(IMAGE, 4))


def test_wrong_numbers_are_answered_in_one_sentence():
    with pytest.raises(ValueError, match="9 symbols for an image: use 1 to 8"):
        small_encoder()(IMAGE, 9)
    with pytest.raises(ValueError, match="use 1 to 200"):
        SemanticDecoder(LinearGaussian(), (8, 8, 1), 4, num_steps=201)
    decoder = SemanticDecoder(LinearGaussian(), (8, 8, 1), 4)
    with pytest.raises(ValueError, match="trained for 4"):
        decoder(complex_normal((1, 1, 5)), np.ones((1, 1, 5), "float32"))
