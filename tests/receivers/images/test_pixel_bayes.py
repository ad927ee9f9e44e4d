import keras
import numpy as np
import pytest

from link_sim.models.pretrained import load_arrays
from link_sim.receivers.images.bits import bits_from_image, image_from_bits
from link_sim.receivers.images.pixel_bayes import SMOOTHING, PixelBayes
from link_sim.world.sources import evaluation_digits


def psnr_db(image_hat, image):
    return -10 * np.log10(np.mean((np.asarray(image_hat) - image) ** 2))


def test_a_pixel_equals_the_posterior_mean_by_hand():
    rng = np.random.default_rng(0)
    llr = rng.normal(0, 3, (1, 28, 28, 1, 8)).astype("float32")
    image_hat = np.asarray(PixelBayes()(llr))
    counts = load_arrays("pixel-bayes-mnist")["counts"].astype(float)
    for row, column in [(0, 0), (14, 14), (20, 9)]:
        weights = counts[row, column, 0] + SMOOTHING
        for level in range(256):
            for i, bit in enumerate(f"{level:08b}"):
                p = 1 / (1 + np.exp(-llr[0, row, column, 0, i]))
                weights[level] *= p if bit == "1" else 1 - p
        mean = weights @ np.arange(256) / weights.sum() / 255
        assert abs(image_hat[0, row, column, 0] - mean) < 1e-4


def test_certain_bits_are_kept():
    image = evaluation_digits()[:4] / 255.0
    bits = np.asarray(bits_from_image(image))
    certain = np.where(bits > 0, np.inf, -np.inf).astype("float32")
    assert np.allclose(PixelBayes()(certain), image, atol=1e-6)
    half = certain.copy()
    half[..., 4:] = 0
    levels = 255 * np.asarray(PixelBayes()(half))
    top = 255 * np.asarray(image_from_bits(np.where(np.arange(8) < 4, bits, 0)))
    assert np.all(levels > top - 1e-3) and np.all(levels < top + 15 + 1e-3)


@pytest.mark.parametrize(
    "rate, raw, restored",
    [
        pytest.param(0.2, 10.4, 16.8, marks=pytest.mark.slow),
        (0.1, 14.0, 20.8),
        pytest.param(0.05, 17.4, 24.0, marks=pytest.mark.slow),
        pytest.param(0.01, 24.6, 30.3, marks=pytest.mark.slow),
    ],
)
def test_psnr_at_known_flip_rates_is_that_of_the_reference(rate, raw, restored):
    image = evaluation_digits()[:500] / 255.0
    bits = np.asarray(bits_from_image(image))
    wrong = np.random.default_rng(0).random(bits.shape) < rate
    received = np.where(wrong, 1 - bits, bits)
    llr = np.log((1 - rate) / rate) * (2 * received - 1)
    image_hat = PixelBayes()(llr.astype("float32"))
    assert abs(psnr_db(image_from_bits(received), image) - raw) < 0.3
    assert abs(psnr_db(image_hat, image) - restored) < 0.5


def test_wrong_sizes_and_nan_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="28x28x1 images, not 32x32x3"):
        PixelBayes()(np.zeros([1, 32, 32, 3, 8], "float32"))
    with pytest.raises(ValueError, match="NaN"):
        PixelBayes()(np.full([1, 28, 28, 1, 8], np.nan, "float32"))


def test_it_can_be_saved():
    restorer = PixelBayes()
    config = keras.saving.serialize_keras_object(restorer)
    restored = keras.saving.deserialize_keras_object(config)
    llr = np.ones([1, 28, 28, 1, 8], "float32")
    assert np.array_equal(restored(llr), restorer(llr))
