import math

import numpy as np
import pytest

from link_sim.metrics import intervals, rates


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


def test_relative_width_of_a_rate_is_that_of_its_interval():
    counts = counts_of([1, 0, 1, 0], blocks=4)
    value, low, high = rates.estimate(counts, "bler")
    assert rates.relative_width(counts, "bler") == (high - low) / value


def test_relative_width_in_db_is_that_of_the_ratio():
    mse = np.random.default_rng(6).uniform(0.01, 0.02, 20)
    counts = counts_of(mse, "squared_error", images=20)
    value, low, high = intervals.mean(mse.sum(), (mse**2).sum(), 20)
    exact = pytest.approx((high - low) / value)
    assert rates.relative_width(counts, "psnr") == exact
    counts = counts_of(mse, "channel_error") | counts_of(np.ones(20), "channel_power")
    counts["channel_error_power"] = mse.sum()
    assert rates.relative_width(counts, "nmse") == exact


@pytest.mark.parametrize(
    ("counts", "metric"),
    [
        (counts_of([0, 0], blocks=2), "bler"),  # no error seen
        (counts_of([1], "squared_error", images=1), "psnr"),  # one frame, no interval
        (counts_of([0, 0], "squared_error", images=2), "psnr"),  # no spread
        ({}, "bler"),
    ],
)
def test_relative_width_that_is_not_known_is_infinite(counts, metric):
    assert rates.relative_width(counts, metric) == math.inf


def test_titles_of_columns_are_short_and_their_own():
    columns = [m.column for m in rates.METRICS.values() if m.column]
    assert len(set(columns)) == len(columns) and max(map(len, columns)) <= 20
    assert all(m.column for m in rates.METRICS.values() if m.plotted)
    assert {m.better for m in rates.METRICS.values()} == {"lower", "higher"}
