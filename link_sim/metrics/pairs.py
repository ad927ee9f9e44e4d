"""Differences of receivers on the same batches; intervals by leaving batches out."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from link_sim.metrics import intervals
from link_sim.metrics.intervals import Estimate
from link_sim.metrics.rates import Counts, add_counts, estimate


def paired_difference(
    lines: Iterable[dict], receiver: str, reference: str, metric: str
) -> dict[float, Estimate]:
    """Receiver minus reference at each point, on the same batches.

    Both saw the same bits, channels and noise, so the interval of the difference
    is much narrower than theirs suggest. It is the delete-one-batch jackknife
    (Efron and Stein 1981), which for rates and means is Student's t interval of
    the batch-level differences. Points where either was excluded are absent.
    """
    batches: dict[float, list[tuple]] = defaultdict(list)
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


def jackknife(batches: list[Counts], metric: str) -> Estimate | None:
    """A metric over batches, with the interval of the delete-one-batch jackknife."""

    def value(sides: list[Counts]) -> float | None:
        found = estimate(sides[0], metric)
        return None if found is None else found.value

    return _jackknife([(counts,) for counts in batches], value)


def _jackknife(
    batches: Sequence[tuple[Counts, ...]], statistic: Callable
) -> Estimate | None:
    """A statistic of summed counts, and its interval from leaving each batch out."""
    sums: list[Counts] = [{} for _ in batches[0]]
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
