"""Before training the autoencoder is a transform; its water levels are exact."""

import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.models.channel_autoencoder import ChannelAutoencoder, water_levels
from link_sim.receivers.feedback.autoencoder import AutoencoderCodec
from link_sim.receivers.feedback.transform import water_level

SHAPE = 4, 8


def normal(rng, *shape):
    return (rng.standard_normal((*shape, 2)) @ [1, 1j]) / np.sqrt(2)


def started():
    network = ChannelAutoencoder(SHAPE, width=4, blocks=1)
    ends = [0.7 ** np.abs(np.subtract.outer(*[np.arange(n)] * 2)) for n in SHAPE]
    network.begin(ends)
    left, right = map(np.linalg.cholesky, ends)
    h = left @ normal(np.random.default_rng(0), 500, *SHAPE) @ right.T
    z = np.asarray(network.encode(h))
    network.variances.assign(np.mean(np.abs(z) ** 2, axis=0).ravel())
    return network, h, ends


def test_before_training_components_are_those_of_the_covariance():
    network, h, ends = started()
    exact = np.kron(*map(np.linalg.eigvalsh, ends))
    spread = 5 * exact / np.sqrt(len(h))  # of a mean of squares, exponential
    found = np.asarray(network.variances)
    assert np.all(np.abs(np.sort(found) - np.sort(exact)) < spread[np.argsort(exact)])
    back = network.decode(network.encode(h), np.full(len(h), 0.01, "float32"))
    np.testing.assert_allclose(np.asarray(back), h, atol=2e-5)


def test_water_levels_are_those_of_the_codecs():
    variances, bits = np.array([1.0, 4.0, 0.1]), np.array([1.0, 3.0, 20.0])
    found = np.asarray(
        water_levels(variances.astype("float32"), bits.astype("float32"))
    )
    exact = [water_level(-np.sort(-variances), each) for each in bits]
    np.testing.assert_allclose(found, exact, rtol=1e-4)


@pytest.mark.parametrize("bits", [1, 20, 100])
def test_words_fit_and_alone_tell_the_fields(bits):
    network, h, _ = started()
    codec, h = AutoencoderCodec(network), h[:4]
    words = codec.encode(h, bits)
    assert max(map(len, words)) <= bits
    alone = codec.decode(words[2:3], bits)
    np.testing.assert_allclose(alone[0], codec.decode(words, bits)[2], atol=1e-5)


def test_at_many_bits_the_error_falls_by_6_db_a_bit_and_number():
    network, h, _ = started()
    codec, h, left = AutoencoderCodec(network), h[:20], []
    for bits in (64 * 3, 64 * 5):
        error = h - codec.decode(codec.encode(h, bits), bits)
        left.append(10 * np.log10(np.sum(np.abs(error) ** 2)))
    assert left[0] - left[1] == pytest.approx(2 * 6.02, abs=0.5)


def test_the_shipped_network_is_as_small_as_its_card_says():
    card = pretrained.read_card("feedback-autoencoder")
    assert card["parameters"] <= 300_000
    assert pretrained.weights_path("feedback-autoencoder").stat().st_size < 1e6
