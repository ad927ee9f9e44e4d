"""What restorers and decoders cost, in time and in operations."""

import statistics
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from link_sim.bench.timing import interleave, milliseconds, ratios
from link_sim.experiments.link import Link
from link_sim.receivers.catalog import DECODERS, RESTORERS
from link_sim.receivers.entries import build_block
from link_sim.scenarios.loading import load_scenario

BATCH = 100
REPEATS = 5
STEPS = (1, 4, 16)
PER_IMAGE = "_per_image"


def bench_restorers() -> list[dict]:
    """Milliseconds per digit of each restorer, compiled, in batches of 100.

    Rows with keys restorer, evaluations (of its network, 0 without one), mflop (per
    image, of convolutions and dense layers), batch, milliseconds_per_image (the median
    of five runs), fastest and slowest. Restorers that sample stand with 1, 4 and 16
    steps.
    """
    llr = np.random.default_rng(0).normal(0, 3, (BATCH, 28, 28, 1, 8))
    llr = tf.constant(llr, tf.float32)
    sampled = [f"{name}-{n}" for name in ("ddpm", "ddpm-soft") for n in STEPS]
    names = "pixel-bayes", "regression", *sampled
    return [_measure(name, llr) for name in names]


def bench_decoders() -> list[dict]:
    """Milliseconds per image of each decoder where joint decoding works.

    The scenario `image-turbo` at Es/N0 = 3 dB, decoders in turns on the same LLRs. Rows
    with keys decoder, bler, evaluations (of its network, the mean over the images),
    mflop (per image, of the network), batch, milliseconds_per_image (the median of five
    rounds), fastest, slowest and ratio, the median of the rounds' ratios to `bp`.
    """
    link = Link(load_scenario("image-turbo", [f"batch_size={BATCH}"]), ["perfect-csi"])
    transmitter, receiver = link.transmitter, link.receivers[0]
    no = link.noise_variance(link.scenario.at(3.0))
    *_, h, y = link.transmit(link.batch_images(0), no)
    llr = receiver.detect(y, *receiver.estimate(y, no, h), no)
    decoders = {name: entry.make(transmitter) for name, entry in DECODERS.items()}
    for decoder in decoders.values():
        if hasattr(decoder, "source"):
            decoder.source = CountedSource(decoder.source)
    functions = {name: partial(tf.function(d), llr) for name, d in decoders.items()}
    seconds = interleave(functions, REPEATS)
    images = BATCH * transmitter.images_per_frame
    rows = []
    for name, times in seconds.items():
        crc_ok = transmitter.check(functions[name]())[2]
        ratio = statistics.median(ratios(times, seconds["bp"]))
        bler = 1 - float(np.mean(crc_ok))
        row = {"decoder": name, "bler": bler, **_work_of_source(decoders[name], images)}
        row |= {
            "batch": images,
            **milliseconds(times, images, PER_IMAGE),
            "ratio": ratio,
        }
        rows.append(row)
    return rows


class CountedSource:
    """A source of `JointDecoder` that counts the images it is given."""

    def __init__(self, source):
        self.source = source
        self.images = tf.Variable(0)

    def __call__(self, llr):
        self.images.assign_add(tf.shape(llr)[0])
        return self.source(llr)


def mflop(network) -> float:
    """10^6 floating-point operations of one evaluation: convolutions, dense layers."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            places = np.prod(layer.output.shape[1:-1])
            total += 2 * places * np.prod(layer.kernel.shape)
    return float(total / 1e6)


def _work_of_source(decoder, images: int) -> dict:
    """Evaluations of a decoder's network and their operations, per image."""
    network = getattr(getattr(decoder, "source", None), "source", None)
    network = getattr(network, "network", None)
    if network is None:
        return {"evaluations": 0, "mflop": 0}
    calls = REPEATS + 1
    evaluations = int(decoder.source.images) / images / calls
    return {"evaluations": evaluations, "mflop": evaluations * mflop(network)}


def _measure(name: str, llr) -> dict:
    restorer = build_block(RESTORERS, name)
    seconds = interleave({name: partial(tf.function(restorer), llr)}, REPEATS)[name]
    evaluations = getattr(restorer, "num_steps", 0)
    cost = evaluations and evaluations * mflop(restorer.denoiser.network)
    work = {"evaluations": evaluations, "mflop": cost, "batch": BATCH}
    return {"restorer": name, **work, **milliseconds(seconds, BATCH, PER_IMAGE)}
