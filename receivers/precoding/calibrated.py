"""Precoders that a network calibrates, trained on the sum rate, without labels."""

import keras
from keras import ops

from link_sim.models.kronecker import as_complex
from link_sim.models.pretrained import load_model
from link_sim.receivers.precoding.gram import (
    GramPrecoder,
    diagonal,
    directions,
    dual,
    gram_inverse,
    hermitian,
    others,
)
from link_sim.receivers.precoding.precoder import Precoder

FEATURES, RELATIONS = 5, 3
FLOOR = 1e-5
"""Of the weight of a user whose mean is 1: it is as good as ignored."""


class _WithNetwork:
    """What precoders around a network have in common; before their other base."""

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def get_config(self):
        return super().get_config() | {
            "network": keras.saving.serialize_keras_object(self.network)
        }


@keras.saving.register_keras_serializable("link_sim")
class CalibratedZF(_WithNetwork, GramPrecoder):
    """The form that every optimum has, its two numbers a user from a network.

    The best beams are `directions(S, D)` with powers p, D of mean 1 and p of sum 1
    (Björnson, Bengtsson and Ottersten 2014): zero forcing of channels that are weighted
    and regularised. A network that treats all users alike gives log D and log p from
    the SNRs, from the MMSE of regularised zero forcing, 1 / users, and from how users
    are correlated; it serves any number of users and antennas.

    network : `PairwiseNetwork(FEATURES, RELATIONS, 2)`; at its start this is `RZF`
    """

    @classmethod
    def from_preset(cls, preset: str = "nc-zf"):
        """With shipped weights, or those of an `.npz` file and its card."""
        return cls(load_model(preset))

    def mix(self, snr):
        logits = self.network(*relations(snr))
        users = snr.shape[-1]
        weights = users * ops.softmax(logits[..., 0]) + FLOOR
        power = ops.softmax(logits[..., 1])
        beams = directions(snr, weights)
        return beams * as_complex(ops.sqrt(power)[:, None])

    def mixing(self, users):
        return 2 * users**3 + self.network.multiplications(users) // 4


def relations(snr):
    """What the network is told: [batch, users, 5] and [batch, 3, users, users].

    None changes if S stays as it is: neither antennas nor units matter.
    """
    alone = diagonal(snr)
    _, inverse, seen = dual(snr, ops.ones_like(alone))
    left = diagonal(inverse)
    disturbance = others(snr) / alone[:, None]
    correlation = disturbance / alone[..., None]
    partial = others(inverse) / (left[..., None] * left[:, None])
    pairs = [correlation, disturbance / (1 + disturbance), partial]
    members = [
        ops.log(alone),
        ops.sum(correlation, axis=-1),
        ops.log1p(ops.sum(disturbance, axis=-1)),
        ops.log(left),
        ops.log(seen),
    ]
    return ops.stack(members, axis=-1) / 4, ops.stack(pairs, axis=1)


@keras.saving.register_keras_serializable("link_sim")
class CalibratedInputZF(_WithNetwork, Precoder):
    """Zero forcing of channels that a network has moved, as published.

    h~ = h + g(h, no), v = h~^H (h~ h~^H)^-1 with normalised columns and equal powers,
    g equivariant over users (Ma et al., "Learn to communicate with neural calibration",
    IEEE TWC 2022; sizes of the network are ours).

    network : `PairwiseNetwork(2 antennas + 1, 0, 2 antennas)`, which hears means over
        users only; at its start this is `ZF`

    Raises `ValueError` for another number of antennas than the network's.
    """

    @classmethod
    def from_preset(cls, preset: str = "nc-published"):
        """With shipped weights, or those of an `.npz` file and its card."""
        return cls(load_model(preset))

    def check(self, users, antennas):
        if 2 * antennas != self.network.outputs:
            raise ValueError(
                f"these weights are for {self.network.outputs // 2} antennas, not "
                f"{antennas}: train others, or use nc-zf, which serves any number"
            )

    def beams(self, h, no):
        users, antennas = h.shape[1:]
        parts = ops.concatenate([ops.real(h), ops.imag(h)], axis=-1)
        level = ops.log(no * users / antennas) + ops.zeros_like(parts[..., :1])
        moved = self.network(ops.concatenate([parts, level], axis=-1))
        real, imag = ops.split(parts + moved, 2, axis=-1)
        h = ops.view_as_complex(ops.stack([real, imag], axis=-1))
        inverse = gram_inverse(ops.matmul(h, hermitian(h)))
        scale = ops.rsqrt(users * diagonal(inverse))
        return ops.matmul(hermitian(h), inverse * as_complex(scale[:, None]))

    def multiplications(self, users, antennas):
        zero_forcing = 4 * (2 * users**2 * antennas + users**3)
        return zero_forcing + self.network.multiplications(users)
