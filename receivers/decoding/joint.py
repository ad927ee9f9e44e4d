"""Joint source-channel decoding: LDPC decoder and image model help each other.

BP iterations and evaluations of a model of the image bits alternate. What the model
knows about a bit beyond what the decoder told it (its extrinsic LLR) is a priori
information for the decoder, and the other way round (Hagenauer, "Source-controlled
channel decoding", 1995; ten Brink, 2001, for the picture of convergence).
"""

import keras
import numpy as np
import tensorflow as tf

from link_sim.models.bit_planes import CERTAIN
from link_sim.receivers.decoding.code_blocks import CodeBlocks, replace_rows
from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class JointDecoder(ReceiverLayer):
    """Posterior LLRs of the information bits by BP and an image model in turns.

    Each round evaluates `source` and continues BP. Blocks whose CRC holds are frozen
    and tell the source their bits for certain; the loop ends when all are. Blocks that
    no round decodes are decoded again by plain BP. Its result replaces that of the
    rounds where its CRC holds, so that on any images the block error rate is at most
    that of plain BP, and where the source predicts the channel worse than guessing.
    It compiles its own iterations; XLA cannot compile the whole, since each round works
    on the blocks that are left.

    Parameters
    ----------
    transmitter : the transmitter whose code and bit order are undone, a `LinkContext`
    source : (llr) -> posterior logits of image bits, both [batch, height, width,
        channels, 8], such as `HistogramSource` or `BitPlaneDenoiser`
    num_rounds : int, evaluations of the source at most
    num_iter : int, BP iterations per round, and before the first
    damping : share of the former a priori LLRs that is kept, 0 to 1
    limit : largest magnitude of a priori LLRs

    Input
    -----
    llr : [batch * blocks, n], float, log p(1)/p(0)
    frame : number of the first frame, where they are a part of a batch

    Output
    ------
    llr : [batch * blocks, k], float
    """

    def __init__(
        self,
        transmitter,
        source,
        num_rounds=10,
        num_iter=8,
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
        self.blocks = CodeBlocks(transmitter)
        self._decode = tf.function(self._decoded, autograph=False)
        self.supports_jit = False  # how many blocks are left is known when it runs

    def call(self, llr, frame=0):
        return self._decode(llr, tf.convert_to_tensor(frame))

    def get_config(self):
        names = "num_rounds", "num_iter", "damping", "limit"
        blocks = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in ("transmitter", "source")
        }
        options = {name: getattr(self, name) for name in names}
        return super().get_config() | blocks | options

    def _decoded(self, llr, frame):
        every = tf.range(tf.shape(llr)[0])
        apriori = tf.zeros([tf.shape(llr)[0], self.transmitter.k])
        posterior, messages = self.blocks.begin(llr, apriori, every, self.num_iter)
        state = 0, apriori, posterior, messages, self.blocks.crc(posterior, frame)

        def unfinished(done_rounds, apriori, posterior, messages, done):
            return (done_rounds < self.num_rounds) & ~tf.reduce_all(done)

        def one_round(done_rounds, apriori, posterior, messages, done):
            told = self.told(posterior, apriori, done, frame)
            blocks = tf.where(~done)[:, 0]
            new, moved = self.blocks.advance(llr, messages, told, blocks, self.num_iter)
            posterior = replace_rows(posterior, blocks, new)
            messages = replace_rows(messages, blocks, moved)
            done = self.blocks.crc(posterior, frame)
            return done_rounds + 1, told, posterior, messages, done

        _, apriori, posterior, _, done = tf.while_loop(unfinished, one_round, state)
        return tf.cond(
            tf.reduce_all(done),
            lambda: posterior,
            lambda: self._safeguard(llr, posterior, apriori, done, frame),
        )

    def _safeguard(self, llr, posterior, apriori, done, frame):
        """Plain BP for the blocks that are not done, where that serves them better."""
        blocks, none = tf.where(~done)[:, 0], tf.zeros_like(posterior)
        plain = self.blocks.begin(llr, none, blocks, self.transmitter.num_iter)[0]
        plain = replace_rows(posterior, blocks, plain)
        trusted = evidence(apriori, self.blocks.of_channel(llr)) > 0
        better = ~done & (self.blocks.crc(plain, frame) | ~trusted)
        return tf.where(better[:, None], plain, posterior)

    def told(self, posterior, apriori, done, frame):
        """New a priori LLRs of the information bits: [blocks, k].

        posterior, apriori : [blocks, k]; done : bool [blocks], those that are certain
        """
        certain = tf.where(posterior > 0, np.inf, -np.inf)
        known = tf.where(done[:, None], certain, posterior - apriori)
        told = self._extrinsic(known, done, frame)
        told = self.damping * apriori + (1 - self.damping) * told
        return tf.ensure_shape(told, apriori.shape)  # lost for a single image

    def _extrinsic(self, llr, done, frame):
        """What the source says of the images that are not done: [blocks, k], else 0.

        llr : [blocks, k], what it is told
        """
        llr_image = self.transmitter.image_llr(llr, frame)
        flat = tf.reshape(llr_image, [-1, *self.transmitter.image_shape, 8])
        per_image = self.transmitter.blocks_per_image
        waiting = tf.reduce_any(~tf.reshape(done, [-1, per_image]), axis=1)
        images = tf.where(waiting)[:, 0]
        told = self.extrinsic_of_source(tf.gather(flat, images))
        told = replace_rows(tf.zeros_like(flat), images, told)
        told = tf.reshape(told, tf.shape(llr_image))
        return self.transmitter.block_llr(told, frame)

    def extrinsic_of_code(self, llr, apriori, num_iter: int):
        """What channel and code say about information bits: [blocks, k].

        llr : [blocks, n], apriori : [blocks, k]; BP begins anew
        """
        every = tf.range(tf.shape(llr)[0])
        posterior, _ = self.blocks.begin(llr, apriori, every, num_iter)
        return posterior - apriori

    def extrinsic_of_source(self, llr_image):
        """What the source adds to LLRs of image bits, [batch, images, ..., 8]."""
        llr = tf.reshape(llr_image, [-1, *self.transmitter.image_shape, 8])
        llr = tf.clip_by_value(llr, -CERTAIN, CERTAIN)
        extrinsic = tf.clip_by_value(self.source(llr) - llr, -self.limit, self.limit)
        return tf.reshape(extrinsic, tf.shape(llr_image))


def evidence(apriori, llr):
    """How much better than guessing `apriori` predicts what the channel says: [blocks].

    The log Bayes factor of a priori LLRs a against none, if the channel's LLRs l are
    independent:  sum log(p(l | a) / p(l | 0)) = sum log(1 + tanh(a/2) tanh(l/2)).

    apriori, llr : [blocks, k]
    """
    agreement = tf.tanh(apriori / 2) * tf.tanh(llr / 2)
    return tf.reduce_sum(tf.math.log1p(agreement), axis=-1)
