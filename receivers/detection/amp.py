"""Approximate message passing for MIMO detection, damped."""

import keras

from link_sim.models.approximate_messages import (
    Messages,
    amp_step,
    gaussian_logits,
    mixing,
    moments,
    start,
)
from link_sim.receivers.detection.mimo import MIMODetector


@keras.saving.register_keras_serializable("link_sim")
class AMPDetector(MIMODetector):
    """A posteriori LLRs by approximate message passing.

    The steps of `link_sim.models.approximate_messages`, each damped. Without damping
    (`keep` = 0) it has an error floor or diverges where antennas are few or correlated;
    with 30 damped steps the floor is ten times lower than with 10 undamped ones.

    Parameters
    ----------
    num_bits_per_symbol : 2, 4, 6, 8 or 10
    num_iter : int
    keep : share of the former messages that is kept, from 0 to below 1

    Input, output : as in `MIMODetector`
    """

    def __init__(self, num_bits_per_symbol, num_iter=30, keep=0.3, **kwargs):
        super().__init__(num_bits_per_symbol, **kwargs)
        self.num_iter, self.keep = num_iter, keep

    def logits(self, y, h, noise, prior):
        h, messages = mixing(h), start(y, prior, self.levels)
        for _ in range(self.num_iter):
            r, s, z, z_var = amp_step(y, h, noise, messages, self.keep)
            logits = gaussian_logits(r, s, self.levels) + prior
            messages = Messages(*moments(logits, self.levels), z, z_var)
        return logits

    def multiplications(self, antennas, streams):
        return (4 * self.num_iter + 2) * 4 * antennas * streams

    def get_config(self):
        return super().get_config() | {"num_iter": self.num_iter, "keep": self.keep}
