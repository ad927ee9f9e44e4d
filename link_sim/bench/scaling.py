"""How time and memory of a link grow with its sizes."""

import statistics

import numpy as np

from link_sim.bench.timing import (
    apart,
    interleave,
    milliseconds,
    peak_memory_mb,
    ratios,
)
from link_sim.experiments.link import Link
from link_sim.scenarios.loading import load_scenario

POINT = 10.0
AXES = {
    "batch_size": (8, 16, 32, 64),
    "antennas.receive": (2, 4, 8, 16),
    "grid.fft_size": (48, 96, 192, 384),
    "receivers": (1, 2, 4),
}
"""Sizes along each axis; the others stay those of the scenario `image` over CDL-C."""
COMPARED = "ls", "lmmse", "ls+pixel-bayes", "lmmse+pixel-bayes"


def bench_scaling() -> list[dict]:
    """Time and memory of a batch over batch size, antennas, FFT size and receivers.

    Rows with keys axis, size, milliseconds (the median of five batches), fastest,
    slowest, peak_memory_mb (of a process of its own, beyond what its libraries hold),
    exponent and memory_exponent: p of time (memory) ~ size^p, fitted over the sizes of
    the axis.
    """
    rows = []
    for axis, sizes in AXES.items():
        part = [
            {"axis": axis, "size": size, **apart(_measure, axis, size)}
            for size in sizes
        ]
        time = fitted_exponent(sizes, [row["milliseconds"] for row in part])
        memory = fitted_exponent(sizes, [row["peak_memory_mb"] for row in part])
        rows += [row | {"exponent": time, "memory_exponent": memory} for row in part]
    return rows


def bench_comparison() -> list[dict]:
    """What comparing four receivers costs, against one: measured in turns.

    Rows with keys receivers, milliseconds, fastest, slowest and ratio, the median of
    the rounds' ratios to one receiver.
    """
    functions = {n: _batch("receivers", n) for n in AXES["receivers"]}
    seconds = interleave(functions)
    rows = []
    for number, times in seconds.items():
        ratio = statistics.median(ratios(times, seconds[1]))
        rows.append({"receivers": number, **milliseconds(times), "ratio": ratio})
    return rows


def fitted_exponent(sizes, values) -> float:
    """p of values ~ sizes^p, by least squares on logarithmic axes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _measure(axis: str, size: int) -> dict:
    before = peak_memory_mb()
    times = interleave({size: _batch(axis, size)})[size]
    return milliseconds(times) | {"peak_memory_mb": peak_memory_mb() - before}


def _batch(axis: str, size: int):
    """Runs one batch of a link of that size and returns its counts."""
    overrides = ["channel.model=cdl-c", 'receivers=["ls"]', "batch_size=16"]
    if axis == "receivers":
        names = ", ".join(f'"{name}"' for name in COMPARED[:size])
        overrides.append(f"receivers=[{names}]")
    else:
        overrides.append(f"{axis}={size}")
    scenario = load_scenario("image", overrides)
    link, at = Link(scenario), scenario.at(POINT)
    return lambda: link.count(link.draw(at, 0))
