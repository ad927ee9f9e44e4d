import numpy as np
import pytest
from keras import ops

from link_sim.models.samplers import transport
from link_sim.models.scalable import (
    FlowNetwork,
    ScalableDecoder,
    ScalableEncoder,
    expected_error,
    place_ranks,
    sent_mask,
)

pytestmark = pytest.mark.usefixtures("eager")
SMALL = {"widths": (4, 4), "depths": (1, 1)}


def levels(batch, count):
    return ops.full((batch, count), 0.5)


def test_one_network_serves_any_size():
    encoder, decoder = ScalableEncoder(3, 8, **SMALL), ScalableDecoder(3, 8, **SMALL)
    flow = FlowNetwork(3, **SMALL)
    for height, width in (8, 12), (16, 4):
        image = ops.zeros((2, height, width, 3))
        z = encoder([image, levels(2, 2)])
        assert z.shape == (2, height // 4, width // 4, 16)
        weights = ops.ones((*z.shape[:3], 8))
        assert decoder([z, weights, levels(2, 2)]).shape == (2, height, width, 4)
        velocity = flow([image + 1, levels(2, 4)])
        assert velocity.shape == image.shape and not np.any(velocity)


@pytest.mark.parametrize("share", [1 / 8, 0.3, 1.0])
def test_a_share_of_the_numbers_is_sent_the_most_important_first(share):
    mask = np.asarray(sent_mask(np.array([share], "float32"), 3, 5, 8))[0]
    assert mask.sum() == round(share * 120)
    filled = mask.sum(axis=(0, 1))
    assert np.all(np.diff(filled) <= 0) and set(filled[filled < 15]) <= {*range(15)}
    assert np.sum((filled > 0) & (filled < 15)) <= 1


def test_any_beginning_of_the_places_covers_the_image():
    ranks = place_ranks(8, 8)
    assert sorted(ranks.ravel()) == list(range(64))
    for count in 8, 16, 32, 48:
        rows = (ranks < count).reshape(4, 16).sum(axis=1)
        np.testing.assert_allclose(rows, count / 4, atol=1)  # of a quarter each


def test_expected_error_is_the_rule_of_its_docstring():
    snr, share = 10**0.7, 0.25
    found = expected_error(np.array([[snr / (1 + snr), share]], "float32"), 1 / 6)
    bits = share / 6 * np.log2(1 + snr)
    assert float(found[0]) == pytest.approx(0.25 / (1 + 100 * bits), rel=1e-4)


def test_transport_takes_the_steps_of_euler():
    x = ops.convert_to_tensor([1.0, 2.0])
    np.testing.assert_allclose(transport(lambda x, t: x, x, 3), x * (4 / 3) ** 3, 1e-6)
    # the sum of i / 4 over 4 steps, a quarter each
    np.testing.assert_allclose(transport(lambda x, t: 0 * x + t, x, 4), x + 0.375, 1e-6)
