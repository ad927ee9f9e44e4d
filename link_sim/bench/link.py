"""Our link against a stock Sionna script for the same link, side by side."""

import re
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.bench.stock import StockLink
from link_sim.experiments.link import Link
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.scenarios.loading import Scenario, load_scenario
from link_sim.world.transmitter import Transmitter

FRAMES = 64
ROUNDS = 5
VARIANTS = "stock-graph", "stock-xla", "ours"
ANTENNAS = {
    "siso": ["antennas.transmit=1", "antennas.streams=1", "antennas.receive=1"],
    "2x8": [],
}
IMAGE_SHAPE = 28, 28, 1
TARGET_BLER = 0.01


def bench_scenario(antennas: str = "2x8", bits_per_symbol: int = 6) -> Scenario:
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
            row |= _fresh(row["variant"], row["ebno_db"], row["no"])
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


def _compare(antennas: str, bits: int) -> list[dict]:
    link = Link(bench_scenario(antennas, bits))
    ebno_db = operating_point(link)
    no = float(link.noise_variance(ebno_db, "ebno_db"))
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


def _whole(variant: str, scenario: Scenario, ebno_db: float, no: float):
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
    receiver, no = link.receivers[0], link.noise_variance(ebno_db, "ebno_db")
    image = link.draw_images(FRAMES)
    sent = link.transmit(image, no)
    b = tf.reshape(sent.b, [-1, transmitter.k])
    estimate = receiver.estimate(sent.y, no, sent.h)
    equalizer = LMMSEEqualizer(transmitter.resource_grid)
    demapper = QAMDemapper("app", transmitter.num_bits_per_symbol)
    equalised = equalizer(sent.y, *estimate, no)
    llr = receiver.detect(sent.y, *estimate, no)
    return {
        "encoder": (stock.encoder, transmitter._encode, (b,)),
        "channel": (
            lambda c: stock.transmit(c, no),
            lambda c: link.propagate(transmitter.modulate(c), no)[1],
            (sent.c,),
        ),
        "ls": (stock.estimator, receiver.estimator, (sent.y, no)),
        "lmmse": (stock.equalizer, equalizer, (sent.y, *estimate, no)),
        "demapper": (stock.demapper, demapper, equalised),
        "decoder": (stock.decoder, receiver.decoder, (llr,)),
    }


def _rows(case: dict, functions: dict) -> list[dict]:
    seconds, rows = interleave(functions), []
    for variant, times in seconds.items():
        pairs = zip(times, seconds["ours"], strict=True)
        ratios = sorted(theirs / own for theirs, own in pairs)
        rows.append(
            case
            | {
                "variant": variant,
                "milliseconds": 1e3 * statistics.median(times),
                "fastest": 1e3 * min(times),
                "slowest": 1e3 * max(times),
                "speedup": statistics.median(ratios),
                "speedup_low": ratios[0],
                "speedup_high": ratios[-1],
            }
        )
    return rows


def _fresh(variant: str, ebno_db: float, no: float) -> dict:
    """First batch and peak memory of a variant in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(_first_batch, variant, ebno_db, no).result()


def _first_batch(variant: str, ebno_db: float, no: float) -> dict:
    config.seed = 1  # as scripts begin; without it all would be traced twice
    start = time.perf_counter()
    run = _whole(variant, bench_scenario(), ebno_db, no)
    tf.nest.map_structure(np.asarray, run())
    first = time.perf_counter() - start
    run()
    return {"first_batch_s": first, "peak_memory_mb": peak_memory_mb()}


def peak_memory_mb() -> float:
    """The most memory that this process has held, in MiB.

    From Linux's VmHWM where there is one: `getrusage` counts what the parent held too.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(held[1]) / 1024
