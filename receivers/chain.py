"""Receivers: chains of interchangeable blocks, built by name and run side by side.

A name joins blocks with `+`, such as `ls+ep+pixel-bayes`: a channel estimator, and
where wanted a detector, a channel decoder and an image restorer.
"""

from typing import NamedTuple

import tensorflow as tf
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.receivers.decoding.ldpc import LDPCDecoder
from link_sim.receivers.detection.linear import LinearDetector
from link_sim.receivers.images.bits import image_from_bits
from link_sim.receivers.layer import ReceiverLayer


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


class Receiver(ReceiverLayer):
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
        self.transmitter = transmitter
        self.estimator = estimator
        self.detector = detector or LinearDetector(
            transmitter.resource_grid, transmitter.num_bits_per_symbol
        )
        self.decoder = decoder or LDPCDecoder(transmitter.encoder, transmitter.num_iter)
        self.restorer = restorer
        self._remove_nulled = RemoveNulledSubcarriers(
            transmitter.resource_grid, precision="single"
        )

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
