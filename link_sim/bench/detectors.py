"""What detectors of many streams cost, in time and in multiplications."""

import statistics
from functools import partial

import numpy as np
import tensorflow as tf

from link_sim.bench.timing import interleave, milliseconds, ratios
from link_sim.experiments.detection import Known
from link_sim.receivers.catalog import SYMBOL_DETECTORS
from link_sim.receivers.entries import build_block
from link_sim.world.flat_fading import flat_link

ANTENNAS, LOAD, BITS, SNR_DB = (16, 32, 64, 128), 0.75, 4, 17.0
NAMES = "lmmse", "amp", "ep", "ep-retry", "amp-gnn"
REFERENCE = "ep"
VECTORS = 200


def bench_detectors() -> list[dict]:
    """Milliseconds of each detector for one vector of the scenario `detection-sizes`.

    Compiled, 200 vectors of 16-QAM at once, at 17 dB. Rows with keys antennas,
    detector, million_multiplications, milliseconds (the median of five turns), fastest,
    slowest and times_faster, the median of the turns' ratios of `ep` to it.
    """
    detectors = {n: build_block(SYMBOL_DETECTORS, n, Known(BITS)) for n in NAMES}
    compiled = {
        name: tf.function(partial(detector.symbol_logits), autograph=False)
        for name, detector in detectors.items()
    }
    rows = []
    for antennas in ANTENNAS:
        rng, streams = np.random.default_rng(antennas), round(LOAD * antennas)
        y, h, no, _ = flat_link(rng, VECTORS, antennas, streams, BITS, SNR_DB)
        white = (1 / np.sqrt(no)).astype("float32")
        world = tf.constant(y * white), tf.constant(h * white[..., None])
        seconds = interleave({n: partial(f, *world) for n, f in compiled.items()})
        for name, times in seconds.items():
            work = detectors[name].multiplications(antennas, streams) / 1e6
            row = {"antennas": antennas, "detector": name}
            row |= {"million_multiplications": work} | milliseconds(times, VECTORS)
            faster = statistics.median(ratios(seconds[REFERENCE], times))
            rows.append(row | {"times_faster": faster})
    return rows
