"""Iterative reception: detector, code, image model and channel estimator in turns."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import keras
import tensorflow as tf

from link_sim.receivers.decoding.code_blocks import CodeBlocks, replace_rows
from link_sim.receivers.decoding.soft_symbols import SoftSymbols
from link_sim.receivers.estimation import data_aided
from link_sim.receivers.layer import ReceiverLayer

CODE, SOURCE = (10,), (8, 8)
"""Iterations of belief propagation of each part of a round, by the code alone, and with
the source before each part."""
CERTAIN = 20.0
"""LLRs of the bits of blocks whose CRC holds."""


class State(NamedTuple):
    """Of a batch between rounds.

    llr : [blocks, n], what the detector says of the coded bits
    apriori : [blocks, k], what the source says of the information bits
    posterior : [blocks, k]; messages : of belief propagation; done : CRC, bool [blocks]
    """

    llr: tf.Tensor
    apriori: tf.Tensor
    posterior: tf.Tensor
    messages: tf.Tensor
    done: tf.Tensor


@keras.saving.register_keras_serializable("link_sim")
class IterativeReception(ReceiverLayer):
    """Posterior LLRs of the information bits by all parts of a receiver in turns.

    Each round detects anew with what the code says of the coded bits as a priori LLRs,
    and continues belief propagation on what the detector adds (Wang and Poor 1999,
    section III; the messages are kept). With an `estimator`, the symbols as they are
    then known help the pilots to estimate the channel; each element is detected by the
    channel that all others tell (see `data_aided`), which tell the powers of its modes
    anew as well. With a `source`, what it says of
    the images enters belief propagation, as in `JointDecoder`; the first round detects
    nothing anew then, as symbols that only the detector tells mislead the estimator.
    Blocks whose CRC holds
    stay as they are, and their symbols are pilots from then on. Before the first round
    stands the plain receiver, so that no block is lost that it decodes.

    Parameters
    ----------
    transmitter : whose code, bit order and grid are undone, a `LinkContext`
    detector : GridDetector, that takes a priori LLRs
    estimator : with a method (y, no, err_var) -> prior: a `ScoreChannelEstimator` or
        `LMMSEChannelEstimator`; `None` if the first channel estimate stays
    source : JointDecoder, whose source is heard; `None` for none
    num_rounds : int, rounds at most

    Input
    -----
    y, no : as in `Receiver`
    h_hat, err_var : the first channel estimate
    frame : number of the first frame, where `y` is a part of a batch

    Output
    ------
    h_hat : like the first; by pilots, and symbols of blocks whose CRC holds
    err_var : variance of its errors
    llr : [batch * blocks, n], of the coded bits, without what is known a priori
    llr_blocks : [batch * blocks, k], of the information bits
    """

    def __init__(
        self, transmitter, detector, estimator=None, source=None, num_rounds=5, **kwargs
    ):
        super().__init__(**kwargs)
        self.transmitter, self.detector = transmitter, detector
        self.estimator, self.source = estimator, source
        self.num_rounds = num_rounds
        self.blocks = CodeBlocks(transmitter)
        self.symbols = SoftSymbols(transmitter, detector.detector)
        # partial: TensorFlow warns of a method that many objects trace
        self._receive = tf.function(partial(self._received), autograph=False)
        self.supports_jit = False  # how many blocks are left is known when it runs

    def call(self, y, no, h_hat, err_var, frame=0):
        return self.after(self.num_rounds, y, no, h_hat, err_var, frame)

    def after(self, num_rounds, y, no, h_hat, err_var, frame=0):
        """A call that takes so many rounds; all are compiled but once."""
        no = tf.reshape(tf.cast(no, tf.float32), [-1]) + tf.zeros([tf.shape(y)[0]])
        numbers = tf.convert_to_tensor(num_rounds), tf.convert_to_tensor(frame)
        return self._receive(y, no, h_hat, err_var, *numbers)

    def get_config(self):
        names = "transmitter", "detector", "estimator", "source"
        blocks = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in names
        }
        return super().get_config() | blocks | {"num_rounds": self.num_rounds}

    def rounds(self, y, no, h_hat, err_var, frame=0) -> Iterator[State]:
        """The first state, and the state after each other round, for pictures."""
        no = tf.zeros([tf.shape(y)[0]]) + no
        state, loads, _, hear = self._opened(y, no, h_hat, err_var, frame)
        yield state
        for _ in range(self.num_rounds - self._begun):
            if tf.reduce_all(state.done):
                return
            state, loads = self._round(hear, state, loads, frame)
            yield state

    def _received(self, y, no, h_hat, err_var, num_rounds, frame):
        state, loads, seen, hear = self._opened(y, no, h_hat, err_var, frame)

        def unfinished(rounds, state, _):
            return (rounds < num_rounds) & ~tf.reduce_all(state.done)

        def one_round(rounds, *before):
            return rounds + 1, *self._round(hear, *before, frame)

        start = self._begun, state, loads
        _, state, loads = tf.while_loop(unfinished, one_round, start)
        if self.estimator is not None:
            found = self._settled(seen, loads, state, frame)
            h_hat, err_var = (tf.reshape(z, tf.shape(h_hat)) for z in found)
        return h_hat, err_var, state.llr, state.posterior

    def _opened(self, y, no, h_hat, err_var, frame):
        """The first state, loads of the channel, what is seen, and how it is heard."""
        elements, superimposed = self.detector.elements, self.transmitter.superimposed
        if self.estimator is None:
            if superimposed is not None:
                y, h_hat = superimposed.removed(y, h_hat)
            seen = elements.flatten(y, h_hat, err_var, no[:, None, None])
            llr = self.detector.detect(*seen)
            return self._begin(llr, frame), (), seen, partial(self._known, seen)
        prior = self.estimator.prior(y, no[:, None, None], err_var)
        seen = prior, data_aided.turned(prior, elements.received(y)), no
        hear, loads = partial(self._estimated, seen), prior.loads
        if superimposed is None:
            first = elements.flatten(y, h_hat, err_var, no[:, None, None])
            llr = self.detector.detect(*first)
        else:  # the first estimate knows nothing of them
            untold = self._untold(tf.shape(y)[0])
            llr, loads = hear(loads, tf.range(tf.shape(y)[0]), untold, untold)
        return self._begin(llr, frame), loads, seen, hear

    def _untold(self, grids):
        """LLRs of the bits of so many grids of which nothing is known."""
        sender = self.transmitter
        bits = len(self.detector.elements.data) * sender.num_bits_per_symbol
        grid = sender.resource_grid
        return tf.zeros([grids, grid.num_tx, grid.num_streams_per_tx, bits])

    def _round(self, hear, state: State, loads, frame):
        """Detector, decoder and source once more; the state and new loads."""
        llr, loads = self._heard(hear, state, loads, frame)
        return self._decoded(state._replace(llr=llr), frame), loads

    def _settled(self, seen, loads, state: State, frame):
        """Channels by pilots and blocks that are done, which tell the powers first."""
        prior, y, no = seen
        prior = prior._replace(loads=loads)
        sent = self.transmitter.grid_llr(self._certain(state), frame)
        symbols = self.symbols(sent)
        powers = data_aided.estimate(prior, y, symbols, no).powers
        prior = prior._replace(loads=data_aided.told_anew(prior.loads, powers))
        return data_aided.estimate(prior, y, symbols, no)[:2]

    @property
    def _begun(self) -> int:
        """Rounds of the first state."""
        return int(self.source is not None)

    def _begin(self, llr, frame) -> State:
        """After the decoder of a plain receiver, and the first round of a source.

        llr : that the detector adds to what is known, of the grids
        """
        sender = self.transmitter
        llr = sender.demodulate(llr, frame)
        blocks = tf.range(tf.shape(llr)[0])
        apriori = tf.zeros([tf.shape(llr)[0], sender.k])
        begun = self.blocks.begin(llr, apriori, blocks, sender.num_iter)
        state = State(llr, apriori, *begun, self.blocks.crc(begun[0], frame))
        return self._decoded(state, frame) if self.source else state

    def _heard(self, hear, state: State, loads, frame):
        """LLRs that the detector adds to what the code says, [blocks, n]; new loads."""
        sender = self.transmitter
        told, known = (sender.grid_llr(z, frame) for z in self.spoken(state))
        left = self._grids_left(state.done)
        own = tf.gather(told, left)
        heard, loads = hear(loads, left, own, tf.gather(known, left))
        added = replace_rows(tf.zeros_like(told), left, heard - own)
        waiting = ~state.done[:, None]
        return tf.where(waiting, sender.demodulate(added, frame), state.llr), loads

    def _known(self, seen, loads, left, told, _):
        """A posteriori LLRs of the grids that are left, the channel given."""
        seen = (tf.gather(z, left) for z in seen)
        return self.detector.detect(*seen, told), loads

    def _estimated(self, seen, loads, left, told, known):
        """The same, the channel of each element as the others tell it."""
        prior, y, no = seen
        seen = prior._replace(loads=loads), y, no
        prior, y, no = tf.nest.map_structure(lambda z: tf.gather(z, left), seen)
        symbols, sent = self.symbols(known), self.symbols(told)
        h, variance, powers = data_aided.predict(prior, y, symbols, sent, no)
        new = data_aided.told_anew(prior.loads, powers)
        loads = replace_rows(loads, left, new)
        if self.transmitter.superimposed is not None:
            y, h = self.transmitter.superimposed.removed_elements(y, h)
        return self.detector.detect(y, h, variance, told), loads

    def _decoded(self, state: State, frame) -> State:
        """Belief propagation, and the source, for the blocks that are left."""
        llr, apriori, posterior, messages, done = state
        for num_iter in SOURCE if self.source else CODE:
            if self.source:
                apriori = self.source.told(posterior, apriori, done, frame)
            blocks = tf.where(~done)[:, 0]
            new, moved = self.blocks.advance(llr, messages, apriori, blocks, num_iter)
            posterior = replace_rows(posterior, blocks, new)
            messages = replace_rows(messages, blocks, moved)
            done = self.blocks.crc(posterior, frame)
        return State(llr, apriori, posterior, messages, done)

    def spoken(self, state: State):
        """LLRs of coded bits without those of the channel, and with: [blocks, n]."""
        code = self.blocks.of_code(state.messages, state.apriori)
        certain, done = self._certain(state), state.done[:, None]
        return tuple(tf.where(done, certain, z) for z in (code, code + state.llr))

    def _certain(self, state: State):
        """LLRs of coded bits, 0 unless their CRC holds: wrong blocks seem too sure."""
        sent = self.blocks.encode(tf.cast(state.posterior > 0, tf.float32))
        return CERTAIN * (2 * sent - 1) * tf.cast(state.done, tf.float32)[:, None]

    def _grids_left(self, done):
        """Indices of the grids of frames with blocks that are not done."""
        sender = self.transmitter
        blocks = sender.images_per_frame * sender.blocks_per_image
        waiting = tf.reduce_any(tf.reshape(~done, [-1, blocks]), 1)
        return tf.where(tf.repeat(waiting, sender.grids_per_frame))[:, 0]
