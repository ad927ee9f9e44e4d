"""What a link may learn: the stages of its first receiver, and what is compared."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sionna.phy.ofdm import ResourceGridDemapper

from link_sim.receivers.chain import Receiver
from link_sim.receivers.layer import ReceiverLayer

SLOTS = "estimator", "detector", "decoder", "restorer"
OUTPUTS = "h_hat", "llr", "llr_blocks", "image_hat"
"""Of the slots, what the next one takes."""


class Target(NamedTuple):
    """What the first receiver learns: `pair(link, passed)` gives y and y_pred.

    stages : how many slots of the receiver act on it
    """

    stages: int
    loss: Any
    pair: Callable


class Stages(ReceiverLayer):
    """A receiver as far as a number of its slots; what each has made, by name."""

    def __init__(self, receiver: Receiver):
        super().__init__(name=receiver.name)
        self.receiver = receiver

    def call(self, y, no, h, number, training=None):
        made = {}
        for outputs in islice(stages(self.receiver, y, no, h), number):
            made |= outputs
        return made


def stages(receiver: Receiver, y, no, h) -> Iterator[dict]:
    """What each slot of a receiver makes of grids in turn, by name."""
    sender = receiver.transmitter
    h_hat, err_var = receiver.estimate(y, no, h)
    if receiver.loop is not None:
        yield from _in_turns(receiver, y, no, h_hat, err_var)
        return
    yield {"h_hat": h_hat}
    llr_grid = receiver.detector(y, h_hat, err_var, no)
    llr = sender.demodulate(llr_grid)
    yield {"llr_grid": llr_grid, "llr": llr}
    llr_blocks = receiver.decoder(llr)
    yield {"llr_blocks": llr_blocks}
    llr_image, b_hat, _ = sender.check(llr_blocks)
    yield {"b_hat": b_hat, "image_hat": receiver.restore(llr_image)}


def _in_turns(receiver: Receiver, y, no, h_hat, err_var) -> Iterator[dict]:
    """The same of a receiver whose blocks work in turns: what the last round leaves."""
    sender = receiver.transmitter
    h_hat, _, llr, llr_blocks = receiver.loop(y, no, h_hat, err_var)
    yield {"h_hat": h_hat}
    yield {"llr_grid": sender.grid_llr(llr), "llr": llr}
    yield {"llr_blocks": llr_blocks}
    llr_image, b_hat, _ = sender.check(llr_blocks)
    yield {"b_hat": b_hat, "image_hat": receiver.restore(llr_image)}


def parts(z):
    """A complex tensor as a real one, with an axis more."""
    return tf.stack([tf.math.real(z), tf.math.imag(z)], -1)


def expected_symbols(llr, points):
    """E[x | llr] of symbols with independent bits, most significant first.

    llr : [..., symbols * bits], points : [2**bits], complex -> [..., symbols], complex
    """
    bits = int(np.log2(points.shape[0]))
    labels = np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1
    shape = tf.concat([tf.shape(llr)[:-1], [llr.shape[-1] // bits, bits]], 0)
    logits = tf.matmul(tf.reshape(llr, shape), labels.T.astype("float32"))
    weights = tf.nn.softmax(logits)
    return tf.complex(
        tf.linalg.matvec(weights, tf.math.real(points)),
        tf.linalg.matvec(weights, tf.math.imag(points)),
    )


def _channel(link, passed):
    return parts(passed["h"]), parts(passed["h_hat"])


def _coded_bits(link, passed):
    return passed["c"], passed["llr"]


def _symbols(link, passed):
    sender = link.transmitter
    demap = ResourceGridDemapper(sender.resource_grid, sender.stream_management)
    x = demap(passed["x_rg"])
    return parts(x), parts(expected_symbols(passed["llr_grid"], sender.points()))


def _information_bits(link, passed):
    return tf.reshape(passed["b"], [-1, link.transmitter.k]), passed["llr_blocks"]


def _image(link, passed):
    return passed["image"], passed["image_hat"]


def _bit_metric():
    return keras.losses.BinaryCrossentropy(from_logits=True)


TARGETS = {
    "channel": Target(1, keras.losses.MeanSquaredError, _channel),
    "coded_bits": Target(2, _bit_metric, _coded_bits),
    "symbols": Target(2, keras.losses.MeanSquaredError, _symbols),
    "information_bits": Target(3, _bit_metric, _information_bits),
    "image": Target(4, keras.losses.MeanSquaredError, _image),
}
