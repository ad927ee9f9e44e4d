"""Reception of short blocks over flat channels that a few pilots hardly tell."""

from typing import NamedTuple

import tensorflow as tf

from link_sim.models.approximate_messages import moments
from link_sim.receivers.decoding.code_blocks import replace_rows
from link_sim.receivers.detection.expectation_propagation import EPDetector
from link_sim.receivers.detection.symbols import level_logits
from link_sim.receivers.estimation import block_fading
from link_sim.receivers.estimation.block_fading import Told
from link_sim.receivers.estimation.data_aided import Symbols

ROUNDS = 16
NEW = 0.7
"""Share of the detector's new LLRs in those that the decoder is given."""
SURE = 15.0
"""LLRs of all information bits beyond which a block is taken for decoded."""
CERTAIN = 40.0


class State(NamedTuple):
    """Of blocks between rounds.

    llr, code : [blocks, n], what detector and code say of the coded bits
    posterior : [blocks, k], LLRs of the information bits
    """

    llr: tf.Tensor
    code: tf.Tensor
    posterior: tf.Tensor

    @property
    def sure(self):
        """bool [blocks]"""
        return tf.reduce_all(tf.abs(self.posterior) > SURE, 1)

    @property
    def word(self):
        """LLRs of the coded bits a posteriori."""
        return self.llr + self.code


class KnownChannel:
    """LLRs of the information bits by detector and code in turns, the channel given.

    Each round detects by LMMSE with soft interference cancellation, and decodes; the
    symbols' a priori moments are those of the code's extrinsic LLRs (Wang and Poor,
    IEEE Trans. Commun. 1999, section III).

    Parameters
    ----------
    sender : BlockContext

    Input
    -----
    y : [batch, antennas, uses], complex; no : noise variance per complex dimension
    h : [batch, antennas, streams], complex

    Output
    ------
    llr : [batch, k]
    """

    def __init__(self, sender):
        self.sender, self.data = sender, slice(sender.pilots.shape[1], None)
        self.detector = EPDetector(2, num_iter=1)  # LMMSE by its first cavities

    def __call__(self, y, no, h):
        def detected(state):
            return self.by_channel(y, no, h, state.code)

        return self.turns(detected, self.silent(y)).posterior

    def silent(self, y) -> State:
        """Nothing is known of the blocks yet."""
        coded = tf.zeros([tf.shape(y)[0], self.sender.n])
        return State(coded, coded, coded[:, : self.sender.k])

    def turns(self, detected, state: State) -> State:
        """After rounds until all blocks are sure, at most `ROUNDS`.

        detected : state -> LLRs of the coded bits, without those of the code
        """

        def going(number, state):
            return (number < ROUNDS) & ~tf.reduce_all(state.sure)

        def one_round(number, state):
            begun = tf.reduce_any(state.llr != 0)
            share = tf.where(begun, NEW, 1.0)
            llr = share * detected(state) + (1 - share) * state.llr
            return number + 1, self.decoded(llr)

        return tf.while_loop(going, one_round, (0, state))[1]

    def by_channel(self, y, no, h, code):
        """What the detector adds to the code's LLRs, by one channel for all uses."""
        uses = y.shape[2] - self.sender.pilots.shape[1]
        h = tf.repeat(tf.cast(h, tf.complex64)[:, None], uses, 1)
        white = tf.eye(y.shape[1], batch_shape=[1, 1], dtype=tf.complex64)
        no = tf.complex(no, 0.0) * white + tf.zeros_like(h[..., :1])
        return self.detected(y, h, no, code)

    def detected(self, y, h, noise, code):
        """The same by channels [batch, uses, antennas, streams] and covariances of
        noise."""
        y = tf.transpose(y[..., self.data], [0, 2, 1])
        code = self.sender.grid_llr(code)
        return self.sender.demodulate(self.detector(y, h, noise, code) - code)

    def decoded(self, llr) -> State:
        return State(llr, *self.sender.code.decode(llr))


class SemiBlind(KnownChannel):
    """LLRs of the information bits by prior, detector and code in turns.

    In each round pilots and a posteriori symbols tell the channel, of each use without
    its own (see `block_fading`). A short code without checks settles on wrong words now
    and then. So blocks that are not sure begin anew, with a channel drawn from the
    posterior of the pilots; and of the words found stays the one with the most evidence
    p(y | word), over all channels.

    Parameters
    ----------
    sender : BlockContext
    prior : (told, covariance) -> covariance [1 or batch, n, n] of vec(H)
    num_starts : int; the first is by the pilots alone
    aided : whether symbols tell of the channel, beside the pilots

    Input
    -----
    y, no : as in `KnownChannel`
    covariance : [batch, n, n], for a prior that knows it
    noise : [batch, starts, antennas, streams], complex, by which channels are drawn

    Output
    ------
    llr : [batch, k]
    h_hat, err_var : [batch, antennas, streams]
    """

    def __init__(self, sender, prior, num_starts: int = 1, aided: bool = True):
        super().__init__(sender)
        self.prior, self.num_starts, self.aided = prior, num_starts, aided

    def __call__(self, y, no, covariance, noise):
        best = self._tried(y, no, covariance, self.silent(y))
        if self.num_starts > 1:
            best = self._best(best, y, no, covariance, noise)
        known = best.word if self.aided else tf.zeros_like(best.word)
        heard = self._told(y, no, self.symbols(known))[0]
        found = block_fading.posterior(self.prior(heard, covariance), heard)
        variance = tf.einsum("basas->bas", tf.math.real(found.covariance))
        return best.posterior, *(
            tf.cast(z, t)
            for z, t in ((found.mean, tf.complex64), (variance, tf.float32))
        )

    def symbols(self, llr) -> Symbols:
        """Of the data, [batch, streams, uses], from LLRs of coded bits."""
        llr = self.sender.grid_llr(llr)
        logits = level_logits(llr, self.detector.labels)
        found = moments(logits, self.detector.levels)
        (real, imag), variances = (tf.split(z, 2, axis=-1) for z in found)
        mean = tf.transpose(tf.complex(real, imag), [0, 2, 1])
        return Symbols(mean, tf.transpose(tf.add_n(variances), [0, 2, 1]))

    def _told(self, y, no, known: Symbols):
        """What pilots and data tell of the channel; symbols and weights of all uses."""
        pilots = tf.constant(self.sender.pilots[None])
        pilots = tf.repeat(pilots, tf.shape(y)[0], 0)
        x = tf.concat([pilots, known.mean], 2)
        variance = tf.concat([tf.zeros_like(tf.abs(pilots)), known.variance], 2)
        weight = block_fading.weights(variance, no)
        return block_fading.told(y, x, weight), x, weight

    def _tried(self, y, no, covariance, state: State) -> State:
        def detected(state):
            sent = self.symbols(state.code)
            known = state.word if self.aided else tf.zeros_like(state.word)
            heard, x, weight = self._told(y, no, self.symbols(known))
            found = block_fading.posterior(self.prior(heard, covariance), heard)
            uses = (z[..., self.data] for z in (y, x, weight))
            channel = block_fading.predict(found, *uses, sent, no)
            return self.detected(y, *channel, state.code)

        return self.turns(detected, state)

    def _best(self, first: State, y, no, covariance, noise) -> State:
        """Of several starts of blocks that are not sure."""

        def unsure(start, best, _):
            return (start < self.num_starts) & ~tf.reduce_all(best.sure)

        def begin(start, best, most):
            rows = tf.where(~best.sure)[:, 0]
            draw = noise[:, start - 1]
            *own, draw = (tf.gather(z, rows) for z in (y, covariance, draw))
            own = own[0], no, own[1]
            state = self._tried(*own, self._begun(*own, draw))
            evidence = self._evidence(*own, state)
            better = tf.where(evidence > tf.gather(most, rows))[:, 0]
            rows = tf.gather(rows, better)
            best, most = (
                tf.nest.map_structure(
                    lambda z, new: replace_rows(z, rows, tf.gather(new, better)), *pair
                )
                for pair in ((best, state), (most, evidence))
            )
            return start + 1, best, most

        evidence = self._evidence(y, no, covariance, first)
        return tf.while_loop(unsure, begin, (1, first, evidence))[1]

    def _begun(self, y, no, covariance, draw) -> State:
        """After detection by a channel drawn from the posterior of the pilots."""
        silent = self.silent(y).word
        heard = self._told(y, no, self.symbols(silent))[0]
        found = block_fading.posterior(self.prior(heard, covariance), heard)
        h = block_fading.sample(found, draw)
        return self.decoded(self.by_channel(y, no, h, silent))

    def _evidence(self, y, no, covariance, state: State):
        """log p(y | word) of the words decided, up to a constant: [batch]."""
        b = tf.cast(state.posterior > 0, tf.float32)
        word = CERTAIN * (2 * self.sender.code.encode(b) - 1)
        heard: Told = self._told(y, no, self.symbols(word))[0]
        return block_fading.evidence(self.prior(heard, covariance), heard)
