"""Receivers: chains of interchangeable blocks, built by name and run side by side.

A name joins blocks with `+`, such as `ls+ep+pixel-bayes`: a channel estimator, and
where wanted a detector, a channel decoder and an image restorer.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import tensorflow as tf
from sionna.phy.ofdm import LSChannelEstimator, RemoveNulledSubcarriers

from models.pretrained import load_model
from receivers.channel_estimation import ScoreChannelEstimator
from receivers.classical import BPDecoder, LMMSEChannelEstimator, detector
from receivers.image_bits import image_from_bits
from receivers.image_restoration import ConditionalDDPM
from receivers.joint_decoding import HistogramSource, JointDecoder
from receivers.ldpc import LDPCDecoder
from receivers.linear_detection import LinearDetector
from receivers.pixel_bayes import PixelBayes


class Reception(NamedTuple):
    """What a receiver makes of a batch; shapes as in `Transmitter`.

    h_hat : [batch, 1, antennas, 1, streams, symbols, subcarriers], complex
    llr : [batch * blocks, n], of the coded bits
    b_hat : [batch, images, blocks, k], hard information bits
    crc_ok : [batch, images, blocks], bool
    image_hat : [batch, images, height, width, channels] in [0, 1]
    """

    h_hat: tf.Tensor
    llr: tf.Tensor
    b_hat: tf.Tensor
    crc_ok: tf.Tensor
    image_hat: tf.Tensor


class Receiver(keras.layers.Layer):
    """Estimator, detector, decoder and restorer in a row.

    Each block may be one of Sionna's or any layer called like it.

    Parameters
    ----------
    transmitter : the transmitter whose grid and code are undone
    estimator : (y, no) -> h_hat, err_var; `None` for perfect channel knowledge
    detector : (y, h_hat, err_var, no) -> llr; `None` for LMMSE equalisation
    decoder : (llr) -> llr of the information bits; `None` for belief propagation
    restorer : (llr) -> image_hat; `None` for the image of the hard bits

    Input
    -----
    y : [batch, 1, receive antennas, symbols, fft_size], complex
    no : scalar, noise variance per complex dimension
    h : the true channel, needed for perfect channel knowledge only

    Output
    ------
    : Reception
    """

    def __init__(
        self,
        transmitter,
        estimator=None,
        detector=None,
        decoder=None,
        restorer=None,
        name=None,
    ):
        super().__init__(name=name)
        self._allow_non_tensor_positional_args = True  # as Sionna's blocks do
        self.transmitter = transmitter
        self.estimator = estimator
        self.detector = detector or DETECTORS["linear"](transmitter)
        self.decoder = decoder or DECODERS["bp"](transmitter)
        self.restorer = restorer
        self._remove_nulled = RemoveNulledSubcarriers(transmitter.resource_grid)

    def build(self, *shapes):
        """Does nothing: the blocks build themselves when first called."""

    def call(self, y, no, h=None):
        return receive([self], y, no, h)[self.name]

    def estimate(self, y, no, h):
        """Channel estimate and its error variance."""
        if self.estimator is None:
            return self._remove_nulled(h), tf.zeros([1] * 7)
        return self.estimator(y, no)

    def detect(self, y, h_hat, err_var, no):
        """LLRs of the codewords."""
        return self.transmitter.demodulate(self.detector(y, h_hat, err_var, no))

    def decode(self, llr):
        """LLRs of the image bits, hard information bits, and CRC results."""
        return self.transmitter.check(self.decoder(llr))

    def restore(self, llr_image):
        """Images in [0, 1]."""
        if self.restorer is None:
            return image_from_bits(llr_image > 0)
        shape = tf.shape(llr_image)
        image = self.restorer(tf.reshape(llr_image, [-1, *llr_image.shape[2:]]))
        return tf.reshape(image, shape[:-1])


def receive(receivers, y, no, h=None) -> dict[str, Reception]:
    """What each of several receivers makes of the same grid; see `Receiver`.

    A stage whose block, and all blocks before it, several receivers share is computed
    once.
    """
    done = {}

    def once(blocks, compute, *arguments):
        key = tuple(map(id, blocks))
        if key not in done:
            done[key] = compute(*arguments)
        return done[key]

    receptions = {}
    for r in receivers:
        blocks = [r.estimator, r.detector, r.decoder, r.restorer]
        h_hat, err_var = once(blocks[:1], r.estimate, y, no, h)
        llr = once(blocks[:2], r.detect, y, h_hat, err_var, no)
        llr_image, b_hat, crc_ok = once(blocks[:3], r.decode, llr)
        image_hat = once(blocks, r.restore, llr_image)
        receptions[r.name] = Reception(h_hat, llr, b_hat, crc_ok, image_hat)
    return receptions


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
