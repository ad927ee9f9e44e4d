"""LDPC decoding: with early stopping, and Sionna's own behind a Keras face."""

from functools import partial

import keras
import tensorflow as tf
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

from link_sim.receivers.decoding.belief_propagation import QuasiCyclicBP
from link_sim.receivers.layer import ReceiverLayer

SLOTS = {"CPU": 32, "GPU": 512}
"""Codewords decoded side by side: on a CPU as many as its caches hold."""
CHECK_EVERY = 4
"""Iterations between two looks at the syndromes."""


class CodeDecoder(ReceiverLayer):
    """A decoder that is written as its 5G LDPC code and its number of iterations."""

    def __init__(self, encoder, num_iter, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.num_iter = num_iter

    def get_config(self):
        code = self.encoder
        encoder = {"k": code.k, "n": code.n, "bits": code.num_bits_per_symbol}
        return {**super().get_config(), "encoder": encoder, "num_iter": self.num_iter}

    @classmethod
    def from_config(cls, config):
        encoder = LDPC5GEncoder(*config["encoder"].values())
        return cls(**{**config, "encoder": encoder})


@keras.saving.register_keras_serializable("link_sim")
class LDPCDecoder(CodeDecoder):
    """Posterior LLRs of the information bits by belief propagation with early stopping.

    Decides the bits that Sionna's `LDPC5GDecoder` decides after `num_iter` iterations.
    A codeword leaves once all its checks are met, looked up every fourth iteration, and
    the next one takes its place: BP hardly ever leaves a codeword that it has found.
    The LLRs are those at that moment: of a codeword that never meets its checks those
    of Sionna's decoder, to the rounding in `QuasiCyclicBP`; of the others right in sign
    and often smaller. Has no gradient; `BPDecoder` has one.

    Parameters
    ----------
    encoder : sionna.phy.fec.ldpc.LDPC5GEncoder
    num_iter : int, iterations at most

    Input
    -----
    llr : [..., n], float, log p(1)/p(0)

    Output
    ------
    llr : [..., k], float, including the bits that are not transmitted
    """

    def __init__(self, encoder, num_iter=20, **kwargs):
        super().__init__(encoder, num_iter, **kwargs)
        self._bp = QuasiCyclicBP(encoder)
        self._slots = SLOTS["GPU" if tf.config.list_physical_devices("GPU") else "CPU"]
        # partial: TensorFlow warns of a method that many objects trace, once each
        queue = partial(self._queue)
        self._decode = tf.function(queue, autograph=False, jit_compile=True)

    def call(self, llr):
        shape = tf.concat([tf.shape(llr)[:-1], [self.encoder.k]], 0)
        llr = tf.stop_gradient(tf.reshape(llr, [-1, self.encoder.n]))
        return tf.reshape(self._decode(llr), shape)

    def _queue(self, llr):
        """Decodes [batch, n]; `word` is the codeword in each slot, `batch` for none."""
        batch = tf.shape(llr)[0]
        slots = tf.minimum(batch, self._slots)
        waiting = tf.pad(self._bp.start(llr), [[0, 0], [0, 0], [0, 1]])
        word, age = tf.range(slots), tf.zeros([slots], tf.int32)
        channel = tf.gather(waiting, word, axis=-1)
        messages = self._bp.no_messages(slots)
        decoded = tf.zeros([batch + 1, self.encoder.k])

        def unfinished(word, *state):
            return tf.reduce_any(word < batch)

        def advance(word, following, age, channel, total, messages, decoded):
            total, messages, age = self._iterate(channel, total, messages, age)
            done = self._bp.satisfied(total) | (age == self.num_iter)

            def exchange():
                """Takes finished codewords out of their slots and new ones in."""
                place = tf.where(done, word, batch)[:, None]
                found = self._bp.information(total)
                next_word = following + tf.cumsum(tf.cast(done, tf.int32))
                words = tf.where(done, tf.minimum(next_word - 1, batch), word)
                fresh = tf.gather(waiting, words, axis=-1)
                return (
                    words,
                    next_word[-1],
                    tf.where(done, 0, age),
                    fresh,
                    tf.where(done, fresh, total),
                    tf.where(done, 0.0, messages),
                    tf.tensor_scatter_nd_update(decoded, place, found),
                )

            state = word, following, age, channel, total, messages, decoded
            return tf.cond(tf.reduce_any(done), exchange, lambda: state)

        state = word, slots, age, channel, channel, messages, decoded
        return tf.while_loop(unfinished, advance, state)[-1][:batch]

    def _iterate(self, channel, total, messages, age):
        """A few iterations; no codeword takes more than `num_iter`."""
        steps = tf.minimum(CHECK_EVERY, self.num_iter - tf.reduce_max(age))
        _, total, messages = tf.while_loop(
            lambda step, *state: step < steps,
            lambda step, *state: (step + 1, *self._bp.iterate(channel, *state)),
            (0, total, messages),
        )
        return total, messages, age + steps


@keras.saving.register_keras_serializable("link_sim")
class BPDecoder(CodeDecoder):
    """Posterior LLRs of the information bits by belief propagation on the 5G LDPC code.

    A Keras face of Sionna's `LDPC5GDecoder`, compiled with XLA.

    Parameters
    ----------
    encoder : sionna.phy.fec.ldpc.LDPC5GEncoder
    num_iter : int

    Input
    -----
    llr : [..., n], float, log p(1)/p(0)

    Output
    ------
    llr : [..., k], float, including the bits that are not transmitted
    """

    def __init__(self, encoder, num_iter=20, **kwargs):
        super().__init__(encoder, num_iter, **kwargs)
        decoder = LDPC5GDecoder(
            encoder, hard_out=False, num_iter=num_iter, precision="single"
        )
        self._decode = tf.function(decoder, autograph=False, jit_compile=True)

    def call(self, llr):
        return self._decode(llr)
