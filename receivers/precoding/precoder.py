"""What all precoders are: layers `(h, no) -> v` that say what they cost."""

import numpy as np
from keras import ops

from link_sim.receivers.layer import ReceiverLayer

UNKNOWN = np.complex64(np.nan)
"""Beams of a channel that cannot be served."""


class Precoder(ReceiverLayer):
    """Beams of total power 1 for all users; see `link_sim.receivers.precoding`.

    A subclass says `beams(h, no) -> v`, with `no` as float [batch or 1, 1, 1], what it
    cannot serve, and its multiplications. Where a number is not finite, no noise is
    given or a user has no channel, v is NaN, which spoils no other channel of a batch.
    """

    def call(self, h, no):
        self.check(*h.shape[1:])
        no = ops.reshape(ops.cast(ops.convert_to_tensor(no), "float32"), (-1, 1, 1))
        return self.serve(ops.cast(ops.convert_to_tensor(h), "complex64"), no)

    def serve(self, h, no):
        """`beams` of channels that can be served, NaN of others."""
        known = are_known(ops.sum(ops.square(ops.abs(h)), axis=-1), no)
        # a matrix that holds no numbers has no inverse, nor has one of zeros
        h = ops.where(known, h, _distinct(*h.shape[1:]))
        v = self.beams(h, ops.where(known, no, 1.0))
        return ops.where(known, v, UNKNOWN)

    def check(self, users: int, antennas: int) -> None:
        """Raises `ValueError` where it cannot serve so many users."""

    def beams(self, h, no):
        raise NotImplementedError

    def multiplications(self, users: int, antennas: int) -> int:
        """Real multiplications per channel, four a complex one."""
        raise NotImplementedError


def are_known(energy, no):
    """Which channels of a batch can be served, [batch, 1, 1].

    energy : |h|^2 of each user, [batch, users]
    """
    energy = energy[..., None]
    given = ops.isfinite(energy) & (energy > 0) & ops.isfinite(no) & (no > 0)
    return ops.all(given, axis=1, keepdims=True)


def _distinct(users: int, antennas: int):
    """Channels of plane waves: independent where there are as many antennas."""
    phase = np.outer(np.arange(users), np.arange(antennas)) / max(users, antennas)
    return np.exp(2j * np.pi * phase).astype("complex64")
