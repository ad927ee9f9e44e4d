"""Receivers by name: a table of blocks for each slot of the chain."""

from collections.abc import Callable
from functools import partial

import tensorflow as tf
from sionna.phy.ofdm import LSChannelEstimator

from link_sim.models.pretrained import load_model
from link_sim.receivers.chain import Receiver
from link_sim.receivers.decoding.joint import HistogramSource, JointDecoder
from link_sim.receivers.decoding.ldpc import BPDecoder, LDPCDecoder
from link_sim.receivers.detection.linear import LinearDetector
from link_sim.receivers.detection.sionna import detector
from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
from link_sim.receivers.estimation.ofdm import ScoreChannelEstimator
from link_sim.receivers.images.pixel_bayes import PixelBayes
from link_sim.receivers.images.restoration import ConditionalDDPM

ESTIMATORS: dict[str, Callable] = {
    "perfect-csi": lambda transmitter, covariances: None,
    "ls": lambda transmitter, covariances: tf.function(
        LSChannelEstimator(transmitter.resource_grid, interpolation_type="lin"),
        autograph=False,
        jit_compile=True,
    ),
    "lmmse": lambda transmitter, covariances: LMMSEChannelEstimator(
        transmitter.resource_grid, *covariances()
    ),
    "score": lambda transmitter, covariances: ScoreChannelEstimator.from_preset(
        "csi-ofdm",
        transmitter.resource_grid,
        polarisations=transmitter.polarisations,
        doppler=transmitter.doppler,
    ),
}
DETECTORS: dict[str, Callable] = {
    "linear": lambda transmitter: LinearDetector(
        transmitter.resource_grid, transmitter.num_bits_per_symbol
    ),
    **{
        name: lambda transmitter, name=name: detector(name, transmitter)
        for name in ("sionna-linear", "k-best", "ep")
    },
}
DECODERS: dict[str, Callable] = {
    "bp": lambda transmitter: LDPCDecoder(transmitter.encoder, transmitter.num_iter),
    "sionna-bp": lambda transmitter: BPDecoder(
        transmitter.encoder, transmitter.num_iter
    ),
    "turbo-histogram": lambda transmitter: JointDecoder(transmitter, HistogramSource()),
    "turbo": lambda transmitter: JointDecoder(transmitter, load_model("bit-planes")),
}
STEPS = 1, 2, 4, 8, 16, 50, 100, 200
"""Numbers of steps that restorers are named for: `ddpm-4`; `ddpm` takes one."""


def _restorers(name: str, soft: bool) -> dict[str, Callable]:
    """Restorers by name; 200 steps are taken by ancestral sampling, as published."""
    build = partial(ConditionalDDPM.from_preset, "ddpm", soft=soft)
    named = {f"{name}-{n}": partial(build, num_steps=n) for n in STEPS}
    named[f"{name}-200"] = partial(build, num_steps=200, eta=1.0)
    return {name: build} | named


RESTORERS: dict[str, Callable] = {
    "none": lambda: None,
    "pixel-bayes": PixelBayes,
    "regression": partial(ConditionalDDPM.from_preset, "regression"),
    **_restorers("ddpm", soft=False),
    **_restorers("ddpm-soft", soft=True),
}
DESCRIPTIONS = {
    "perfect-csi": "estimator: the true channel, the bound of every estimator",
    "ls": "estimator: least squares at the pilots, linear interpolation",
    "lmmse": "estimator: linear MMSE over time, frequency and antennas",
    "score": "estimator: posterior mean under a learned prior of angles and delays",
    "linear": "detector: LMMSE equalisation (the default)",
    "sionna-linear": "detector: the same by Sionna's block, slower",
    "k-best": "detector: K-best tree search with 64 candidates",
    "ep": "detector: expectation propagation",
    "bp": "decoder: belief propagation until all checks are met (the default)",
    "sionna-bp": "decoder: all iterations of it by Sionna's block, slower",
    "turbo-histogram": "decoder: belief propagation and pixel histograms in turns",
    "turbo": "decoder: belief propagation and a bit-plane denoiser in turns",
    "none": "restorer: the image of the hard bits (the default)",
    "pixel-bayes": "restorer: posterior mean of each pixel under its histogram",
    "regression": "restorer: the network of ddpm as plain L2 regression, hard bits",
    "ddpm": "restorer: conditional diffusion from hard bits, 1 step; ddpm-200 …",
    "ddpm-soft": "restorer: the same from soft bits, 1 step; ddpm-soft-4 …",
}


def list_receivers() -> dict[str, str]:
    """The blocks of receivers by name, each with one line; join them with `+`."""
    return dict(DESCRIPTIONS)


def build_receivers(names, transmitter, covariances) -> list[Receiver]:
    """Receivers by name, over one instance of each block, so that results are shared.

    covariances : function that returns the arguments of `LMMSEChannelEstimator` after
        the grid; called only if a receiver needs them
    Raises `ValueError` for a name that is no chain of known blocks.
    """
    blocks = {}

    def block(table, name, *arguments):
        if name not in blocks:
            blocks[name] = table[name](*arguments)
        return blocks[name]

    receivers = []
    for name in names:
        estimator, detect, decode, restore = parse_receiver(name)
        receivers.append(
            Receiver(
                transmitter,
                block(ESTIMATORS, estimator, transmitter, covariances),
                block(DETECTORS, detect, transmitter),
                block(DECODERS, decode, transmitter),
                block(RESTORERS, restore),
                name=name,
            )
        )
    return receivers


def parse_receiver(name: str) -> tuple[str, str, str, str]:
    """The names of estimator, detector, decoder and restorer in a receiver's name."""
    chosen = [None, "linear", "bp", "none"]
    tables = ESTIMATORS, DETECTORS, DECODERS, RESTORERS
    taken = set()
    for part in name.split("+"):
        slots = [i for i, table in enumerate(tables) if part in table]
        if not slots or slots[0] in taken:
            what = "repeats a kind of block" if slots else f"has no block '{part}'"
            raise ValueError(
                f"the receiver '{name}' {what}: join one estimator and at most one "
                f"detector, decoder and restorer of {', '.join(DESCRIPTIONS)}"
            )
        taken.add(slots[0])
        chosen[slots[0]] = part
    if chosen[0] is None:
        raise ValueError(
            f"the receiver '{name}' has no channel estimator: begin it with one of "
            f"{', '.join(ESTIMATORS)}, such as '{next(iter(ESTIMATORS))}+{name}'"
        )
    return tuple(chosen)
