"""Channel estimation from symbols that are known in part, beside the pilots.

y[a, e] = sum_s x_s[e] h_s[a, e] + n over the elements e of a grid. Given its spectra,
the channel of each stream is a Gaussian field that one set of loads describes, over
antennas turned so that they are uncorrelated:

    h_s[a, e] = sqrt(energy_s strength_a) sum_j loads[e, j] w_j,  w ~ CN(0, I)

A symbol enters by its mean, and by its variance as noise that it brings along. All
antennas then share one eigendecomposition of what is observed of the loads. By it the
powers of the modes are told anew too: spectra that few pilots tell hide weak and late
paths.
"""

from typing import NamedTuple

import tensorflow as tf

SINGLE = tf.float32, tf.complex64
WEAKEST_MODE = 1e-6
"""Modes with less than this share of the strongest mode's power are left out."""
LARGEST_SHARE = 0.9999
"""Of what an element's channel is known by, the largest share of its own symbol."""


class FieldPrior(NamedTuple):
    """Gaussian channels of the streams of a grid.

    rotation : [batch, antennas, antennas], complex: columns are the turned antennas
    strengths : [batch, antennas], of those
    loads : [batch, elements, modes], complex, of time and frequency
    energies : [batch, streams]
    """

    rotation: tf.Tensor
    strengths: tf.Tensor
    loads: tf.Tensor
    energies: tf.Tensor


class Symbols(NamedTuple):
    """Means, complex, and variances of symbols: [batch, streams, elements]."""

    mean: tf.Tensor
    variance: tf.Tensor


class Estimate(NamedTuple):
    """Channels, [batch, antennas, streams, elements], and variance of their errors.

    powers : [batch, modes], as told anew, over those of the prior
    """

    mean: tf.Tensor
    variance: tf.Tensor
    powers: tf.Tensor


SIGNATURE = Estimate(tf.complex64, tf.float32, tf.float32)


def field_prior(antennas, time, frequency, energies) -> FieldPrior:
    """Of a Kronecker covariance, by the eigenvalues and eigenvectors of its factors.

    antennas : of one polarisation, [1 or batch, n] and [1 or batch, n, n]
    time, frequency : the same over symbols and subcarriers
    energies : of streams in all polarisations, between which antennas alternate, with
        respect to these covariances: [batch, streams, polarisations]
    """
    strengths, rotation = (tf.cast(z, t) for z, t in zip(antennas, SINGLE, strict=True))
    polarisations, batch = energies.shape[2], tf.shape(energies)[0]
    count = rotation.shape[-1] * polarisations
    mean = tf.reduce_mean(energies, 2)
    share = tf.reduce_sum(energies, 1) / tf.reduce_sum(mean, 1, keepdims=True)
    strengths = tf.reshape(strengths[:, :, None] * share[:, None], [-1, count])
    eye = tf.eye(polarisations, dtype=tf.complex64)
    rotation = rotation[:, :, None, :, None] * eye[:, None]
    rotation = tf.reshape(rotation, [-1, count, count])
    found = rotation, strengths, _loads(time, frequency)
    return FieldPrior(*(_of_all(z, batch) for z in found), mean)


def _of_all(z, batch):
    """What a batch may share, for each of it."""
    return tf.broadcast_to(z, tf.concat([[batch], tf.shape(z)[1:]], 0))


def _loads(time, frequency):
    """Loads over [symbols * subcarriers] of the strongest modes of both axes."""
    p, u, q, w = (
        tf.cast(z, t) for z, t in zip((*time, *frequency), 2 * SINGLE, strict=True)
    )
    powers = p[:, :, None] * q[:, None, :]
    least = WEAKEST_MODE * tf.reduce_max(powers, [1, 2], keepdims=True)
    first, second = tf.unstack(tf.where(tf.reduce_any(powers > least, 0)), axis=1)
    u = u * _complex(tf.sqrt(tf.nn.relu(p)))[:, None]
    w = w * _complex(tf.sqrt(tf.nn.relu(q)))[:, None]
    u, w = tf.gather(u, first, axis=2), tf.gather(w, second, axis=2)
    elements = u.shape[1] * w.shape[1]
    loads = u[:, :, None] * w[:, None]
    return tf.reshape(loads, [-1, elements, tf.size(first)])


def told_anew(loads, powers):
    """Loads of modes with so many times their powers.

    With powers of `estimate` or `predict` it is a step of expectation maximisation
    (Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1977): the mean of |w_j|^2 over
    streams and antennas, given what is received.
    """
    return loads * _complex(tf.sqrt(powers))[:, None]


def turned(prior: FieldPrior, y):
    """What the turned antennas receive: [batch, antennas, elements]."""
    return tf.matmul(prior.rotation, y, adjoint_a=True)


def estimate(prior: FieldPrior, y, symbols: Symbols, no) -> Estimate:
    """The channels of all elements.

    y : [batch, antennas, elements], complex; no : [batch]
    """

    def one(grid):
        rotation, grid = grid[0], grid[1:]
        mean, variances, _, powers = _posterior(*grid)
        own = tf.stack([tf.math.real(variances[s][s]) for s in range(len(variances))])
        mean, own = tf.transpose(mean, [2, 0, 1]), tf.transpose(own, [2, 0, 1])
        mean = tf.tensordot(rotation, mean, 1)
        return Estimate(mean, tf.tensordot(tf.abs(rotation) ** 2, own, 1), powers)

    grids = prior.rotation, *_grids(prior, y, symbols, no)
    return tf.map_fn(one, grids, fn_output_signature=SIGNATURE)


def predict(prior: FieldPrior, y, symbols: Symbols, sent: Symbols, no) -> Estimate:
    """Channels as all elements but the own one tell them, and what disturbs there.

    symbols : by which the channel is known; sent : what may have been sent, as far as
    the received value of the own element has not told it

    Returns the means of the turned antennas; the variance is that of noise and channel
    errors, [batch, antennas, elements].
    """

    def one(grid):
        *grid, m, u = grid
        y, x, no = grid[3], grid[4], grid[6]
        mean, covariance, weight, powers = _posterior(*grid)
        streams = range(len(covariance))
        known = [_sum(covariance[s], tf.math.conj(x)) for s in streams]
        share = weight[:, None] * tf.math.real(_sum(known, x))
        gain = weight[:, None] / (1 - tf.minimum(share, LARGEST_SHARE))
        rest = tf.transpose(y) - _sum(tf.unstack(mean), x)
        mean = [mean[s] - _complex(gain) * known[s] * rest for s in streams]
        error = gain * tf.abs(_sum(known, m)) ** 2
        for s in streams:
            error += tf.math.real(m[s][:, None] * _sum(covariance[s], tf.math.conj(m)))
            own = tf.math.real(covariance[s][s]) + gain * tf.abs(known[s]) ** 2
            error += u[s][:, None] * own
        mean = tf.transpose(tf.stack(mean), [2, 0, 1])
        return Estimate(mean, tf.transpose(no + error), powers)

    grids = *_grids(prior, y, symbols, no), sent.mean, sent.variance
    return tf.map_fn(one, grids, fn_output_signature=SIGNATURE)


def _grids(prior, y, symbols, no):
    return *prior[1:], y, *symbols, no


def _posterior(strengths, loads, energies, y, x, v, no):
    """Of the channels of a grid, [streams, elements, antennas], given all symbols.

    Returns the mean; covariances of the streams, a table of [elements, antennas]; the
    inverse of noise and what uncertain symbols bring along, [elements]; and what the
    powers of the modes are told to be, [modes].
    """
    streams = x.shape[0]
    power = tf.reduce_mean(strengths) * tf.reduce_sum(tf.abs(loads) ** 2, 1)
    weight = 1 / (no + power * tf.linalg.matvec(v, energies, transpose_a=True))
    root, size = _complex(tf.sqrt(weight)), _complex(tf.sqrt(energies))
    seen = (root * x * size[:, None])[..., None] * loads
    seen = tf.reshape(tf.transpose(seen, [1, 0, 2]), [tf.shape(y)[1], -1])
    gains, modes = tf.linalg.eigh(tf.matmul(seen, seen, adjoint_a=True))
    gains = tf.nn.relu(tf.math.real(gains))[:, None]
    told = tf.matmul(seen, tf.transpose(root * y), adjoint_a=True)
    told = tf.matmul(modes, told, adjoint_a=True)
    share = 1 / (1 + strengths * gains)  # [streams * modes, antennas]
    left = strengths * share
    reach = tf.matmul(loads, tf.reshape(modes, [streams, -1, tf.shape(modes)[1]]))
    reach *= size[:, None, None]
    mean = tf.matmul(reach, _complex(left) * told)
    table = [[None] * streams for _ in range(streams)]
    for s in range(streams):
        for t in range(s + 1):
            both = tf.matmul(reach[s] * tf.math.conj(reach[t]), _complex(left))
            table[s][t], table[t][s] = both, tf.math.conj(both)
    known = strengths * tf.abs(tf.matmul(modes, _complex(share) * told)) ** 2
    known += tf.matmul(tf.abs(modes) ** 2, share)
    powers = tf.reshape(tf.reduce_mean(known, 1), [streams, -1])
    return mean, table, weight, tf.reduce_mean(powers, 0)


def _sum(parts, weights):
    """`sum_s weights_s parts_s`: arrays [elements, antennas], weights [elements]."""
    weighted = zip(parts, tf.unstack(weights), strict=True)
    return tf.add_n([part * weight[:, None] for part, weight in weighted])


def _complex(x):
    return tf.complex(x, tf.zeros_like(x))
