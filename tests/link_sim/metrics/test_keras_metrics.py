import keras
import numpy as np
import pytest

from link_sim.metrics.keras_metrics import NMSE, PSNR, BitErrorRate, BlockErrorRate
from link_sim.metrics.rates import ROUNDING_MSE

RNG = np.random.default_rng(0)


def value(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def test_rates_are_those_of_all_batches_together():
    b = RNG.integers(0, 2, (5, 40)).astype("float32")
    llr = (2 * b - 1) * RNG.uniform(0.1, 9, b.shape).astype("float32")
    llr[0, :3] *= -1
    llr[4, 7] = np.nan
    batches = (b[:2], llr[:2]), (b[2:], llr[2:])
    assert value(BitErrorRate(), *batches) == 4 / 200
    assert value(BlockErrorRate(), *batches) == 2 / 5
    hard = (llr > 0).astype("float32")
    assert value(BitErrorRate(), (b[:2], hard[:2])) == 3 / 80


def test_decibels_are_of_sums():
    image = RNG.random((3, 1, 4, 4, 1))
    error = np.array([0.1, 0.2, 0.0]).reshape(3, 1, 1, 1, 1)
    batches = (image[:1], (image + error)[:1]), (image[1:], (image + error)[1:])
    expected = -10 * np.log10(0.05 / 3)
    assert value(PSNR(), *batches) == pytest.approx(expected, rel=1e-5)
    assert value(PSNR(), (image, image)) == pytest.approx(-10 * np.log10(ROUNDING_MSE))
    h = RNG.standard_normal((4, 3)) + 1j * RNG.standard_normal((4, 3))
    assert value(NMSE(), (h, 1.1 * h)) == pytest.approx(-20, abs=1e-5)
    parts = np.stack([h.real, h.imag], -1)
    assert value(NMSE(), (parts, 1.1 * parts)) == pytest.approx(-20, abs=1e-5)


def test_what_is_compared_may_be_of_half_precision():
    image = RNG.random((2, 4, 4, 1), "float32")
    half = (image + 0.1).astype("float16")
    assert value(PSNR(), (image, half)) == pytest.approx(20, abs=0.01)
    assert value(NMSE(), (half, image)) < 0


def test_they_count_beyond_single_precision_begin_anew_and_are_saved():
    metric = BitErrorRate()
    metric.part.assign(2.0**24)
    metric.update_state(np.ones((1, 1), "float32"), -np.ones((1, 1), "float32"))
    assert float(metric.part) == 2**24 + 1
    metric.reset_state()
    assert float(metric.part) == 0
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is BitErrorRate and again.name == "ber"
    with pytest.raises(ValueError, match="ber counts frames alike"):
        metric.update_state([1.0], [1.0], sample_weight=[2.0])
