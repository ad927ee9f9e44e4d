"""What all precoders share that mix the users' channels: only `h` is large."""

import numpy as np
from keras import ops

from link_sim.models.kronecker import as_complex
from link_sim.receivers.precoding.precoder import UNKNOWN, Precoder, are_known

JITTER = np.complex64(2.4e-7)
"""Added to the diagonal of a Gram matrix, as a share of it: what rounding may take."""


class GramPrecoder(Precoder):
    """A precoder whose beams are combinations of the users' channels.

    Every beam that leaves power outside their span is improved by taking it away, so
    `v = h^H x` for some x [users, users]. With

        S = h h^H / (users no)

    (its diagonal is the SNR of each user, alone, at an equal share of the power), a
    receiver of `x` scaled to tr(x^H S x) = 1 has noise 1 / users and the couplings S x.
    A subclass says `mix(snr) -> x`; the number of antennas matters no more.
    """

    def serve(self, h, no):
        users, adjoint = h.shape[1], hermitian(h)
        gram = ops.matmul(h, adjoint)
        known = are_known(diagonal(gram), no)
        scale = ops.rsqrt(users * ops.where(known, no, 1.0))
        gram = ops.where(known, gram, np.eye(users, dtype="complex64"))
        x = self.mix(gram * as_complex(scale**2)) * as_complex(scale)
        return ops.matmul(adjoint, ops.where(known, x, UNKNOWN))

    def mix(self, snr):
        """x, complex [batch, users, users], of power 1, from S of the same shape."""
        raise NotImplementedError

    def multiplications(self, users, antennas):
        return 4 * (2 * users**2 * antennas + self.mixing(users))

    def mixing(self, users: int) -> int:
        """Complex multiplications of `mix`."""
        raise NotImplementedError


def user_rates(h, v, no):
    """Rates log2(1 + SINR) of users that take the others' beams as noise.

    h, v, no : see `link_sim.receivers.precoding`, with the true channel
    Returns float [batch, users], in bit per channel use.
    """
    return coupled_rates(ops.matmul(h, v), ops.reshape(no, (-1, 1)))


def coupled_rates(coupling, noise):
    """The same from how beams reach users: complex [batch, users, beams]."""
    power = ops.square(ops.abs(coupling))
    wanted = diagonal(power)
    disturbed = ops.sum(power, axis=-1) - wanted + noise
    return ops.log1p(wanted / disturbed) / float(np.log(2))


def directions(snr, weights):
    """Beams of power 1 each, in the form that every optimum has.

    x = D^(1/2) (I + D^(1/2) S D^(1/2))^-1 with D = diag(weights), columns normalised:
    Björnson, Bengtsson and Ottersten, "Optimal multiuser transmit beamforming", IEEE
    SPM 2014, eq. 10, in terms of S. Weights 1 give regularised zero forcing.

    Returns x, complex like S.
    """
    root, inverse, seen = dual(snr, weights)
    amplitude = ops.rsqrt(beam_powers(inverse, seen))
    return as_complex(root[..., None] * amplitude[:, None]) * inverse


def dual(snr, weights):
    """D^(1/2), Y = (I + B)^-1 with B = D^(1/2) S D^(1/2), and the diagonal of B Y."""
    root = ops.sqrt(weights)
    inner = as_complex(root[..., None] * root[:, None]) * snr
    inverse = ops.linalg.inv(inner + ops.eye(snr.shape[-1], dtype="complex64"))
    seen = ops.sum(ops.real(inner * ops.conj(inverse)), axis=-1)
    return root, inverse, seen


def beam_powers(inverse, seen):
    """Powers of the columns of x = D^(1/2) Y: the diagonal of Y B Y, [batch, users]."""
    return diagonal(inverse) * seen - ops.sum(others(inverse), axis=-2)


def gram_inverse(gram):
    """Its inverse; a useless one, but a matrix, where rows depend on each other."""
    raised = 1 + JITTER * np.eye(gram.shape[-1], dtype="complex64")
    return ops.linalg.inv(raised * gram)


def others(matrix):
    """Its squared magnitudes with a diagonal of zeros."""
    off = 1 - ops.eye(matrix.shape[-1])
    return ops.square(ops.abs(matrix)) * off


def diagonal(matrix):
    """Its real part, [batch, users]."""
    return ops.real(ops.diagonal(matrix, axis1=-2, axis2=-1))


def hermitian(x):
    return ops.conj(ops.swapaxes(x, -1, -2))
