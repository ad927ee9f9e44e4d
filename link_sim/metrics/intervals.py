"""95 % confidence intervals from sums over independent frames.

Everything inside one frame (its bits, blocks and images) shares one channel, so
only frames are independent. Each function takes the sum over frames of a
per-frame value and the sum of its squares, which is all that counts files hold.
"""

import math
from typing import NamedTuple

from scipy.special import stdtrit

Z = 1.959963984540054  # the 97.5 % quantile of N(0, 1)


class Estimate(NamedTuple):
    """A value and the ends of its 95 % interval; NaN ends where there is none."""

    value: float
    low: float
    high: float


def wilson(proportion: float, trials: float) -> tuple[float, float]:
    """Ends of the Wilson score interval of a proportion of independent trials.

    `trials` may be fractional (an effective sample size). Wilson (1927);
    Brown, Cai and DasGupta (2001), eq. (4).
    """
    shrink = 1 / (1 + Z**2 / trials)
    centre = shrink * (proportion + Z**2 / (2 * trials))
    spread = proportion * (1 - proportion) / trials + (Z / (2 * trials)) ** 2
    half = shrink * Z * math.sqrt(spread)
    low = 0.0 if proportion == 0 else centre - half
    high = 1.0 if proportion == 1 else centre + half
    return low, high


def clustered_proportion(
    total: float, total_sq: float, trials: float, frames: float
) -> Estimate:
    """Proportion of trials in frames of equal size, with a Wilson interval.

    The interval uses the effective number of trials

        n_eff = p (1 - p) / Var(p_hat),

    with the cluster-robust variance of p_hat from the per-frame sums (Kish 1965,
    section 8.2; Korn and Graubard 1998). Without a variance to go by (no error,
    or one frame) the trials of a frame count as fully correlated: n_eff = frames.
    """
    value = total / trials
    variance = _variance_of_sum(total, total_sq, frames) / trials**2
    effective = frames
    if 0 < variance < math.inf:
        effective = min(max(value * (1 - value) / variance, frames), trials)
    return Estimate(value, *wilson(value, effective))


def mean(total: float, total_sq: float, frames: float) -> Estimate:
    """Mean of a per-frame value, with Student's t interval on the frames."""
    half = half_width(_variance_of_sum(total, total_sq, frames), frames) / frames
    value = total / frames
    return Estimate(value, value - half, value + half)


def ratio(
    total: float,
    total_sq: float,
    base: float,
    base_sq: float,
    product: float,
    frames: float,
) -> Estimate:
    """Ratio of two totals, `total / base`, with the delta-method interval.

    `product` is the sum over frames of the product of both. The variance is that
    of the residuals `e - R p` (Cochran 1977, eq. 6.13), whose sum is zero.
    """
    value = total / base
    residual_sq = total_sq - 2 * value * product + value**2 * base_sq
    half = half_width(_variance_of_sum(0.0, residual_sq, frames), frames) / base
    return Estimate(value, value - half, value + half)


def decibels(estimate: Estimate, floor: float = 0.0) -> Estimate:
    """`10 log10` of a non-negative estimate, its interval by the delta method.

    Symmetric in dB: the quantities are positive and skewed, and the lower end of
    a wide linear interval would have no logarithm. Nothing is shown below `floor`.
    """
    value = max(estimate.value, floor)
    if value == 0:
        return Estimate(-math.inf, math.nan, math.nan)
    half = 10 / math.log(10) * (estimate.high - estimate.value) / value
    bottom = 10 * math.log10(floor) if floor else -math.inf
    value = 10 * math.log10(value)
    return Estimate(value, max(value - half, bottom), value + half)


def half_width(variance: float, samples: float) -> float:
    """Half the width of Student's t interval; NaN with fewer than two samples."""
    if samples < 2:
        return math.nan
    return float(stdtrit(samples - 1, 0.975)) * math.sqrt(variance)


def _variance_of_sum(total: float, total_sq: float, frames: float) -> float:
    """Unbiased variance of a sum over `frames` independent terms; inf for one."""
    if frames < 2:
        return math.inf
    return frames / (frames - 1) * max(total_sq - total**2 / frames, 0.0)
