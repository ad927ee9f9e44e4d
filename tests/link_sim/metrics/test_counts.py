import numpy as np
import pytest
import tensorflow as tf

from link_sim.metrics.counts import (
    channel_counts,
    class_counts,
    goodput_counts,
    image_counts,
)
from link_sim.metrics.rates import ROUNDING_MSE, estimate
from link_sim.models.frechet import frechet_distance
from link_sim.receivers.chain import Reception

RNG = np.random.default_rng(0)
LLR = np.zeros(1, "float32")


def plain(counts):
    return {key: float(value) for key, value in counts.items()}


def test_bits_blocks_and_images_are_counted_per_frame():
    b = RNG.integers(0, 2, (2, 1, 3, 10)).astype("float32")
    b_hat = b.copy()
    b_hat[0, 0, 0, :4] = 1 - b[0, 0, 0, :4]  # four errors in one block of frame 0
    b_hat[0, 0, 1, 0] = 1 - b[0, 0, 1, 0]  # and one in another
    crc_ok = np.array([[[False, True, True]], [[True, True, True]]])
    image = RNG.random((2, 1, 16, 16, 1)).astype("float32")
    image_hat = image.copy()
    image_hat[0] += 0.1
    counts = plain(
        image_counts(
            b, tf.constant(image), Reception(None, LLR, b_hat, crc_ok, image_hat)
        )
    )
    assert counts["frames"] == counts["images"] == 2
    assert (counts["bits"], counts["blocks"]) == (60, 6)
    assert (counts["bit_errors"], counts["bit_errors_sq"]) == (5, 25)
    assert (counts["block_errors"], counts["block_errors_sq"]) == (2, 4)
    assert counts["undetected_errors"] == 1
    assert np.isclose(counts["squared_error"], 0.01, rtol=1e-4)
    exact = -10 * np.log10(ROUNDING_MSE)
    assert np.isclose(counts["psnr"], 20 + exact, rtol=1e-4)
    assert 1 < counts["ssim"] < 2


@pytest.mark.parametrize("where", ["llr", "b_hat", "image_hat"])
def test_what_is_not_a_number_makes_counts_that_are_not(where):
    b, image = tf.zeros([2, 1, 3, 10]), tf.zeros([2, 1, 4, 4, 1])
    crc_ok = tf.ones([2, 1, 3], bool)
    good = Reception(None, tf.zeros([6, 20]), b, crc_ok, image)
    assert np.isfinite(list(plain(image_counts(b, image, good)).values())).all()
    value = getattr(good, where).numpy()
    value.flat[-1] = np.nan
    counts = plain(image_counts(b, image, good._replace(**{where: value})))
    assert not np.isfinite(list(counts.values())).all()


def test_goodput_is_that_of_blocks_without_error():
    b = np.zeros((2, 3, 2, 5), "float32")
    b_hat = b.copy()
    b_hat[0, 0, 1, 2] = b_hat[0, 2, 0] = 1  # 4 of 6 blocks of frame 0 are right
    counts = plain(goodput_counts(b, b_hat, 4.0, 8)) | {"frames": 2}
    assert (counts["goodput"], counts["goodput_sq"]) == (5, 13)
    assert estimate(counts, "goodput").value == 2.5


def test_images_too_small_for_ssim_have_none():
    b, image = np.zeros((1, 1, 1, 4), "float32"), np.zeros((1, 1, 8, 8, 1), "float32")
    received = Reception(None, LLR, b, np.ones((1, 1, 1), bool), image)
    assert "ssim" not in image_counts(b, tf.constant(image), received)


def test_channel_errors_are_summed_over_the_grids_of_a_frame():
    h = (RNG.standard_normal((6, 4)) + 1j * RNG.standard_normal((6, 4))).astype("c8")
    h_hat = h + 0.5
    counts = plain(channel_counts(h, h_hat, grids_per_frame=3))
    error, power = 12 * 0.25, (np.abs(h) ** 2).reshape(2, -1).sum(1)
    assert np.isclose(counts["channel_error"], 2 * error)
    assert np.isclose(counts["channel_power_sq"], np.sum(power**2))
    assert np.isclose(counts["channel_error_power"], np.sum(error * power))
    assert np.isclose(counts["nmse"], np.sum(error / power))


def test_class_flips_and_the_frechet_distance_follow_from_counts():
    weights = tf.constant(RNG.standard_normal((16, 10)), tf.float32)

    def classifier(image):
        return [tf.reshape(image, [-1, 16]) @ weights, None]

    sent = RNG.random((200, 1, 4, 4, 1)).astype("float32")
    found = (0.7 * sent + 0.3 * RNG.random(sent.shape)).astype("float32")
    sums = plain(class_counts(classifier, tf.constant(sent))(tf.constant(found)))
    counts = {"frames": 200, "images": 200} | sums
    before, after = (classifier(tf.constant(x))[0].numpy() for x in (sent, found))
    flips = before.argmax(1) != after.argmax(1)
    assert 0 < flips.sum() == counts["class_flips"]
    # `numpy.cov` divides by n - 1, counts by n
    expected = frechet_distance(after, before)
    assert abs(estimate(counts, "fcd").value - expected) < 0.02 * expected
