import math

import numpy as np
import pytest
from scipy.stats import t

from link_sim.metrics import rates


def counts_of(values, quantity="block_errors", **trials):
    x = np.asarray(values, float)
    sums = {quantity: x.sum(), f"{quantity}_sq": (x**2).sum()}
    return {"frames": len(x), **trials, **sums}


def test_counts_add_to_those_of_the_whole():
    rng = np.random.default_rng(3)
    errors = rng.binomial(10, 0.2, size=30)
    halves = [counts_of(part, blocks=150) for part in (errors[:15], errors[15:])]
    whole = counts_of(errors, blocks=300)
    assert rates.add_counts(*halves) == whole
    assert rates.add_counts({}, whole) == whole


def test_an_absent_quantity_is_an_absent_metric():
    counts = counts_of([1, 0], blocks=4)
    assert rates.estimate(counts, "bler").value == 0.25
    assert rates.estimate(counts, "nmse") is None
    assert rates.estimate({}, "ber") is None


def test_psnr_conventions():
    mse = [0.01, 0.0001]
    counts = counts_of(mse, "squared_error", images=2)
    counts |= counts_of([20, 40], "psnr")
    mean_mse = rates.estimate(counts, "psnr")
    assert mean_mse.value == pytest.approx(-10 * math.log10(0.00505))
    assert mean_mse.low < mean_mse.value < mean_mse.high
    assert rates.estimate(counts, "psnr_mean").value == 30


def test_error_free_images_have_the_psnr_of_8_bit_rounding():
    counts = counts_of([0, 0, 0], "squared_error", images=3)
    exact = pytest.approx(10 * math.log10(12 * 255**2))
    assert rates.estimate(counts, "psnr") == (exact, exact, exact)


def test_nmse_conventions():
    error, power = np.array([0.1, 0.1]), np.array([1.0, 3.0])
    counts = counts_of(error, "channel_error") | counts_of(power, "channel_power")
    counts |= counts_of(error / power, "nmse")
    counts["channel_error_power"] = (error * power).sum()
    total = rates.estimate(counts, "nmse").value
    mean = rates.estimate(counts, "nmse_mean").value
    assert total == pytest.approx(10 * math.log10(0.2 / 4))
    assert mean == pytest.approx(10 * math.log10((0.1 + 0.1 / 3) / 2))


def batches(ours, theirs, point=0.0):
    return [
        {
            "point": point,
            "counts": {"a": counts_of(x, blocks=8), "b": counts_of(y, blocks=8)},
        }
        for x, y in zip(ours, theirs, strict=True)
    ]


def test_paired_difference_of_rates_is_students_t_of_the_batches():
    rng = np.random.default_rng(4)
    ours = rng.integers(0, 2, size=(12, 8))
    theirs = np.maximum(ours, rng.integers(0, 2, size=(12, 8)))
    found = rates.paired_difference(batches(ours, theirs), "a", "b", "bler")[0.0]
    differences = ours.mean(axis=1) - theirs.mean(axis=1)
    half = t.ppf(0.975, 11) * differences.std(ddof=1) / math.sqrt(12)
    value = differences.mean()
    assert found == pytest.approx((value, value - half, value + half))


def test_paired_difference_of_equals_is_exactly_zero():
    errors = np.eye(8, dtype=int)
    found = rates.paired_difference(batches(errors, errors), "a", "b", "bler")
    assert found == {0.0: (0, 0, 0)}


def test_paired_difference_leaves_out_what_was_not_measured():
    lines = batches([[1, 0]], [[0, 0]], 1.0) + batches([[1, 0]], [[0, 0]], 2.0)
    lines[1]["counts"]["b"] = None
    found = rates.paired_difference(lines, "a", "b", "bler")
    assert list(found) == [1.0]
    assert math.isnan(found[1.0].low)  # one batch has no spread
    assert rates.paired_difference(lines, "a", "b", "ssim") == {}
