"""A terminated convolutional code, and what it says of its bits one by one."""

import numpy as np
import tensorflow as tf
from sionna.phy.fec.conv import ConvEncoder

POLYNOMIALS = "1011011", "1111001"
"""Generators 133 and 171 in octal digits: 64 states, rate 1/2."""
LEAST_PROBABILITY = 1e-200
"""Of a probability, before its logarithm."""
SUREST = 80.0
"""Largest LLR of a coded bit: words that surer bits rule out, all of them now and then,
would have no probability left."""


class ConvolutionalCode:
    """Encoder and soft decoder of blocks that end in state 0.

    The decoder is that of Bahl, Cocke, Jelinek and Raviv (IEEE Trans. Inf. Theory 1974)
    on Sionna's trellis. `sionna.phy.fec.conv.BCJRDecoder` gives the same information
    bits; this one also says what the code adds to each coded bit.

    Parameters
    ----------
    k : information bits of a block

    n : coded bits of a block, those of the tail included
    """

    def __init__(self, k: int):
        encoder = ConvEncoder(gen_poly=POLYNOMIALS, terminate=True)
        self._rows = encoder(tf.eye(k))
        trellis = encoder.trellis
        self.k, self.steps = k, k + len(POLYNOMIALS[0]) - 1
        self.n = 2 * self.steps
        self._before = trellis.from_nodes.numpy()
        self._after = trellis.to_nodes.numpy()
        self._pair, self._pair_after = (
            z.numpy() for z in (trellis.op_by_tonode, trellis.op_by_fromnode)
        )
        self._one = trellis.ip_by_tonode.numpy()[:, 0] == 1
        states = len(self._before)
        self._start = np.eye(1, states)
        self._edges = np.eye(4)[self._pair.ravel()]  # [edges, pairs of bits]

    def encode(self, b):
        """Information bits [blocks, k] -> coded bits [blocks, n], float."""
        return tf.math.floormod(tf.matmul(b, self._rows), 2.0)

    def decode(self, llr):
        """What the code says, from LLRs log p(1)/p(0) of coded bits: [blocks, n].

        Returns extrinsic LLRs of the coded bits, [blocks, n], and LLRs of the
        information bits, [blocks, k].
        """
        shape = [-1, self.steps, 2]
        llr = tf.clip_by_value(tf.reshape(llr, shape), -SUREST, SUREST)
        llr = tf.cast(llr, tf.float64)
        bit = tf.transpose(tf.stack([tf.sigmoid(-llr), tf.sigmoid(llr)]), [2, 1, 0, 3])
        first, second = bit[..., 0], bit[..., 1]  # [steps, blocks, 0 or 1]
        pairs = first[..., None] * second[..., None, :]
        pairs = tf.reshape(pairs, [self.steps, -1, 4])
        start = tf.repeat(tf.constant(self._start), tf.shape(llr)[0], 0)

        def forward(alpha, pair):
            return _step(alpha, pair, self._before, self._pair)

        def backward(beta, pair):
            return _step(beta, pair, self._after, self._pair_after)

        alpha = tf.scan(forward, pairs, start)
        beta = tf.scan(backward, pairs[1:], start, reverse=True)
        beta = tf.concat([beta, start[None]], 0)
        known = alpha * beta
        information = _ratio(known, self._one)
        begun = tf.concat([start[None], alpha[:-1]], 0)
        edges = tf.gather(begun, self._before, axis=2) * beta[..., None]
        edges = tf.reshape(edges, [self.steps, -1, len(self._edges)])
        mass = tf.reshape(
            tf.tensordot(edges, tf.constant(self._edges), 1), [self.steps, -1, 2, 2]
        )
        one = tf.reduce_sum(mass * second[..., None, :], 3)
        other = tf.reduce_sum(mass * first[..., None], 2)
        both = tf.stack([_ratio(z, np.array([False, True])) for z in (one, other)], -1)
        coded = tf.reshape(tf.transpose(both, [1, 0, 2]), [-1, self.n])
        information = tf.transpose(information)[:, : self.k]
        return tf.cast(coded, tf.float32), tf.cast(information, tf.float32)


def _step(states, pair, neighbours, emitted):
    """Probabilities of the next states from those of neighbours, of sum 1."""
    moved = tf.gather(states, neighbours, axis=1) * tf.gather(pair, emitted, axis=1)
    moved = tf.reduce_sum(moved, 2)
    return moved / tf.reduce_sum(moved, 1, keepdims=True)


def _ratio(mass, one):
    """log p(1)/p(0) from masses in the last axis, of which `one` say 1."""
    parts = (tf.boolean_mask(mass, own, axis=2) for own in (one, ~one))
    first, second = (
        tf.math.log(tf.reduce_sum(z, 2) + LEAST_PROBABILITY) for z in parts
    )
    return first - second
