"""Detection through a known amplifier by a few learned steps, without the decoder."""

import keras
import tensorflow as tf

from link_sim.models.pretrained import load_model
from link_sim.receivers.detection.amplified import Amplified
from link_sim.receivers.detection.elements import as_complex
from link_sim.receivers.detection.hardware import HardwareDetector
from link_sim.receivers.layer import ReceiverLayer

BASIS, FEATURES = 5, 11
OUTPUTS = 2 * BASIS + 1
LEAST = 1e-5
"""Variance, at least, of which a logarithm is taken."""
LEAST_NOISE = 10**-1.8
"""Variance of the noise, at least: networks were trained for more, and fail below."""


class Unrolled:
    """Symbols behind an amplifier, by steps that networks weigh.

    Symbols as equalised are z = x + e(x) + w with e the distortion and w noise of
    variance v. A step takes the posterior means x' and variances q of what the last
    one found, has the amplifier say what it would make of them, r = z - x' - e(x'), and
    what that says of x', u = M^T R r with M = 1 + e'(x') and R = q / (q + v), and finds

        x_hat = x' + r + c_1 z + c_2 x' + c_3 r + c_4 u + c_5 x_hat_last

    of error variance (v + var(e)) exp(s), with complex c and s from a network that sees
    magnitudes and levels alone. With c = 0 a step is cancellation of the distortion; it
    is an unrolled gradient method (Gregor and LeCun 2010) for the problem that
    `Linearised` solves by conjugate gradients.

    Parameters
    ----------
    transmitter : a `LinkContext` with hardware
    demapper : QAMDemapper
    network : an `UnrolledSteps` of `FEATURES` and `OUTPUTS`

    Input
    -----
    z : [batch, 1, streams, data symbols], complex64
    variance : the same, float, of w, counted as `LEAST_NOISE` at least
    share : broadcastable to it, var(e)

    Output
    ------
    : of each step, x_hat and the variances of its errors
    """

    def __init__(self, transmitter, demapper, network):
        self.amplified = Amplified(transmitter)
        self._demap, self.network = demapper, network

    def __call__(self, z, variance, share):
        found, variance = [], tf.maximum(variance, LEAST_NOISE)
        x_hat, no_eff = z, variance + share
        for step in range(self.network.steps):
            x, q = self._demap.moments(self._demap(x_hat, no_eff))
            level = mean(q)
            weight = as_complex(level / (level + variance))
            sent, u = self.amplified.sent_and_transpose(
                x, lambda sent, weight=weight: weight * (z - sent)
            )
            r = z - sent
            basis = z, x, r, u, x_hat
            seen = features(z, variance, share, x, q, r, u)
            out = tf.unstack(self.network(seen, step=step), axis=-1)
            weights = [tf.complex(*out[2 * i : 2 * i + 2]) for i in range(BASIS)]
            x_hat = x + r + sum(c * b for c, b in zip(weights, basis, strict=True))
            no_eff = (variance + share) * tf.exp(out[-1])
            found.append((x_hat, no_eff))
        return found


def features(z, variance, share, x, q, r, u):
    """What a network sees of each symbol: [batch, 1, streams, symbols, FEATURES]."""
    left = energy(r)
    level = mean(left)
    scale = 1 / (level + LEAST)
    levels = [tf.math.log(a + LEAST) for a in (variance, share, q, mean(q), level)]
    match = tf.math.conj(x) * r
    own = [
        energy(z), energy(x), left * scale, energy(u) * scale,
        tf.math.real(match), tf.math.imag(match),
    ]  # fmt: skip
    return tf.stack([a + tf.zeros_like(left) for a in (*levels, *own)], axis=-1)


def energy(x):
    """|x|^2."""
    return tf.math.real(x) ** 2 + tf.math.imag(x) ** 2


def mean(a):
    """Over streams and symbols, of each row."""
    return tf.reduce_mean(a, axis=[1, 2, 3], keepdims=True)


@keras.saving.register_keras_serializable("link_sim")
class UnrolledDetector(ReceiverLayer):
    """LLRs by `HardwareDetector` without rounds, then by the steps of `Unrolled`.

    Where no amplifier distorts, and for symbols whose noise is below `LEAST_NOISE`
    where distortion is below half of it, it is the former.

    Parameters
    ----------
    transmitter : the transmitter whose hardware is known, a `LinkContext`
    network : `UnrolledSteps`, for square QAM of any size

    Input, output : as in `HardwareDetector`
    """

    def __init__(self, transmitter, network, **kwargs):
        super().__init__(**kwargs)
        self.transmitter, self.network = transmitter, network
        self.first = HardwareDetector(transmitter)
        self.steps = None
        hardware = transmitter.hardware
        if hardware is not None and hardware.hardware.amplifier is not None:
            self._share = self.first.on_data(hardware.amplified_share)
            self._strong = float(self._share.mean()) >= LEAST_NOISE / 2
            self.steps = Unrolled(transmitter, self.first.demap, network)

    @classmethod
    def from_preset(cls, transmitter, preset: str):
        """With weights that are shipped or in an `.npz` file."""
        return cls(transmitter, load_model(preset))

    def call(self, y, h_hat, err_var, no, frame=0):
        x, no_eff = self.first.symbols(y, h_hat, err_var, no, frame)
        if self.steps is not None:
            noise = no_eff - self._share
            known = (noise >= LEAST_NOISE) | self._strong
            found = self.steps(x, noise, self._share)[-1]
            x, no_eff = tf.where(known, found[0], x), tf.where(known, found[1], no_eff)
        return self.first.demap(x, no_eff)

    def get_config(self):
        return super().get_config() | {
            "transmitter": keras.saving.serialize_keras_object(self.transmitter),
            "network": keras.saving.serialize_keras_object(self.network),
        }
