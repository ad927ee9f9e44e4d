"""Decisions that are checked against what was received, and made again in doubt."""

import keras
from keras import ops

from link_sim.receivers.detection.mimo import MIMODetector
from link_sim.receivers.detection.symbols import residual

DOUBTFUL_DEVIATIONS = 8**0.5
"""Standard deviations by which the residual of a decision in doubt exceeds its mean."""


@keras.saving.register_keras_serializable("link_sim")
class VerifiedDetector(MIMODetector):
    """One detector, and another where its decisions do not explain what was received.

    The residual of right decisions, |y - H x|^2 / noise, is chi-squared with as many
    degrees of freedom as rows. Where that of `first` is more than `DOUBTFUL_DEVIATIONS`
    standard deviations above its mean, `second` detects as well, and the decisions of
    the smaller residual stand. With a priori LLRs -2 log p(x) counts with the residual.

    Parameters
    ----------
    first, second : MIMODetector, of the same symbols

    Input, output : as in `MIMODetector`
    """

    def __init__(self, first, second, **kwargs):
        super().__init__(first.num_bits_per_symbol, **kwargs)
        self.first, self.second = first, second
        self.supports_jit = False  # how many are in doubt is known when it runs

    def check(self, antennas, streams):
        self.first.check(antennas, streams)
        self.second.check(antennas, streams)

    def logits(self, y, h, noise, prior):
        arguments = y, h, noise, prior
        logits = self.first.logits(*arguments)
        left = residual(logits, *arguments, self.levels)
        limit = y.shape[1] + DOUBTFUL_DEVIATIONS * (2 * y.shape[1]) ** 0.5
        doubtful = ops.nonzero(left > limit)[0]
        again = [ops.take(argument, doubtful, axis=0) for argument in arguments]
        other = self.second.logits(*again)
        better = residual(other, *again, self.levels) < ops.take(left, doubtful)
        former = ops.take(logits, doubtful, axis=0)
        other = ops.where(better[:, None, None], other, former)
        return ops.scatter_update(logits, doubtful[:, None], other)

    def multiplications(self, antennas, streams):
        """Of a vector that is not in doubt."""
        first = self.first.multiplications(antennas, streams)
        return None if first is None else first + 4 * antennas * streams

    def get_config(self):
        config = super().get_config()
        del config["num_bits_per_symbol"]
        pair = {"first": self.first, "second": self.second}
        return config | {
            name: keras.saving.serialize_keras_object(detector)
            for name, detector in pair.items()
        }
