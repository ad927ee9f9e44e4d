"""Belief propagation on the blocks of a batch that are not decoded yet."""

import functools

import tensorflow as tf

from link_sim.receivers.decoding.belief_propagation import QuasiCyclicBP

CHUNK = 32
"""Codewords that BP works on at a time: as many as the caches of a CPU hold."""
SMALL_CHUNK = 8
"""The same where no more are left."""


class CodeBlocks:
    """The blocks of a `LinkContext`, whose messages are kept from call to call.

    It compiles its own iterations, once for all decoders of a code.
    """

    def __init__(self, transmitter):
        self.transmitter = transmitter
        self._bp, self._iterate = _iterations(transmitter.encoder)
        self._encode = tf.function(
            transmitter.encoder, autograph=False, jit_compile=True
        )

    def begin(self, llr, apriori, blocks, num_iter):
        """Iterations from the start; see `advance`."""
        silent = tf.transpose(self._bp.no_messages(tf.shape(llr)[0]), [2, 0, 1])
        return self.advance(llr, silent, apriori, blocks, num_iter)

    def advance(self, llr, messages, apriori, blocks, num_iter):
        """Iterations for some blocks, in chunks of two sizes: so few are compiled.

        llr [all, n], messages [all, edges, Z], apriori [all, k], blocks [some]

        Returns posterior LLRs [some, k] and messages [some, edges, Z].
        """
        count = tf.size(blocks)
        size = tf.where(count > SMALL_CHUNK, CHUNK, SMALL_CHUNK)
        size = tf.minimum(size, tf.shape(llr)[0])
        chunks = tf.maximum(-(-count // size), 1)  # one even where none is left
        filled = tf.pad(blocks, [[0, chunks * size - count]])
        state = llr, messages, apriori

        def chunk(rows):
            state_of_rows = (tf.gather(x, rows) for x in state)
            return self._iterate(*state_of_rows, tf.constant(num_iter))

        parts = tf.map_fn(
            chunk,
            tf.reshape(filled, [chunks, size]),
            fn_output_signature=(tf.float32, tf.float32),
        )
        shapes = (-1, self.transmitter.k), (-1, *messages.shape[1:])
        return [
            tf.reshape(part, shape)[:count]
            for part, shape in zip(parts, shapes, strict=True)
        ]

    def crc(self, posterior, frame=0):
        """Whether the CRC of each block holds: bool [blocks].

        posterior : [blocks, k], from frame `frame` of a batch on
        """
        return tf.reshape(self.transmitter.check(posterior, frame)[2], [-1])

    def encode(self, b):
        """Codewords of information bits: [blocks, k] -> [blocks, n]."""
        return self._encode(b)

    def of_channel(self, llr):
        """What the channel says of information bits: [blocks, n] -> [blocks, k]."""
        return self._bp.information(self._bp.start(llr))

    def of_code(self, messages, apriori):
        """What code and a priori LLRs add to the channel's: [blocks, n].

        messages [blocks, edges, Z], apriori [blocks, k]
        """
        spoken = self._bp.extrinsic(tf.transpose(messages, [1, 2, 0]))
        return spoken + self._bp.codeword(self._bp.spread(apriori))


@functools.lru_cache(maxsize=1)
def _iterations(encoder):
    """BP on a code, and a function compiled once for all decoders of this code.

    (llr [batch, n], messages [batch, edges, Z], apriori [batch, k], num_iter) ->
    posterior LLRs [batch, k], messages
    """
    bp = QuasiCyclicBP(encoder)

    @functools.partial(tf.function, autograph=False, jit_compile=True)
    def iterate(llr, messages, apriori, num_iter):
        channel = bp.start(llr) + bp.spread(apriori)
        total, messages = bp.run(channel, tf.transpose(messages, [1, 2, 0]), num_iter)
        return bp.information(total), tf.transpose(messages, [2, 0, 1])

    return bp, iterate


def replace_rows(x, rows, values):
    """`x` with other values in some of its rows."""
    return tf.tensor_scatter_nd_update(x, rows[:, None], values)
