"""What can be measured, by name, and what every image restorer costs."""

import statistics
import time

import numpy as np
import tensorflow as tf

from link_sim.bench_link import bench_link, bench_modulations
from link_sim.bench_scaling import bench_comparison, bench_scaling
from receivers.chain import RESTORERS

BATCH = 100
REPEATS = 5
STEPS = (1, 4, 200)


def bench_restorers() -> list[dict]:
    """Milliseconds per digit of each restorer, compiled, in batches of 100.

    Rows with keys restorer, evaluations (of its network, 0 without one), batch,
    milliseconds_per_image (the median of five runs), fastest and slowest. Restorers
    that sample stand with 1, 4 and 200 steps.
    """
    llr = np.random.default_rng(0).normal(0, 3, (BATCH, 28, 28, 1, 8))
    llr = tf.constant(llr, tf.float32)
    names = [name for name in RESTORERS if name not in ("none", "ddpm", "ddpm-soft")]
    names = [n for n in names if not n[-1].isdigit() or int(n.split("-")[-1]) in STEPS]
    return [_measure(name, llr) for name in names]


def _measure(name: str, llr) -> dict:
    restorer = RESTORERS[name]()
    restore = tf.function(restorer)
    restore(llr)  # traces
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        restore(llr).numpy()
        seconds.append(time.perf_counter() - start)
    milliseconds = sorted(1000 * s / BATCH for s in seconds)
    return {
        "restorer": name,
        "evaluations": getattr(restorer, "num_steps", 0),
        "batch": BATCH,
        "milliseconds_per_image": statistics.median(milliseconds),
        "fastest": milliseconds[0],
        "slowest": milliseconds[-1],
    }


BENCHES = {
    "link": bench_link,
    "modulations": bench_modulations,
    "comparison": bench_comparison,
    "restorers": bench_restorers,
    "scaling": bench_scaling,
}
