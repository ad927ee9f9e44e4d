import math

import numpy as np
import pytest
from scipy.stats import t

from link_sim.metrics import intervals


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # as scipy.stats.binomtest(...).proportion_ci(method="wilson")
        (0, 10, 0.0, 0.27753280),
        (1, 10, 0.01787621, 0.40415003),
        (5, 10, 0.23659309, 0.76340691),
        (10, 10, 0.72246720, 1.0),
        (15, 100, 0.09305985, 0.23283560),
    ],
)
def test_wilson_at_known_values(successes, trials, low, high):
    found = intervals.wilson(successes / trials, trials)
    assert found == pytest.approx((low, high), abs=5e-9)


def test_independent_trials_give_the_plain_wilson_interval():
    """One trial a frame: the cluster-robust variance is p(1-p)/(n-1)."""
    found = intervals.clustered_proportion(30, 30, 200, 200)
    assert found.value == 0.15
    # n_eff = n - 1 is raised to the number of frames
    assert found[1:] == intervals.wilson(0.15, 200)


def test_fully_correlated_trials_count_as_frames():
    """30 of 200 frames have all of their 50 bits wrong."""
    found = intervals.clustered_proportion(30 * 50, 30 * 50**2, 200 * 50, 200)
    assert found[1:] == intervals.wilson(0.15, 200)


@pytest.mark.parametrize("frames", [1, 40])
def test_no_error_counts_frames_not_bits(frames):
    found = intervals.clustered_proportion(0, 0, frames * 6272, frames)
    z = intervals.Z
    assert found == pytest.approx((0, 0, z**2 / (frames + z**2)))


def test_coverage_of_clustered_proportions():
    """Beta-binomial frames, 1000 repetitions.

    The share of intervals that cover p is within 4 standard deviations of 95 %
    (0.0276) and 0.015 more for the finite number of frames. With the plain Wilson
    interval on all bits it is far below.
    """
    rng, repetitions, frames, bits, p = np.random.default_rng(1), 1000, 150, 60, 0.1
    rates = rng.beta(2 * p, 2 * (1 - p), size=(repetitions, frames))
    errors = rng.binomial(bits, rates)
    found = [
        intervals.clustered_proportion(e.sum(), (e**2).sum(), frames * bits, frames)
        for e in errors
    ]
    covered = np.mean([low <= p <= high for _, low, high in found])
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / repetitions) + 0.015
    naive = [intervals.wilson(value, frames * bits) for value, *_ in found]
    assert np.mean([low <= p <= high for low, high in naive]) < 0.6


def test_mean_is_students_t():
    x = np.array([1.0, 4.0, 2.0, 7.0])
    value, low, high = intervals.mean(x.sum(), (x**2).sum(), 4)
    expected = t.interval(0.95, 3, x.mean(), x.std(ddof=1) / 2)
    assert value == 3.5
    assert (low, high) == pytest.approx(expected)


def test_one_frame_has_no_interval_of_its_mean():
    value, low, high = intervals.mean(3.0, 9.0, 1)
    assert value == 3.0
    assert math.isnan(low)
    assert math.isnan(high)


def test_ratio_is_the_delta_method_on_residuals():
    rng = np.random.default_rng(2)
    power = rng.exponential(size=50)
    error = power * rng.uniform(0.1, 0.3, size=50)
    found = intervals.ratio(
        error.sum(),
        (error**2).sum(),
        power.sum(),
        (power**2).sum(),
        (error * power).sum(),
        50,
    )
    value = error.sum() / power.sum()
    residual = error - value * power
    half = t.ppf(0.975, 49) * residual.std(ddof=1) / math.sqrt(50) / power.mean()
    assert found == pytest.approx((value, value - half, value + half))


def test_ratio_of_proportional_frames_is_certain():
    power = np.array([1.0, 2.0, 5.0])
    sums = (0.1 * power.sum(), 0.01 * (power**2).sum())
    found = intervals.ratio(
        *sums, power.sum(), (power**2).sum(), 0.1 * (power**2).sum(), 3
    )
    # the residuals cancel to rounding, whose square root is about 1e-8
    assert found == pytest.approx((0.1, 0.1, 0.1), abs=1e-7)


def test_decibels():
    found = intervals.decibels(intervals.Estimate(0.1, 0.09, 0.11))
    half = 10 / math.log(10) * 0.1
    assert found == pytest.approx((-10, -10 - half, -10 + half))
    assert intervals.decibels(intervals.Estimate(0, 0, 0), 1e-5) == (-50, -50, -50)
    assert intervals.decibels(intervals.Estimate(0, 0, 0)).value == -math.inf
