"""Joint source-channel decoding: LDPC decoder and image model help each other.

BP iterations and evaluations of a model of the image bits alternate. What the model
knows about a bit beyond what the decoder told it (its extrinsic LLR) is a priori
information for the decoder, and the other way round (Hagenauer, "Source-controlled
channel decoding", 1995; ten Brink, 2001, for the picture of convergence).
"""

import keras
import numpy as np
import tensorflow as tf
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPCBPDecoder

from models.bit_planes import CERTAIN, bit_posteriors
from models.pretrained import load_arrays
from receivers.pixel_bayes import SMOOTHING

FEWEST = 4
"""The joint decoder compiles for no fewer images than these."""


class StatefulBP:
    """BP on the 5G LDPC code that takes a priori LLRs and can be continued.

    The same iterations as Sionna's `LDPC5GDecoder`, on the same pruned graph.

    Parameters
    ----------
    encoder : sionna.phy.fec.ldpc.LDPC5GEncoder
    """

    def __init__(self, encoder):
        self.encoder = encoder
        pcm = LDPC5GDecoder(encoder).pcm
        self._bp = LDPCBPDecoder(pcm, hard_out=False, return_state=True)
        degrees = np.asarray(pcm.sum(axis=0)).ravel().astype(int)
        self._edge_bits = np.repeat(np.arange(len(degrees)), degrees)

    def start(self, llr):
        """LLRs of all code bits, and the messages before the first iteration.

        llr : [batch, n] -> [batch, bits of the graph], [edges, batch]
        """
        code = self.encoder
        if code.num_bits_per_symbol is not None:
            llr = tf.gather(llr, code.out_int_inv, axis=-1)
        llr = tf.pad(llr, [[0, 0], [2 * code.z, 0]])  # never transmitted
        batch, filler = tf.shape(llr)[0], code.k_ldpc - code.k
        known = tf.fill([batch, filler], -self._bp.llr_max)
        full = tf.concat([llr[:, : code.k], known, llr[:, code.k :]], 1)
        full = tf.pad(full, [[0, 0], [0, self._bp.num_vns - full.shape[1]]])
        full = tf.clip_by_value(full, -self._bp.llr_max, self._bp.llr_max)
        return full, self.first_messages(full)

    def first_messages(self, full):
        """Messages before the first iteration: [batch, bits] -> [edges, batch]."""
        return self._to_edges(full)

    def __call__(self, full, messages, apriori, change, num_iter):
        """Continues for `num_iter` iterations.

        apriori : [batch, k], LLRs of the information bits from elsewhere
        change : by how much `apriori` grew since `messages` were computed

        Returns posterior LLRs [batch, k] and messages.
        """
        missing = [[0, 0], [0, self._bp.num_vns - self.encoder.k]]
        llr = full + tf.pad(apriori, missing)
        messages += self._to_edges(tf.pad(change, missing))
        limit = self._bp.llr_max
        messages = tf.clip_by_value(messages, -limit, limit)
        posterior, messages = self._bp(llr, num_iter=num_iter, msg_v2c=messages)
        return posterior[:, : self.encoder.k], messages

    def _to_edges(self, llr):
        return tf.gather(tf.transpose(llr), self._edge_bits)


class HistogramSource:
    """Image bits with independent pixels: (llr) -> posterior logits.

    preset : name of a table of level counts; see `receivers.pixel_bayes`
    """

    def __init__(self, preset="pixel-bayes-mnist"):
        counts = load_arrays(preset)["counts"].astype("float32")
        self._log_prior = np.log(counts + SMOOTHING)

    def __call__(self, llr):
        return bit_posteriors(llr, self._log_prior)


class JointDecoder(keras.layers.Layer):
    """Posterior LLRs of the information bits by BP and an image model in turns.

    Each round evaluates `source` and continues BP. Blocks whose CRC holds are frozen
    and tell the source their bits for certain; the loop ends when all are. Blocks that
    no round decodes are decoded again by plain BP. Its result replaces that of the
    rounds where its CRC holds, so that on any images the block error rate is at most
    that of plain BP, and where the source predicts the channel worse than guessing.

    Parameters
    ----------
    transmitter : the transmitter whose code and bit order are undone
    source : (llr) -> posterior logits of image bits, both [batch, height, width,
        channels, 8], such as `HistogramSource` or `models.bit_planes.BitPlaneDenoiser`
    num_rounds : int, evaluations of the source at most
    num_iter : int, BP iterations per round, and before the first
    damping : share of the former a priori LLRs that is kept, 0 to 1
    limit : largest magnitude of a priori LLRs

    Input
    -----
    llr : [batch * blocks, n], float, log p(1)/p(0)

    Output
    ------
    llr : [batch * blocks, k], float
    """

    def __init__(
        self,
        transmitter,
        source,
        num_rounds=10,
        num_iter=4,
        damping=0.0,
        limit=12.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.transmitter = transmitter
        self.source = source
        self.num_rounds = num_rounds
        self.num_iter = num_iter
        self.damping = damping
        self.limit = limit
        self._bp = StatefulBP(transmitter.encoder)
        self._iterate = tf.function(self._bp, jit_compile=True)
        self._decode = tf.function(self._decoded)

    def call(self, llr):
        return self._decode(llr)

    def _decoded(self, llr):
        full, messages = self._bp.start(llr)
        apriori = tf.zeros_like(full[:, : self.transmitter.k])
        posterior, messages = self._iterate(
            full, messages, apriori, apriori, self.num_iter
        )
        state = 0, apriori, posterior, messages, self._crc(posterior)

        def unfinished(done_rounds, apriori, posterior, messages, done):
            return (done_rounds < self.num_rounds) & ~tf.reduce_all(done)

        def one_round(done_rounds, apriori, posterior, messages, done):
            images, blocks = self._unfinished(done)
            frozen = done[:, None]
            certain = tf.where(posterior > 0, np.inf, -np.inf)
            known = tf.where(frozen, certain, posterior - apriori)
            told = self._apriori(self.transmitter.image_llr(known), images)
            told = self.damping * apriori + (1 - self.damping) * told
            new, moved = self._iterate(
                tf.gather(full, blocks),
                tf.gather(messages, blocks, axis=1),
                tf.gather(told, blocks),
                tf.gather(told - apriori, blocks),
                self.num_iter,
            )
            posterior = tf.where(frozen, posterior, _replace(posterior, blocks, new))
            messages = tf.transpose(messages)
            messages = tf.transpose(_replace(messages, blocks, tf.transpose(moved)))
            done |= self._crc(posterior)
            return done_rounds + 1, told, posterior, messages, done

        _, apriori, posterior, _, done = tf.while_loop(unfinished, one_round, state)
        return tf.cond(
            tf.reduce_all(done),
            lambda: posterior,
            lambda: self._safeguard(full, posterior, apriori, done),
        )

    def _safeguard(self, full, posterior, apriori, done):
        """Plain BP for the blocks that are not done, where that serves them better."""
        _, blocks = self._unfinished(done)
        llr = tf.gather(full, blocks)
        none = tf.zeros_like(llr[:, : self.transmitter.k])
        messages, num_iter = self._bp.first_messages(llr), self.transmitter.num_iter
        plain, _ = self._iterate(llr, messages, none, none, num_iter)
        plain = _replace(posterior, blocks, plain)
        trusted = evidence(apriori, full[:, : self.transmitter.k]) > 0
        better = ~done & (self._crc(plain) | ~trusted)
        return tf.where(better[:, None], plain, posterior)

    def _unfinished(self, done):
        """Images that are not done and the blocks of these: indices [n], [n * blocks].

        n is the number of images halved as often as it suffices, so that few shapes
        are compiled; the first index fills it up.
        """
        per_image = self.transmitter.blocks_per_image
        waiting = tf.reduce_any(~tf.reshape(done, [-1, per_image]), axis=1)
        images = tf.where(waiting)[:, 0]
        size = tf.size(waiting)
        size = tf.while_loop(
            lambda n: ((n + 1) // 2 >= tf.size(images)) & (n > FEWEST),
            lambda n: ((n + 1) // 2,),
            (size,),
        )[0]
        fill = tf.repeat(images[:1], size - tf.size(images))
        images = tf.concat([images, fill], 0)
        blocks = images[:, None] * per_image + tf.range(per_image, dtype=tf.int64)
        return images, tf.reshape(blocks, [-1])

    def _apriori(self, llr_image, images):
        """What the source adds to the LLRs of some images: [blocks, k], 0 elsewhere."""
        flat = tf.reshape(llr_image, [-1, *self.transmitter.image_shape, 8])
        told = self.extrinsic_of_source(tf.gather(flat, images))
        told = _replace(tf.zeros_like(flat), images, told)
        return self.transmitter.block_llr(tf.reshape(told, tf.shape(llr_image)))

    def extrinsic_of_code(self, llr, apriori, num_iter: int):
        """What channel and code say about information bits: [blocks, k].

        llr : [blocks, n], apriori : [blocks, k]; BP begins anew
        """
        full, messages = self._bp.start(llr)
        posterior, _ = self._iterate(full, messages, apriori, apriori, num_iter)
        return posterior - apriori

    def extrinsic_of_source(self, llr_image):
        """What the source adds to LLRs of image bits, [batch, images, ..., 8]."""
        llr = tf.reshape(llr_image, [-1, *self.transmitter.image_shape, 8])
        llr = tf.clip_by_value(llr, -CERTAIN, CERTAIN)
        extrinsic = tf.clip_by_value(self.source(llr) - llr, -self.limit, self.limit)
        return tf.reshape(extrinsic, tf.shape(llr_image))

    def _crc(self, posterior):
        return tf.reshape(self.transmitter.check(posterior)[2], [-1])


def evidence(apriori, llr):
    """How much better than guessing `apriori` predicts what the channel says: [blocks].

    The log Bayes factor of a priori LLRs a against none, if the channel's LLRs l are
    independent:  sum log(p(l | a) / p(l | 0)) = sum log(1 + tanh(a/2) tanh(l/2)).

    apriori, llr : [blocks, k]
    """
    agreement = tf.tanh(apriori / 2) * tf.tanh(llr / 2)
    return tf.reduce_sum(tf.math.log1p(agreement), axis=-1)


def _replace(x, rows, values):
    """`x` with other values in some of its rows."""
    return tf.tensor_scatter_nd_update(x, rows[:, None], values)
