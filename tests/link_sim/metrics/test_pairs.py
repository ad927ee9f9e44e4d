import math

import numpy as np
import pytest
from scipy.stats import t

from link_sim.metrics import pairs


def counts_of(errors):
    x = np.asarray(errors, float)
    sums = {"block_errors": x.sum(), "block_errors_sq": (x**2).sum()}
    return {"frames": len(x), "blocks": 8, **sums}


def batches(ours, theirs, point=0.0):
    return [
        {
            "point": point,
            "counts": {"a": counts_of(x), "b": counts_of(y)},
        }
        for x, y in zip(ours, theirs, strict=True)
    ]


def test_paired_difference_of_rates_is_students_t_of_the_batches():
    rng = np.random.default_rng(4)
    ours = rng.integers(0, 2, size=(12, 8))
    theirs = np.maximum(ours, rng.integers(0, 2, size=(12, 8)))
    found = pairs.paired_difference(batches(ours, theirs), "a", "b", "bler")[0.0]
    differences = ours.mean(axis=1) - theirs.mean(axis=1)
    half = t.ppf(0.975, 11) * differences.std(ddof=1) / math.sqrt(12)
    value = differences.mean()
    assert found == pytest.approx((value, value - half, value + half))


def test_paired_difference_of_equals_is_exactly_zero():
    errors = np.eye(8, dtype=int)
    found = pairs.paired_difference(batches(errors, errors), "a", "b", "bler")
    assert found == {0.0: (0, 0, 0)}


def test_paired_difference_leaves_out_what_was_not_measured():
    lines = batches([[1, 0]], [[0, 0]], 1.0) + batches([[1, 0]], [[0, 0]], 2.0)
    lines[1]["counts"]["b"] = None
    found = pairs.paired_difference(lines, "a", "b", "bler")
    assert list(found) == [1.0]
    assert math.isnan(found[1.0].low)  # one batch has no spread
    assert pairs.paired_difference(lines, "a", "b", "ssim") == {}


def test_jackknife_of_a_rate_is_students_t_of_the_batches():
    errors = np.random.default_rng(5).integers(0, 2, size=(10, 8))
    found = pairs.jackknife([counts_of(x) for x in errors], "bler")
    means = errors.mean(axis=1)
    half = t.ppf(0.975, 9) * means.std(ddof=1) / math.sqrt(10)
    assert found == pytest.approx(
        (means.mean(), means.mean() - half, means.mean() + half)
    )
