"""Constellations that learn: points as weights, and the demapper for them."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from sionna.phy.mapping import Constellation

from link_sim.models.pretrained import load_model
from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class TrainableConstellation(ReceiverLayer):
    """Symbols of bits: the points are weights, of mean 0 and mean energy 1.

    Begins as the Gray-labelled square QAM of 5G NR.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 …

    Input
    -----
    bits : [..., symbols * num_bits_per_symbol], 0 or 1, the first of a symbol the most
        significant of its label

    Output
    ------
    x : [..., symbols], complex64
    """

    def __init__(self, num_bits_per_symbol, **kwargs):
        super().__init__(**kwargs)
        self.num_bits_per_symbol = num_bits_per_symbol
        qam = Constellation("qam", num_bits_per_symbol, precision="single")
        qam = qam.points.numpy()
        start = np.stack([qam.real, qam.imag], -1)
        self._parts = self.add_weight(
            shape=start.shape, initializer=lambda *_, **__: start, name="points"
        )
        self.built = True

    @classmethod
    def from_preset(cls, name: str):
        """The constellation `name` that ships, or that of an `.npz` file."""
        return load_model(name)

    @property
    def points(self):
        """The points by their labels: [2**num_bits_per_symbol], complex64."""
        parts = self._parts - ops.mean(self._parts, axis=0)
        parts *= ops.rsqrt(2 * ops.mean(parts**2))
        return tf.complex(parts[:, 0], parts[:, 1])

    def call(self, bits):
        bits = ops.cast(bits, "int32")
        rows = tf.reshape(bits, [-1, self.num_bits_per_symbol])
        places = tf.constant(2 ** np.arange(self.num_bits_per_symbol)[::-1], tf.int32)
        labels = tf.reduce_sum(rows * places, -1)
        shape = [bits.shape[-1] // self.num_bits_per_symbol]
        x = tf.gather(self.points, labels)
        return tf.reshape(x, tf.concat([tf.shape(bits)[:-1], shape], 0))

    def get_config(self):
        bits = {"num_bits_per_symbol": self.num_bits_per_symbol}
        return super().get_config() | bits


@keras.saving.register_keras_serializable("link_sim")
class ConstellationDemapper(ReceiverLayer):
    """LLRs of the bits of symbols from any constellation, without prior.

    For a received y and the points x,

        llr = f({x: bit 1}) - f({x: bit 0}),  f(A) = log sum_A exp(-|y - x|^2 / no)

    Parameters
    ----------
    constellation : TrainableConstellation

    Input, output
    -------------
    as in `QAMDemapper`
    """

    def __init__(self, constellation, **kwargs):
        super().__init__(**kwargs)
        self.constellation = constellation
        bits = constellation.num_bits_per_symbol
        self._labels = np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1

    def call(self, y, no):
        no = tf.maximum(no, np.finfo("float32").tiny)
        distance = tf.abs(y[..., None] - self.constellation.points) ** 2
        exponents = -distance / tf.broadcast_to(no, tf.shape(y))[..., None]
        llr = tf.stack([self._llr(exponents, bit) for bit in self._labels.T], -1)
        bits = [y.shape[-1] * self.constellation.num_bits_per_symbol]
        return tf.reshape(llr, tf.concat([tf.shape(y)[:-1], bits], 0))

    def get_config(self):
        points = keras.saving.serialize_keras_object(self.constellation)
        return super().get_config() | {"constellation": points}

    def _llr(self, exponents, bit):
        ones, zeros = (np.flatnonzero(bit == value) for value in (1, 0))
        ones, zeros = (tf.gather(exponents, rows, axis=-1) for rows in (ones, zeros))
        return tf.reduce_logsumexp(ones, -1) - tf.reduce_logsumexp(zeros, -1)
