"""From counts to the metrics that are shown: one table, one line a metric."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np

from link_sim.metrics import intervals
from link_sim.metrics.intervals import Estimate
from link_sim.models.frechet import gaussian_distance

Counts = dict[str, float]

AXES = {
    "ebno_db": "Eb/N0 [dB]",
    "esno_db": "Es/N0 [dB]",
    "num_steps": "steps of the sampler",
    "pilot_spacing": "spacing of a stream's pilots, in its subcarriers",
    "snr_db": "SNR per receive antenna [dB]",
    "alpha": "pilots per transmit antenna",
    "bandwidth_ratio": "bandwidth ratio k/n",
}
ROUNDING_MSE = 1 / (12 * 255**2)  # of rounding to 8 bits; 58.92 dB PSNR


class Metric(NamedTuple):
    """How one metric follows from counts, and how to plot it."""

    label: str
    scale: str  # of the axis: "log" or "linear"
    trials: str  # the count of what the value is taken over
    quantity: str  # the count it is taken from; a receiver without it has none
    estimate: Callable[[Counts], Estimate]


def _proportion(label: str, quantity: str, trials: str) -> Metric:
    def estimate(counts: Counts) -> Estimate:
        total, total_sq = counts[quantity], counts[f"{quantity}_sq"]
        return intervals.clustered_proportion(
            total, total_sq, counts[trials], counts["frames"]
        )

    return Metric(label, "log", trials, quantity, estimate)


def _mean(label: str, quantity: str, trials: str) -> Metric:
    def estimate(counts: Counts) -> Estimate:
        total, total_sq = counts[quantity], counts[f"{quantity}_sq"]
        return intervals.mean(total, total_sq, counts["frames"])

    return Metric(label, "linear", trials, quantity, estimate)


def _psnr(label: str) -> Metric:
    mse = _mean(label, "squared_error", "images")

    def estimate(counts: Counts) -> Estimate:
        value, low, high = intervals.decibels(mse.estimate(counts), ROUNDING_MSE)
        return Estimate(-value, -high, -low)

    return mse._replace(estimate=estimate)


def _nmse(label: str) -> Metric:
    def estimate(counts: Counts) -> Estimate:
        sums = [
            f"channel_{name}"
            for name in ("error", "error_sq", "power", "power_sq", "error_power")
        ]
        ratio = intervals.ratio(*(counts[name] for name in sums), counts["frames"])
        return intervals.decibels(ratio)

    return Metric(label, "linear", "frames", "channel_error", estimate)


def _nmse_mean(label: str) -> Metric:
    linear = _mean(label, "nmse", "frames")
    return linear._replace(
        estimate=lambda counts: intervals.decibels(linear.estimate(counts))
    )


def _frechet(label: str) -> Metric:
    def estimate(counts: Counts) -> Estimate:
        moments = (_gaussian(counts, name) for name in ("logit", "sent_logit"))
        return Estimate(gaussian_distance(*moments), math.nan, math.nan)

    return Metric(label, "log", "images", "logit_0", estimate)


def _gaussian(counts: Counts, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the logits, from their sums."""
    mean = np.array([counts[f"{name}_{i}"] for i in range(10)]) / counts["images"]
    second = np.zeros((10, 10))
    for i, j in itertools.combinations_with_replacement(range(10), 2):
        second[i, j] = second[j, i] = counts[f"{name}_{i}_{j}"] / counts["images"]
    return mean, second - np.outer(mean, mean)


METRICS = {
    "ber": _proportion("Bit error rate", "bit_errors", "bits"),
    "bler": _proportion("Block error rate", "block_errors", "blocks"),
    "undetected": _proportion(
        "Undetected block error rate", "undetected_errors", "blocks"
    ),
    "psnr": _psnr("PSNR of the mean squared error [dB]"),
    "psnr_mean": _mean("Mean of the images' PSNR [dB]", "psnr", "images"),
    "ssim": _mean("SSIM", "ssim", "images"),
    "ms_ssim": _mean("MS-SSIM, two scales", "ms_ssim", "images"),
    "lpips": _mean("LPIPS (AlexNet)", "lpips", "images"),
    "nmse": _nmse("NMSE, total error over total power [dB]"),
    "nmse_mean": _nmse_mean("Mean of the frames' NMSE [dB]"),
    "calibration": _mean(
        "Squared error over stated variance", "normalised_error", "frames"
    ),
    "class_flips": _proportion("Class flip rate", "class_flips", "images"),
    "accuracy": _proportion(
        "Accuracy of a classifier", "class_hits", "images"
    )._replace(scale="linear"),
    "fcd": _frechet("Fréchet classifier distance, on logits"),
}


def estimate(counts: Counts, metric: str) -> Estimate | None:
    """A metric of the counts with its 95 % interval, None where it does not exist."""
    definition = METRICS[metric]
    if definition.quantity not in counts:
        return None
    return definition.estimate(counts)


def point_value(axis: str, point: float) -> str:
    """A point as text; bandwidth ratios as fractions of 1 where that is 1 % exact."""
    share = round(min(1 / point, 1e9)) if axis == "bandwidth_ratio" else 0
    fraction = share and abs(share * point - 1) < 0.01
    return f"1/{share}" if fraction else f"{point:g}"


def add_counts(total: Counts, counts: Counts) -> Counts:
    """Sum of two counts, key by key; a key of one side alone is kept."""
    keys = total | counts
    return {key: total.get(key, 0) + counts.get(key, 0) for key in keys}


def add_all(total: dict[str, Counts], counts: dict[str, Counts]) -> None:
    """Adds the counts of each receiver to its total."""
    for receiver, found in counts.items():
        total[receiver] = add_counts(total.get(receiver, {}), found)


def paired_difference(
    lines: Iterable[dict], receiver: str, reference: str, metric: str
) -> dict[float, Estimate]:
    """Receiver minus reference at each point, on the same batches.

    Both saw the same bits, channels and noise, so the interval of the difference
    is much narrower than theirs suggest. It is the delete-one-batch jackknife
    (Efron and Stein 1981), which for rates and means is Student's t interval of
    the batch-level differences. Points where either was excluded are absent.
    """
    batches = defaultdict(list)
    for line in lines:
        pair = line["counts"].get(receiver), line["counts"].get(reference)
        batches[line["point"]].append(pair)
    differences = {}
    for point, pairs in batches.items():
        if all(None not in pair for pair in pairs):
            difference = _jackknife(pairs, partial(_difference, metric=metric))
            if difference is not None:
                differences[point] = difference
    return differences


def jackknife(batches: list[Counts], metric: str) -> Estimate:
    """A metric over batches, with the interval of the delete-one-batch jackknife."""

    def value(sides):
        return estimate(sides[0], metric).value

    return _jackknife([(counts,) for counts in batches], value)


def _jackknife(batches: list[tuple[Counts, ...]], statistic: Callable):
    """A statistic of summed counts, and its interval from leaving each batch out."""
    sums = [{} for _ in batches[0]]
    for batch in batches:
        sums = [add_counts(*sides) for sides in zip(sums, batch, strict=True)]
    value = statistic(sums)
    if value is None:
        return None
    if len(batches) < 2:
        return Estimate(value, math.nan, math.nan)
    without = [
        statistic([_subtract(*sides) for sides in zip(sums, batch, strict=True)])
        for batch in batches
    ]
    centre = sum(without) / len(without)
    spread = sum((x - centre) ** 2 for x in without)
    variance = (len(batches) - 1) / len(batches) * spread
    half = intervals.half_width(variance, len(batches))
    return Estimate(value, value - half, value + half)


def _difference(sides: list[Counts], metric: str) -> float | None:
    ours, theirs = (estimate(counts, metric) for counts in sides)
    return None if ours is None or theirs is None else ours.value - theirs.value


def _subtract(total: Counts, counts: Counts) -> Counts:
    return {key: value - counts.get(key, 0) for key, value in total.items()}
