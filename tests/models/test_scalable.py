import numpy as np
import pytest
from keras import ops

from link_sim.models.samplers import transport
from link_sim.models.scalable import (
    FlowNetwork,
    ScalableDecoder,
    ScalableEncoder,
    expected_error,
    levels_of,
    of_places,
    place_ranks,
    sent_mask,
)

pytestmark = pytest.mark.usefixtures("eager")
SMALL = {"widths": (4, 4), "depths": (1, 1)}


def levels(*shape):
    return ops.full(shape, 0.5)


def test_one_network_serves_any_size():
    encoder, decoder = ScalableEncoder(3, 8, **SMALL), ScalableDecoder(3, 8, **SMALL)
    flow = FlowNetwork(3, **SMALL)
    for height, width in (8, 12), (16, 4):
        image = ops.zeros((2, height, width, 3))
        told = levels(2, height // 4, width // 4, 2)
        z = encoder([image, told])
        assert z.shape == (2, height // 4, width // 4, 16)
        weights = ops.ones((*z.shape[:3], 8))
        assert decoder([z, weights, told]).shape == (2, height, width, 4)
        velocity = flow([image + 1, levels(2, 4)])
        assert velocity.shape == image.shape and not np.any(velocity)


@pytest.mark.parametrize("share", [1 / 8, 0.3, 1.0])
def test_a_share_of_the_numbers_is_sent_the_most_important_first(share):
    mask = np.asarray(sent_mask(np.full((1, 3, 5), share, "float32"), 8))[0]
    assert mask.sum() == round(share * 120)
    filled = mask.sum(axis=(0, 1))
    assert np.all(np.diff(filled) <= 0) and set(filled[filled < 15]) <= {*range(15)}
    assert np.sum((filled > 0) & (filled < 15)) <= 1


def test_places_send_what_their_share_asks_for():
    shares = np.array([[[1 / 8, 1 / 2], [1, 3 / 8]]], "float32")
    mask = np.asarray(sent_mask(shares, 8))
    np.testing.assert_array_equal(mask.sum(axis=-1), 8 * shares)
    # half numbers: of 64 places 32 send one more, as even as places are
    mask = np.asarray(sent_mask(np.full((1, 8, 8), 1.5 / 8, "float32"), 8))
    assert set(np.unique(mask.sum(axis=-1))) == {1, 2} and mask.sum() == 96


def test_blocks_tell_their_places():
    blocks = np.array([[[1.0, 2.0]]], "float32")
    expected = np.repeat([[1.0] * 4 + [2.0] * 4], 4, axis=0)[None]
    np.testing.assert_array_equal(of_places(blocks), expected)
    told = np.asarray(levels_of(np.array([0.3, 0.4], "float32"), expected))
    np.testing.assert_allclose(told[1, ..., 0], 0.4)
    np.testing.assert_array_equal(told[0, ..., 1], expected[0])


def test_a_place_of_its_own_share_is_coded_as_in_an_image_of_that_share():
    """Far enough from the border, the networks are convolutions."""
    rng = np.random.default_rng(0)
    encoder = ScalableEncoder(3, 8, **SMALL)
    encoder.set_weights([rng.normal(size=w.shape) for w in encoder.weights])
    image = ops.convert_to_tensor(rng.normal(size=(1, 96, 16, 3)), "float32")
    even = np.full((1, 24, 4), 0.5, "float32")
    uneven = np.where(np.arange(24)[:, None] < 12, even, 0.1).astype("float32")
    level = np.array([0.9], "float32")
    z = [np.asarray(encoder([image, levels_of(level, x)])) for x in (even, uneven)]
    np.testing.assert_allclose(z[1][:, :6], z[0][:, :6], rtol=1e-4, atol=1e-4)
    assert np.abs(z[1] - z[0])[:, 13:].min() > 0


def test_any_beginning_of_the_places_covers_the_image():
    ranks = place_ranks(8, 8)
    assert sorted(ranks.ravel()) == list(range(64))
    for count in 8, 16, 32, 48:
        rows = (ranks < count).reshape(4, 16).sum(axis=1)
        np.testing.assert_allclose(rows, count / 4, atol=1)  # of a quarter each


def test_expected_error_is_the_rule_of_its_docstring():
    snr, share = 10**0.7, 0.25
    shares = np.array([[[share, 1.0]]], "float32")
    told = levels_of(np.array([snr / (1 + snr)], "float32"), shares)
    bits = shares / 6 * np.log2(1 + snr)
    expected = np.mean(0.25 / (1 + 100 * bits))
    assert float(expected_error(told, 1 / 6)[0]) == pytest.approx(expected, rel=1e-4)


def test_transport_takes_the_steps_of_euler():
    x = ops.convert_to_tensor([1.0, 2.0])
    np.testing.assert_allclose(transport(lambda x, t: x, x, 3), x * (4 / 3) ** 3, 1e-6)
    # the sum of i / 4 over 4 steps, a quarter each
    np.testing.assert_allclose(transport(lambda x, t: 0 * x + t, x, 4), x + 0.375, 1e-6)
