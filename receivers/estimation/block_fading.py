"""Flat channels of a block from symbols that are known in part, beside pilots.

    y_e = H x_e + n,   h = vec(H) row by row ~ CN(0, C),   n ~ CN(0, no I)

for the uses e of a block. A symbol enters by its mean, and by its variance as noise
that it brings along, so that all that is told of h is a Gram matrix of symbols and a
matched filter. C is any covariance, the streams' channels need not be uncorrelated.
"""

from typing import NamedTuple

import tensorflow as tf

from link_sim.models.joint_spectrum import stacked
from link_sim.receivers.detection.elements import as_complex

SPARE = 1e-4
"""Of a use's noise, that its own symbol never explains: rounding leaves no less."""
JITTER = 1e-7
"""Of the mean power, added to a covariance before it is factored."""


class Told(NamedTuple):
    """What a block's symbols tell of its channel.

    gram : [batch, streams, streams], sum of conj(x_s) x_t over noise
    matched : [batch, antennas, streams], sum of y_a conj(x_s) over noise
    """

    gram: tf.Tensor
    matched: tf.Tensor


class Posterior(NamedTuple):
    """Of the channels of a block: [batch, antennas, streams] and the covariance
    [batch, antennas, streams, antennas, streams], complex128."""

    mean: tf.Tensor
    covariance: tf.Tensor


def weights(variance, no):
    """One over noise and what uncertain symbols bring along, [batch, uses].

    variance : of symbols, [batch, streams, uses]; channels have mean power 1
    """
    return 1 / (no + tf.reduce_sum(variance, 1))


def told(y, x, weight) -> Told:
    """Of y [batch, antennas, uses] and mean symbols x [batch, streams, uses]."""
    heard = tf.math.conj(x) * as_complex(weight)[:, None]
    gram = tf.matmul(heard, x, transpose_b=True)
    return Told(gram, tf.matmul(y, heard, transpose_b=True))


def posterior(covariance, told: Told) -> Posterior:
    """Given the prior covariance [1 or batch, n, n] of vec(H)."""
    gram, matched = stacked(*told)
    root = _root(covariance)
    inner = tf.eye(gram.shape[-1], dtype=tf.complex128)
    inner += tf.matmul(root, gram @ root, adjoint_a=True)
    wide = tf.broadcast_to(tf.linalg.adjoint(root), tf.shape(gram))
    half = tf.linalg.triangular_solve(tf.linalg.cholesky(inner), wide)
    left = tf.matmul(half, half, adjoint_a=True)
    shape = told.matched.shape[1:]
    mean = tf.reshape(left @ matched, [-1, *shape])
    return Posterior(mean, tf.reshape(left, [-1, *shape, *shape]))


def sample(found: Posterior, z):
    """A channel drawn from the posterior, by white Gaussian z like its mean."""
    size = z.shape[1] * z.shape[2]
    root = _root(tf.reshape(found.covariance, [-1, size, size]))
    z = tf.reshape(tf.cast(z, tf.complex128), [-1, size])
    return found.mean + tf.reshape(tf.linalg.matvec(root, z), tf.shape(found.mean))


def evidence(covariance, told: Told):
    """log p(y) given symbols that are certain, less log p(y) without a channel.

        b^H C (I + G C)^-1 b - log det(I + G C)

    The second part is the same for all symbols of equal energy: [batch].
    """
    gram, matched = stacked(*told)
    mixed = tf.eye(gram.shape[-1], dtype=tf.complex128) + gram @ covariance
    heard = covariance @ tf.linalg.solve(mixed, matched)
    gain = tf.math.real(tf.reduce_sum(tf.math.conj(matched) * heard, [1, 2]))
    return gain - tf.math.log(tf.abs(tf.linalg.det(mixed)))


def _root(covariance):
    """Lower triangular root of [batch, n, n], which may be singular."""
    size = covariance.shape[-1]
    power = tf.linalg.trace(covariance)[:, None, None] / size
    eye = tf.eye(size, dtype=tf.complex128)
    return tf.linalg.cholesky(covariance + JITTER * power * eye)


def predict(found: Posterior, y, x, weight, sent, no):
    """Channels of each use as all others tell them, and what disturbs there.

    y [batch, antennas, uses], x and weight : as they told of the channel; sent : mean
    and variance [batch, streams, uses] of what may have been sent, as far as y of this
    use has not told it.

    Returns means [batch, uses, antennas, streams] and the covariance [batch, uses,
    antennas, antennas] of noise and channel errors, complex64.
    """
    y, x, m = (tf.cast(z, tf.complex128) for z in (y, x, sent[0]))
    u, weight = (as_complex(tf.cast(z, tf.float64)) for z in (sent[1], weight))
    mean, covariance = found
    eye = tf.eye(y.shape[1], dtype=tf.complex128)
    reach = tf.einsum("basct,bte->beasc", covariance, tf.math.conj(x))
    own = tf.einsum("beasc,bse->beac", reach, x)
    gain = tf.linalg.inv((1 + SPARE) * eye / weight[..., None, None] - own)
    rest = tf.transpose(y - tf.matmul(mean, x), [0, 2, 1])
    shift = tf.einsum("beasc,becd,bed->beas", reach, gain, rest)
    # what leaving the own use out adds to the covariance, and what all others leave
    known = tf.einsum("beasc,bse->beac", reach, m)
    disturbed = known @ gain @ tf.linalg.adjoint(known)
    disturbed += tf.einsum("basct,bse,bte->beac", covariance, m, tf.math.conj(m))
    disturbed += tf.einsum("bascs,bse->beac", covariance, u)
    wide = tf.einsum("beasc,becd->beasd", reach, gain)
    disturbed += tf.einsum("beasd,becsd,bse->beac", wide, tf.math.conj(reach), u)
    disturbed += as_complex(tf.cast(no, tf.float64)) * eye
    h = mean[:, None] - shift
    return tf.cast(h, tf.complex64), tf.cast(disturbed, tf.complex64)
