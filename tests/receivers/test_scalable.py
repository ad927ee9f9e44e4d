import keras
import numpy as np
import pytest
from keras import ops

from link_sim.models.scalable import (
    FlowNetwork,
    ScalableDecoder,
    ScalableEncoder,
    expected_error,
    levels_of,
    sent_mask,
    starting_noise,
)
from link_sim.receivers.places import Places
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder

pytestmark = pytest.mark.usefixtures("eager")
RNG = np.random.default_rng(0)
SMALL = {"widths": (4, 4), "depths": (1, 1)}
SHAPE = 10, 14, 3
IMAGE = RNG.random((3, 2, *SHAPE)).astype("float32")
NO = 0.1
LOG_VARIANCE = 0.3


def random(network):
    network.set_weights([0.1 * RNG.standard_normal(w.shape) for w in network.weights])
    return network


@pytest.fixture(scope="module")
def encoder():
    return ScalableSymbolEncoder(random(ScalableEncoder(3, 8, **SMALL)), SHAPE)


@pytest.fixture(scope="module")
def decoder():
    networks = random(ScalableDecoder(3, 8, **SMALL)), random(FlowNetwork(3, **SMALL))
    return FlowDecoder(networks[0], SHAPE, networks[1], num_steps=3)


def received(count, users=2):
    parts = RNG.standard_normal((3, users, count, 2)) @ [1, 1j]
    return parts.astype("complex64"), np.full((3, users, count), NO, "float32")


@pytest.mark.parametrize("count", [2, 34, 96])
def test_every_image_has_mean_symbol_energy_one(encoder, count):
    x = np.asarray(encoder(IMAGE, count, NO))
    assert encoder.max_symbols == 8 * 3 * 4 and x.shape == (3, 2, count)
    np.testing.assert_allclose(np.mean(np.abs(x) ** 2, axis=-1), 1, rtol=1e-5)


def test_places_are_put_in_order_and_back():
    places = Places(SHAPE)
    x = RNG.random((2, 3, 4, 5)).astype("float32")
    sent = places.first(60, 5)
    symbols = np.asarray(places.symbols_of(x, sent))
    np.testing.assert_array_equal(places.map_of(symbols, sent, 5), x)
    np.testing.assert_array_equal(symbols[:, :7], places.symbols_of(x, sent[:7]))
    first = np.unravel_index(np.argmin(places.ranks), (3, 4))
    np.testing.assert_array_equal(symbols[:, ::12], x[:, *first])
    padded = np.asarray(places.pad(IMAGE[:, 0]))
    assert padded.shape == (3, 12, 16, 3)
    np.testing.assert_array_equal(padded[:, 10:, :14], IMAGE[:, 0, :7:-1])


def test_places_with_shares_of_their_own_are_put_back():
    places, shares = Places(SHAPE), np.zeros((3, 4), "float32")
    shares[0, 1], shares[2, 3] = 0.4, 1.0
    sent = places.some(shares, 5)
    x = RNG.random((2, 3, 4, 5)).astype("float32")
    back = np.asarray(places.map_of(places.symbols_of(x, sent), sent, 5))
    expected = np.zeros_like(x)
    expected[:, 0, 1, :2], expected[:, 2, 3] = x[:, 0, 1, :2], x[:, 2, 3]
    np.testing.assert_array_equal(back, expected)
    np.testing.assert_array_equal(places.some(0 * shares + 0.4, 5), places.first(24, 5))


def test_a_decoder_observes_what_training_has_it_observe(encoder, decoder):
    count = 34
    x = encoder(IMAGE, count, NO)
    no_eff = RNG.uniform(0.1, 1, (3, 2, count)).astype("float32")
    features, weights, levels = map(np.asarray, decoder.observe(x, no_eff))
    shares = np.full((6, 3, 4), count / 96, "float32")
    mask = np.asarray(sent_mask(shares, 8))
    np.testing.assert_array_equal(weights > 0, mask > 0)
    np.testing.assert_allclose(levels[..., 1], shares, rtol=1e-6)
    mean = weights.sum(axis=(1, 2, 3)) / count
    np.testing.assert_allclose(levels[:, 1, 2, 0], mean, rtol=1e-5)
    # the network's features, of mean energy 1, where they were sent
    image = 2 * encoder.places.pad(IMAGE.reshape(-1, *SHAPE)) - 1
    told = levels_of(ops.full((6,), 1 / (1 + NO)), shares)
    z = np.asarray(encoder.network([image, told])) * np.concatenate([mask, mask], -1)
    z /= np.sqrt((z**2).sum(axis=(1, 2, 3), keepdims=True) / count)
    expected = z * np.concatenate([weights, weights], -1)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_realism_goes_from_the_mmse_estimate_to_the_end_of_the_flow(decoder):
    symbols = received(34)
    one = FlowDecoder(decoder.network, SHAPE)(*symbols)
    np.testing.assert_allclose(decoder(*symbols, realism=0.0), one, atol=1e-6)
    assert one.shape == (3, 2, *SHAPE)
    ends = [np.asarray(decoder(*symbols, realism=r)) for r in (0.0, 0.5, 1.0)]
    inside = np.all([(end > 0) & (end < 1) for end in ends], axis=0)
    assert inside.mean() > 0.1
    middle = (ends[0] + ends[2]) / 2
    np.testing.assert_allclose(ends[1][inside], middle[inside], atol=1e-5)


class Nothing(keras.layers.Layer):
    """A decoder that knows nothing: the mean of x0 ~ N(0, 1), and a constant."""

    config = {"per_place": 8}

    def call(self, inputs):
        return ops.zeros((len(inputs[2]), 16, 16, 4)) + [0.0, 0.0, 0.0, LOG_VARIANCE]


class Exact(keras.layers.Layer):
    """The velocity from such a decoder's estimates to x0, given their error."""

    def call(self, inputs):
        x, levels = inputs
        error = levels[:, 2, None, None, None] ** 0.5
        return slope(levels[:, 3, None, None, None], starting_noise(error)) * x / error


def slope(time, noise):
    """E[x0 - start | x] / x on the way x = (1 - t) start + t x0."""
    variance = time**2 + (1 - time) ** 2 * noise**2
    return (time - (1 - time) * noise**2) / variance


def test_an_exact_flow_ends_with_the_distribution_of_images():
    x_hat, no_eff = np.zeros((9, 1, 128), "complex64"), np.ones((9, 1, 128), "float32")
    decoder = FlowDecoder(Nothing(), (16, 16, 3), Exact(), num_steps=200)
    expected = float(expected_error(decoder.observe(x_hat, no_eff)[2], 1 / 6)[0])
    error = np.sqrt(expected * np.exp(LOG_VARIANCE))
    stated = np.asarray(decoder.uncertainty(x_hat, no_eff))
    assert stated.shape == (9, 1, 16, 16)
    np.testing.assert_allclose(stated, error / 2, rtol=1e-5)  # of images in [0, 1]
    start, time = starting_noise(error), np.arange(199) / 199
    gain = start * np.prod(1 + slope(time, start) / 199)
    assert gain == pytest.approx(1, abs=0.06)  # short by the error of Euler's steps
    noise = decoder.draw_noise(9, 1)
    image = decoder(x_hat, no_eff, noise, realism=0.2)[:, 0]
    expected = np.clip(0.1 * gain * noise + 0.5, 0, 1)
    np.testing.assert_allclose(image, expected, atol=1e-3)


def test_blocks_serialise(encoder, decoder):
    serialise = keras.saving.serialize_keras_object
    copy = keras.saving.deserialize_keras_object(serialise(decoder))
    copy.network.set_weights(decoder.network.get_weights())
    copy.flow.set_weights(decoder.flow.get_weights())
    symbols = received(34)
    np.testing.assert_array_equal(copy(*symbols), decoder(*symbols))
    twin = keras.saving.deserialize_keras_object(serialise(encoder))
    twin.network.set_weights(encoder.network.get_weights())
    np.testing.assert_array_equal(twin(IMAGE, 34, NO), encoder(IMAGE, 34, NO))


def test_wrong_numbers_are_answered_in_one_sentence(encoder, decoder):
    with pytest.raises(ValueError, match="98 symbols for an image: use 1 to 96"):
        encoder(IMAGE, 98, NO)
    with pytest.raises(ValueError, match="0 symbols for an image"):
        decoder(*received(0))
    with pytest.raises(ValueError, match="use 1 to 200"):
        FlowDecoder(decoder.network, SHAPE, decoder.flow, num_steps=201)
    with pytest.raises(ValueError, match="takes a flow: give it, or use 1"):
        FlowDecoder(decoder.network, SHAPE, num_steps=2)
    with pytest.raises(ValueError, match="a scalable encoder, but of Spec"):
        ScalableSymbolEncoder.from_preset("csi-ofdm")
