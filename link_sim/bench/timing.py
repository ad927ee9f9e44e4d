"""How the benches measure: in turns, in processes of their own, by medians."""

import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tensorflow as tf

ROUNDS = 5


def interleave(functions: dict, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each function, called in turns, after one call that compiles it."""
    seconds = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            tf.nest.map_structure(np.asarray, function())
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def milliseconds(seconds: list[float], each: int = 1, unit: str = "") -> dict:
    """The median, and the fastest and slowest, of times per `each`."""
    times = [1e3 * s / each for s in seconds]
    key = f"milliseconds{unit}"
    return {key: statistics.median(times), "fastest": min(times), "slowest": max(times)}


def ratios(seconds: list[float], others: list[float]) -> list[float]:
    """Ratios of the times of the same rounds, sorted."""
    return sorted(own / other for own, other in zip(seconds, others, strict=True))


def apart(function: Callable, *arguments):
    """What a function returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def peak_memory_mb() -> float:
    """The most memory that this process has held, in MiB.

    From Linux's VmHWM where there is one: `getrusage` counts what the parent held too.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(held[1]) / 1024
