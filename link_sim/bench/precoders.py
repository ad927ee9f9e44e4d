"""What precoders cost, in time and in multiplications, over the number of users."""

import statistics
from functools import partial

import numpy as np
import tensorflow as tf

from link_sim.bench.timing import interleave, milliseconds, ratios
from link_sim.receivers.catalog import PRECODERS
from link_sim.receivers.entries import build_block
from link_sim.world.downlink import draw_downlink, noise_variance

USERS, ANTENNAS = (75, 100, 150, 200), 1024
NAMES = (
    *("mrt", "zf", "rzf", "r-wmmse-10", "r-wmmse-100", "wmmse-1"),
    *("nc-zf", "nc-published"),
)
REFERENCE = "r-wmmse-100"


def bench_precoders() -> list[dict]:
    """Milliseconds of each precoder for one channel of the scenario `focusing`.

    From channel to beams, compiled, at 10 dB. Rows with keys users, precoder,
    million_multiplications, milliseconds (the median of five turns), fastest, slowest
    and times_faster, the median of the turns' ratios of `r-wmmse-100` to it.
    """
    precoders = {name: build_block(PRECODERS, name) for name in NAMES}
    compiled = {
        name: tf.function(precoder, autograph=False)
        for name, precoder in precoders.items()
    }
    rows = []
    for users in USERS:
        rng, no = np.random.default_rng(users), noise_variance(10, users, ANTENNAS)
        h = tf.constant(draw_downlink(rng, 1, users, ANTENNAS, "uniform"))
        world = h, tf.constant(no, tf.float32)
        seconds = interleave({n: partial(f, *world) for n, f in compiled.items()})
        for name, times in seconds.items():
            work = precoders[name].multiplications(users, ANTENNAS) / 1e6
            row = {"users": users, "precoder": name, "million_multiplications": work}
            row |= milliseconds(times)
            faster = statistics.median(ratios(seconds[REFERENCE], times))
            rows.append(row | {"times_faster": faster})
    return rows
