"""From counts to the metrics that are shown: one table, one entry a metric."""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from link_sim.metrics import intervals
from link_sim.metrics.intervals import Estimate
from link_sim.models.frechet import gaussian_distance
from link_sim.scenarios.users import MOST_USERS

Counts = dict[str, float]

ROUNDING_MSE = 1 / (12 * 255**2)  # of rounding to 8 bits; 58.92 dB PSNR

LLR_SCALES = 30, 40, 50, 60, 70, 80, 90, 100, 120
"""Percent; what LLRs are scaled by to see whether that makes better ones of them."""


class Metric(NamedTuple):
    """How one metric follows from counts, and how it is shown."""

    label: str  # of the axis of a plot
    quantity: str  # the count it is taken from; a receiver without it has none
    trials: str  # the count of what the value is taken over
    estimate: Callable[[Counts], Estimate]
    column: str | None = None  # short title in tables; None where it is left out
    form: str | None = None  # of values in tables; None for rates, whose power varies
    plotted: bool = False
    better: str = "lower"  # or "higher"
    scale: str = "linear"  # of the axis, or "log"
    decibels: bool = False


def _proportion(label: str, quantity: str, trials: str, **shown: Any) -> Metric:
    def estimate(counts: Counts) -> Estimate:
        total, total_sq = counts[quantity], counts[f"{quantity}_sq"]
        return intervals.clustered_proportion(
            total, total_sq, counts[trials], counts["frames"]
        )

    return Metric(label, quantity, trials, estimate, **({"scale": "log"} | shown))


def _mean(label: str, quantity: str, trials: str, **shown: Any) -> Metric:
    return Metric(label, quantity, trials, partial(_mean_of, quantity), **shown)


def _mean_of(quantity: str, counts: Counts) -> Estimate:
    total, total_sq = counts[quantity], counts[f"{quantity}_sq"]
    return intervals.mean(total, total_sq, counts["frames"])


def _psnr(counts: Counts) -> Estimate:
    mse = _mean_of("squared_error", counts)
    value, low, high = intervals.decibels(mse, ROUNDING_MSE)
    return Estimate(-value, -high, -low)


def _nmse(counts: Counts) -> Estimate:
    names = ("error", "error_sq", "power", "power_sq", "error_power")
    error, error_sq, power, power_sq, both = (counts[f"channel_{n}"] for n in names)
    frames = counts["frames"]
    return intervals.decibels(
        intervals.ratio(error, error_sq, power, power_sq, both, frames)
    )


def _nmse_mean(counts: Counts) -> Estimate:
    return intervals.decibels(_mean_of("nmse", counts))


def _frechet(counts: Counts) -> Estimate:
    moments = (_gaussian(counts, name) for name in ("logit", "sent_logit"))
    return Estimate(gaussian_distance(*moments), math.nan, math.nan)


def _gaussian(counts: Counts, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the logits, from their sums."""
    mean = np.array([counts[f"{name}_{i}"] for i in range(10)]) / counts["images"]
    second = np.zeros((10, 10))
    for i, j in itertools.combinations_with_replacement(range(10), 2):
        second[i, j] = second[j, i] = counts[f"{name}_{i}_{j}"] / counts["images"]
    return mean, second - np.outer(mean, mean)


def _information(counts: Counts) -> Estimate:
    return _mean_of("information_100", counts)


def _best_information(counts: Counts) -> Estimate:
    """With LLRs scaled by the factor that suits these counts best."""
    found = (_mean_of(f"information_{percent}", counts) for percent in LLR_SCALES)
    return max(found, key=lambda estimate: estimate.value)


def _stated_errors(counts: Counts) -> Estimate:
    names = "bit_errors", "bit_errors_sq", "stated_errors", "stated_errors_sq"
    total, total_sq, base, base_sq = (counts[name] for name in names)
    product, frames = counts["bit_stated_errors"], counts["frames"]
    return intervals.ratio(total, total_sq, base, base_sq, product, frames)


def _of_users() -> dict[str, Metric]:
    """Error rates of single users, named from 1."""
    found = {}
    for user in range(1, MOST_USERS + 1):
        bits, blocks = f"user_{user}_bit", f"user_{user}_block"
        found[f"ber_user_{user}"] = _proportion(
            f"Bit error rate of user {user}", f"{bits}_errors", f"{bits}s",
            column=f"BER of user {user}",
        )  # fmt: skip
        found[f"bler_user_{user}"] = _proportion(
            f"Block error rate of user {user}", f"{blocks}_errors", f"{blocks}s",
            column=f"BLER of user {user}",
        )  # fmt: skip
    return found


USERS = _of_users()
"""Metrics of single users, where there are several."""
METRICS = {
    "ber": _proportion(
        "Bit error rate", "bit_errors", "bits", column="BER", plotted=True
    ),
    "bler": _proportion(
        "Block error rate", "block_errors", "blocks", column="BLER", plotted=True
    ),
    **USERS,
    "ser": _proportion(
        "Symbol error rate", "symbol_errors", "symbols", column="SER", plotted=True
    ),
    "ver": _proportion("Vector error rate", "vector_errors", "vectors", column="VER"),
    "information": Metric(
        "Bit-metric information [bits per symbol]", "information_100", "vectors",
        _information, column="information", form=".4f", plotted=True, better="higher",
    ),
    "information_scaled": Metric(
        "The same with the best scale of all LLRs", "information_100", "vectors",
        _best_information, column="rescaled", form=".4f", better="higher",
    ),
    "stated_errors": Metric(
        "Bit errors over those that LLRs state", "stated_errors", "bits",
        _stated_errors, column="errors over stated", form=".2f",
    ),
    "undetected": _proportion(
        "Undetected block error rate", "undetected_errors", "blocks"
    ),
    "goodput": _mean(
        "Goodput [information bits per resource element]", "goodput", "frames",
        column="goodput", form=".3f", better="higher",
    ),
    "psnr": Metric(
        "PSNR of the mean squared error [dB]", "squared_error", "images", _psnr,
        column="PSNR [dB]", form=".1f", plotted=True, better="higher", decibels=True,
    ),
    "psnr_mean": _mean(
        "Mean of the images' PSNR [dB]", "psnr", "images",
        form=".1f", better="higher", decibels=True,
    ),
    "ssim": _mean("SSIM", "ssim", "images", form=".3f", better="higher"),
    "ms_ssim": _mean(
        "MS-SSIM, two scales", "ms_ssim", "images", form=".3f", better="higher"
    ),
    "lpips": _mean(
        "LPIPS (AlexNet)", "lpips", "images", column="LPIPS", form=".4f", plotted=True
    ),
    "nmse": Metric(
        "NMSE, total error over total power [dB]", "channel_error", "frames", _nmse,
        column="NMSE [dB]", form=".2f", plotted=True, decibels=True,
    ),
    "nmse_mean": Metric(
        "Mean of the frames' NMSE [dB]", "nmse", "frames", _nmse_mean,
        form=".1f", decibels=True,
    ),
    "calibration": _mean(
        "Squared error over stated variance", "normalised_error", "frames",
        column="error over stated", form=".2f",
    ),
    "class_flips": _proportion(
        "Class flip rate", "class_flips", "images", column="class flips", plotted=True
    ),
    "accuracy": _proportion(
        "Accuracy of a classifier", "class_hits", "images",
        column="accuracy", form=".3f", plotted=True, better="higher", scale="linear",
    ),
    "cosine": _mean(
        "Cosine between a channel and what is told of it", "cosine", "frames",
        column="cosine", form=".4f", plotted=True, better="higher",
    ),
    "beam_rate": _mean(
        "Rate of a beam that matches what is told [bit/s/Hz]", "beam_rate", "frames",
        column="rate", form=".3f", plotted=True, better="higher",
    ),
    "spent": _mean(
        "Bits of a word up to its last one", "spent", "frames",
        column="bits spent", form=".1f",
    ),
    "sum_rate": _mean(
        "Sum rate [bit per channel use]", "sum_rate", "frames",
        column="sum rate", form=".1f", plotted=True, better="higher",
    ),
    "lowest_rate": _mean(
        "Rate of the worst user [bit per channel use]", "lowest_rate", "frames",
        column="worst user", form=".3f", better="higher",
    ),
    "fairness": _mean(
        "Fairness of the rates (Jain), 1 if all are equal", "fairness", "frames",
        column="fairness", form=".3f", better="higher",
    ),
    "multiplications": _mean(
        "Real multiplications of a channel or vector [10^6]", "multiplications",
        "frames",
        column="10^6 mult.", form=".1f",
    ),
    "fcd": Metric(
        "Fréchet classifier distance, on logits", "logit_0", "images", _frechet,
        column="Fréchet distance", form=".3f", plotted=True, scale="log",
    ),
}  # fmt: skip
"""Name -> metric, the only table: a new metric is one entry here."""


def estimate(counts: Counts, metric: str) -> Estimate | None:
    """A metric of the counts with its 95 % interval, None where it does not exist."""
    definition = METRICS[metric]
    if definition.quantity not in counts:
        return None
    return definition.estimate(counts)


def relative_width(counts: Counts, metric: str) -> float:
    """Width of a 95 % interval over its value, for a metric in dB that of the ratio.

    Infinite where it is not known: no interval, a value of 0, or no spread seen.
    """
    found = estimate(counts, metric)
    if found is None:
        return math.inf
    width, value = found.high - found.low, abs(found.value)
    if METRICS[metric].decibels:  # by the delta method, as in `intervals.decibels`
        width, value = width * math.log(10) / 10, 1.0
    return width / value if width > 0 and value > 0 else math.inf


def add_counts(total: Counts, counts: Counts) -> Counts:
    """Sum of two counts, key by key; a key of one side alone is kept."""
    keys = total | counts
    return {key: total.get(key, 0) + counts.get(key, 0) for key in keys}


def add_all(total: dict[str, Counts], counts: dict[str, Counts]) -> None:
    """Adds the counts of each receiver to its total."""
    for receiver, found in counts.items():
        total[receiver] = add_counts(total.get(receiver, {}), found)
