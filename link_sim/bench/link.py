"""Our link against a stock Sionna script for the same link, side by side."""

import statistics
import time

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.bench.stock import StockLink
from link_sim.bench.timing import (
    apart,
    interleave,
    milliseconds,
    peak_memory_mb,
    ratios,
)
from link_sim.experiments.link import Link
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.scenarios.link import LinkScenario
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

FRAMES = 64
VARIANTS = "stock-graph", "stock-xla", "ours"
ANTENNAS = {
    "siso": ["antennas.transmit=1", "antennas.streams=1", "antennas.receive=1"],
    "2x8": [],
}
IMAGE_SHAPE = 28, 28, 1
TARGET_BLER = 0.01


def bench_scenario(antennas: str = "2x8", bits_per_symbol: int = 6) -> LinkScenario:
    """The scenario `image` over CDL-C, with this antenna set-up and modulation."""
    overrides = ["channel.model=cdl-c", f"batch_size={FRAMES}", 'receivers=["ls"]']
    overrides.append(f"code.bits_per_symbol={bits_per_symbol}")
    return load_scenario("image", overrides + ANTENNAS[antennas])


def bench_link() -> list[dict]:
    """2x8, 64-QAM, rate 1/2 at the 1 % BLER point: whole link and each stage.

    Rows with keys case, part, variant, ebno_db, no, milliseconds (the median of five
    rounds), fastest, slowest, speedup (of ours over this variant: the median of the
    rounds' ratios), speedup_low, speedup_high. Rows of the whole link add bler,
    coded_mbit_per_s, information_mbit_per_s, and, from a fresh process for each
    variant, first_batch_s (from the construction of the blocks to the first bits,
    tracing and compiling included) and peak_memory_mb.
    """
    rows = _compare("2x8", 6)
    for row in rows:
        if row["part"] == "link":
            row |= apart(_first_batch, row["variant"], row["ebno_db"], row["no"])
    return rows + _compare_stages("2x8", 6, rows[0]["ebno_db"])


def bench_modulations() -> list[dict]:
    """The whole link for SISO and 2x8, QPSK to 256-QAM; rows as in `bench_link`."""
    cases = [(antennas, bits) for antennas in ANTENNAS for bits in (2, 4, 6, 8)]
    return [row for case in cases for row in _compare(*case)]


def operating_point(link: Link) -> float:
    """Eb/N0 [dB] at which the first receiver loses 1 % of the blocks, to 0.5 dB."""
    config.seed = 1
    low, high = -10.0, 40.0
    while high - low > 0.5:
        middle = (low + high) / 2
        batches = [link(tf.constant(FRAMES), tf.constant(middle)) for _ in range(4)]
        bler = np.mean([block_error_rate(*batch) for batch in batches])
        low, high = (middle, high) if bler > TARGET_BLER else (low, middle)
    return high


def block_error_rate(b, b_hat) -> float:
    return float(np.mean(np.any(np.asarray(b) != np.asarray(b_hat), axis=-1)))


def _compare(antennas: str, bits: int) -> list[dict]:
    link = Link(bench_scenario(antennas, bits))
    ebno_db = operating_point(link)
    no = float(link.noise_variance(link.scenario.at(ebno_db)))
    functions = {v: _whole(v, link.scenario, ebno_db, no) for v in VARIANTS[:2]}
    functions["ours"] = lambda: link(tf.constant(FRAMES), tf.constant(ebno_db))
    case = {"case": f"{antennas} {2**bits}-QAM", "part": "link", "ebno_db": ebno_db}
    rows = _rows(case | {"no": no}, functions)
    coded = FRAMES * link.transmitter.images_per_frame
    coded *= link.transmitter.blocks_per_image * link.transmitter.n
    for row in rows:
        row["bler"] = block_error_rate(*functions[row["variant"]]())
        row["coded_mbit_per_s"] = coded / row["milliseconds"] / 1e3
        rate = link.transmitter.k / link.transmitter.n
        row["information_mbit_per_s"] = rate * row["coded_mbit_per_s"]
    return rows


def _whole(variant: str, scenario: LinkScenario, ebno_db: float, no: float):
    """A function that sends and receives a batch and returns its bits."""
    if variant == "ours":
        link = Link(scenario)
        return lambda: link(tf.constant(FRAMES), tf.constant(ebno_db))
    stock = StockLink(scenario, Transmitter(scenario, IMAGE_SHAPE))
    run = tf.function(lambda no: stock(FRAMES, no), jit_compile=variant == "stock-xla")
    return lambda: run(tf.constant(no))


def _compare_stages(antennas: str, bits: int, ebno_db: float) -> list[dict]:
    """Each stage alone, on the same inputs for all variants."""
    link = Link(bench_scenario(antennas, bits))
    case, rows = {"case": f"{antennas} {2**bits}-QAM", "ebno_db": ebno_db}, []
    for part, (stock, ours, arguments) in _stages(link, ebno_db).items():
        functions = {
            "stock-graph": tf.function(stock),
            "stock-xla": tf.function(stock, jit_compile=True),
            "ours": tf.function(ours),
        }
        calls = {
            name: lambda function=function, arguments=arguments: function(*arguments)
            for name, function in functions.items()
        }
        rows += _rows({**case, "part": part}, calls)
    return rows


def _stages(link: Link, ebno_db: float) -> dict:
    """Sionna's block, ours and their common inputs, for each stage."""
    stock, transmitter = StockLink(link.scenario, link.transmitter), link.transmitter
    receiver, no = link.receivers[0], link.noise_variance(link.scenario.at(ebno_db))
    b, c, _, h, y = link.transmit(link.draw_images(FRAMES), no)
    b = tf.reshape(b, [-1, transmitter.k])
    estimate = receiver.estimate(y, no, h)
    equalizer = LMMSEEqualizer(transmitter.resource_grid)
    demapper = QAMDemapper("app", transmitter.num_bits_per_symbol)
    encoder = tf.function(transmitter.encoder, autograph=False, jit_compile=True)
    equalised = equalizer(y, *estimate, no)
    llr = receiver.detect(y, *estimate, no)
    return {
        "encoder": (stock.encoder, encoder, (b,)),
        "channel": (
            lambda c: stock.transmit(c, no),
            lambda c: link.propagate(transmitter.modulate(c), no)[1],
            (c,),
        ),
        "ls": (stock.estimator, receiver.estimator, (y, no)),
        "lmmse": (stock.equalizer, equalizer, (y, *estimate, no)),
        "demapper": (stock.demapper, demapper, equalised),
        "decoder": (stock.decoder, receiver.decoder, (llr,)),
    }


def _rows(case: dict, functions: dict) -> list[dict]:
    seconds, rows = interleave(functions), []
    for variant, times in seconds.items():
        speedups = ratios(times, seconds["ours"])
        speedup = {
            "speedup": statistics.median(speedups),
            "speedup_low": speedups[0],
            "speedup_high": speedups[-1],
        }
        rows.append(case | {"variant": variant} | milliseconds(times) | speedup)
    return rows


def _first_batch(variant: str, ebno_db: float, no: float) -> dict:
    config.seed = 1  # as scripts begin; without it all would be traced twice
    start = time.perf_counter()
    run = _whole(variant, bench_scenario(), ebno_db, no)
    tf.nest.map_structure(np.asarray, run())
    first = time.perf_counter() - start
    run()
    return {"first_batch_s": first, "peak_memory_mb": peak_memory_mb()}
