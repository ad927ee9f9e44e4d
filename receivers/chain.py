"""Receivers: chains of interchangeable blocks, built by name and run side by side.

A name joins blocks with `+`, such as `ls+ep+pixel-bayes`: a channel estimator, and
where wanted a detector, a channel decoder and an image restorer; and a loop, in which
they work in turns.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.receivers.catalog import SLOTS, STEPS
from link_sim.receivers.context import LinkContext
from link_sim.receivers.decoding.ldpc import LDPCDecoder
from link_sim.receivers.detection.linear import LinearDetector
from link_sim.receivers.entries import parse_block
from link_sim.receivers.images.bits import image_from_bits
from link_sim.receivers.layer import ReceiverLayer
from link_sim.receivers.names import parse_receiver
from link_sim.receivers.requests import draw_images_of_noise, num_draws, requested
from link_sim.receivers.whitening import WhitenedDetector, WhitenedEstimator

BLOCKS = "transmitter", "estimator", "detector", "decoder", "restorer", "loop"
"""Of a receiver, as its arguments are called."""


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


@keras.saving.register_keras_serializable("link_sim")
class Receiver(ReceiverLayer):
    """Estimator, detector, decoder and restorer in a row.

    Each block may be one of Sionna's or any layer called like it. A detector or decoder
    whose `call` has an argument `frame`, and a restorer whose `call` has one `noise`,
    get them; see `link_sim.receivers.requests`.

    Parameters
    ----------
    transmitter : the transmitter whose grid and code are undone, a `LinkContext`
    estimator : (y, no) -> h_hat, err_var; `None` for perfect channel knowledge
    detector : (y, h_hat, err_var, no) -> llr; `None` for LMMSE equalisation
    decoder : (llr) -> llr of the information bits; `None` for belief propagation
    restorer : (llr) -> image_hat; `None` for the image of the hard bits
    loop : an `IterativeReception` that takes the place of detector and decoder; `None`
        for each once

    Input
    -----
    y : [batch, 1, receive antennas, symbols, fft_size], complex
    no : scalar, noise variance per complex dimension
    h : the true channel, needed for perfect channel knowledge only
    noise : of a restorer that samples, from `draw_noise`; drawn from its `seed`, or 0,
        if not given
    frame : number of the first frame, where `y` is a part of a batch: each frame of a
        batch is interleaved and scrambled in another way

    Output
    ------
    : Reception

    Raises `ValueError` for a restorer that asks for noise and does not say how much.
    """

    def __init__(
        self,
        transmitter,
        estimator=None,
        detector=None,
        decoder=None,
        restorer=None,
        loop=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.transmitter = transmitter
        self.estimator = estimator
        self.detector = detector or LinearDetector(
            transmitter.resource_grid,
            transmitter.num_bits_per_symbol,
            constellation=transmitter.constellation,
        )
        self.decoder = decoder or LDPCDecoder(transmitter.encoder, transmitter.num_iter)
        self.restorer, self.loop = restorer, loop
        num_draws(restorer)  # refuses one that does not say
        self._remove_nulled = RemoveNulledSubcarriers(
            transmitter.resource_grid, precision="single"
        )

    def call(self, y, no, h=None, noise=None, frame=0):
        return receive([self], y, no, h, noise, frame)[self.name]

    def estimate(self, y, no, h):
        """Channel estimate and its error variance."""
        if self.estimator is None:
            return self._remove_nulled(h), tf.zeros([1] * 7)
        return self.estimator(y, no)

    def detect(self, y, h_hat, err_var, no, frame=0):
        """LLRs of the codewords."""
        if self.transmitter.superimposed is not None:
            y, h_hat = self.transmitter.superimposed.removed(y, h_hat)
        asked = requested(self.detector, frame=frame)
        llr = self.detector(y, h_hat, err_var, no, **asked)
        return self.transmitter.demodulate(llr, frame)

    def decode(self, llr, frame=0):
        """LLRs of the image bits, hard information bits, and CRC results."""
        decoded = self.decoder(llr, **requested(self.decoder, frame=frame))
        return self.transmitter.check(decoded, frame)

    def received(self, y, no, h, frame=0):
        """What `estimate`, `detect` and `decode` give, by the loop."""
        found = self.loop(y, no, *self.estimate(y, no, h), frame=frame)
        h_hat, _, llr, llr_blocks = found
        return h_hat, llr, self.transmitter.check(llr_blocks, frame)

    def restore(self, llr_image, noise=None):
        """Images in [0, 1]."""
        if self.restorer is None:
            return image_from_bits(llr_image > 0)
        shape = tf.shape(llr_image)
        llr = tf.reshape(llr_image, [-1, *llr_image.shape[2:]])
        draws = num_draws(self.restorer)
        if draws and noise is None:
            own = self.transmitter.image_shape, getattr(self.restorer, "seed", 0)
            noise = draw_images_of_noise(tf.shape(llr)[0], draws, *own)
        image = self.restorer(llr, **requested(self.restorer, noise=noise))
        return tf.reshape(image, shape[:-1])

    def get_config(self):
        blocks = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in BLOCKS
        }
        return super().get_config() | blocks


def build_receivers(
    names,
    context: LinkContext,
    num_steps: int | None = None,
    find: Callable[[str], str] = str,
) -> list[Receiver]:
    """Receivers by name, over one instance of each block, so that results are shared.

    Where interference colours the noise, estimators and detectors work behind a
    whitening; see `link_sim.receivers.whitening`.

    num_steps : of the restorers that sample, in place of what their names say
    find : where weights are, by name
    Raises `ValueError` for a name that is no chain of known blocks.
    """
    blocks = {}

    def block(slot, name, *others):
        key = slot, name, *map(id, others)
        if key not in blocks:
            entry, number = parse_block(SLOTS[slot], name)
            if entry.suffix is STEPS and num_steps is not None:
                number = num_steps
            known = () if slot == "restorer" else (context, *others)
            made = entry.make(*known, number=number, find=find)
            if context.coloured and made is not None:
                made = _whitened(slot, made, context)
            blocks[key] = made
        return blocks[key]

    def chain(name):
        *parts, loop = zip(SLOTS, parse_receiver(name), strict=True)
        made = [block(*part) for part in parts]
        return Receiver(context, *made, block(*loop, *made[:3]), name=name)

    return [chain(name) for name in names]


def _whitened(slot: str, block, context: LinkContext):
    """An estimator or detector for white noise behind a whitening; others alone."""
    kinds = {"estimator": WhitenedEstimator, "detector": WhitenedDetector}
    if slot not in kinds:
        return block
    return kinds[slot](block, context.sounding_grid, context.coloured)


def draw_noise(receivers, num_images: int, seed: int):
    """Noise for the restorers that sample: [num_images, draws, *image_shape].

    Each takes the first draws, as many as it needs. `None` if no restorer samples.
    """
    most = max((num_draws(r.restorer) for r in receivers), default=0)
    if not most:
        return None
    shape = receivers[0].transmitter.image_shape
    return draw_images_of_noise(num_images, most, shape, seed)


def receive(receivers, y, no, h=None, noise=None, frame=0) -> dict[str, Reception]:
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
        if r.loop is not None:
            blocks[1:3] = [r.loop]
            h_hat, llr, decoded = once(blocks[:2], r.received, y, no, h, frame)
        else:
            h_hat, err_var = once(blocks[:1], r.estimate, y, no, h)
            llr = once(blocks[:2], r.detect, y, h_hat, err_var, no, frame)
            decoded = once(blocks[:3], r.decode, llr, frame)
        llr_image, b_hat, crc_ok = decoded
        image_hat = once(blocks, r.restore, llr_image, noise)
        receptions[r.name] = Reception(h_hat, llr, b_hat, crc_ok, image_hat)
    return receptions
