"""The weighted MMSE algorithm: a stationary point of the sum rate by iterations."""

import keras
from keras import ops

from link_sim.models.kronecker import as_complex
from link_sim.receivers.precoding.gram import (
    GramPrecoder,
    beam_powers,
    diagonal,
    dual,
    hermitian,
    others,
)
from link_sim.receivers.precoding.linear import RZF
from link_sim.receivers.precoding.precoder import Precoder

FLOOR = 1e-12
"""Of the weight of a user, relative to the mean: it is as good as switched off."""


@keras.saving.register_keras_serializable("link_sim")
class ReducedWMMSE(GramPrecoder):
    """WMMSE within the span of the users' channels: matrices of users x users only.

    Shi et al., "An iteratively weighted MMSE approach", IEEE TSP 2011, table I, with
    the power constraint taken into the noise and the beams into the span of the
    channels (Zhao et al., "Rethinking WMMSE", IEEE TSP 2023). It starts from
    regularised zero forcing, and the sum rate never falls. With the couplings C = S x
    and what user k receives, q_k = sum_j |C_kj|^2 + tr(x^H S x) / users,

        u_k = C_kk / q_k,  w_k = 1 / (1 - u_k C_kk),  D = diag(u^2 w) / mean(u^2 w),
        x = D^(1/2) Y diag(w)^(1/2),                  Y = (I + D^(1/2) S D^(1/2))^-1,

    and C = D^(-1/2) (I - Y) diag(w)^(1/2): an iteration is one inverse.
    """

    def __init__(self, iterations: int = 100, **kwargs):
        super().__init__(**kwargs)
        self.iterations = iterations

    def mix(self, snr):
        users = snr.shape[-1]

        def body(_, state):
            weights, amplitude = state
            _, inverse, seen = dual(snr, weights)
            gain = ops.square(amplitude)
            wanted = gain * ops.square(seen) / weights
            heard = ops.sum(others(inverse) * gain[:, None], axis=-1) / weights
            power = ops.sum(gain * beam_powers(inverse, seen), axis=-1, keepdims=True)
            q = wanted + heard + power / users
            w = 1 / (1 - wanted / q)
            a = wanted / q**2 * w
            a = ops.maximum(a / ops.mean(a, axis=-1, keepdims=True), FLOOR)
            return a, ops.sqrt(w)

        weights = ops.ones_like(diagonal(snr))
        _, inverse, seen = dual(snr, weights)
        state = weights, ops.rsqrt(beam_powers(inverse, seen))
        weights, amplitude = ops.fori_loop(0, self.iterations, body, state)
        root, inverse, seen = dual(snr, weights)
        power = ops.square(amplitude) * beam_powers(inverse, seen)
        amplitude = amplitude * ops.rsqrt(ops.sum(power, axis=-1, keepdims=True))
        return as_complex(root[..., None] * amplitude[:, None]) * inverse

    def mixing(self, users):
        return (self.iterations + 2) * users**3

    def get_config(self):
        return super().get_config() | {"iterations": self.iterations}


@keras.saving.register_keras_serializable("link_sim")
class WMMSE(Precoder):
    """The same algorithm on the beams themselves, a system of all antennas each time.

    This is how WMMSE is usually timed. It makes the same beams as `ReducedWMMSE`.
    """

    def __init__(self, iterations: int = 100, **kwargs):
        super().__init__(**kwargs)
        self.iterations = iterations
        self._start = RZF()

    def beams(self, h, no):
        start, no = self._start(h, no), no[..., 0]
        eye = ops.eye(h.shape[-1], dtype="complex64")

        def body(_, v):
            coupling = ops.matmul(h, v)
            wanted = diagonal(coupling)
            q = ops.sum(ops.square(ops.abs(coupling)), axis=-1) + no * _power(v)
            u = wanted / q
            w = 1 / (1 - u * wanted)
            a = u**2 * w
            level = no * ops.sum(a, axis=-1, keepdims=True)
            weighted = as_complex(a[..., None]) * h
            system = ops.matmul(hermitian(h), weighted)
            system = system + as_complex(level[..., None]) * eye
            sent = hermitian(as_complex((u * w)[..., None]) * h)
            return ops.linalg.solve(system, sent)

        v = ops.fori_loop(0, self.iterations, body, start)
        return v * as_complex(ops.rsqrt(_power(v))[..., None])

    def multiplications(self, users, antennas):
        once = 2 * users * antennas**2 + antennas**3 // 3 + users**2 * antennas
        return self._start.multiplications(users, antennas) + 4 * self.iterations * once

    def get_config(self):
        return super().get_config() | {"iterations": self.iterations}


def _power(v):
    """[batch, 1]."""
    return ops.sum(ops.square(ops.abs(v)), axis=(1, 2))[:, None]
