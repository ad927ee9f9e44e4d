"""Vector approximate message passing around a denoiser of channels."""

import numpy as np
from keras import ops

from link_sim.models.kronecker import as_complex
from link_sim.receivers.estimation.mimo_denoising import (
    PROBE,
    audible,
    denoise,
    estimate,
    hermitian,
    signs_like,
)

ROUNDS = 3
"""Of message passing, with two evaluations each."""
ANDERSON_STEPS, MAX_ANDERSON_STEPS = 2.5, 30
"""Steps to the fixed point, of two evaluations, with as many pilots as antennas; with
fewer, as the square of the ratio more, up to the second number."""


def vamp(denoiser, y, pilots, no):
    """The posterior mean for any pilots, by message passing.

    It takes 20 evaluations where pilots are 60 % of the antennas. Arguments and results
    as in `link_sim.receivers.estimation.mimo`.

    The linear MMSE estimate under a white prior and the denoiser in turns, each given
    only what the other adds (Rangan, Schniter and Fletcher, "Vector approximate message
    passing", 2019, algorithm 3). For a Gaussian prior the fixed point is the exact
    LMMSE estimate, whatever the variances of the messages; so after `ROUNDS` rounds
    these are kept, and Anderson's method finds the fixed point.

    The error variance is the response of the estimate to a linear tilt of the
    posterior, `b^H Cov(h | y) b / n` for signs b, found along with it. Where more noise
    is assumed than there is, it is less by what the estimate, `Cov P^H y / no`, would
    have of that noise; what the residual shows beside the model is counted as noise
    (`_stated`).
    """
    actual, assumed = no, audible(y, no)
    no = assumed
    powers, modes = ops.linalg.eigh(ops.matmul(pilots, hermitian(pilots)))
    powers = ops.maximum(ops.real(powers), 0)[:, None]
    seen = ops.matmul(ops.matmul(y, hermitian(pilots)), modes)

    def linear(prior, variance):
        """Estimate and variance from the pilots under a white prior, in the modes."""
        gain = variance / (variance * powers + no)
        x = prior + as_complex(gain) * (seen - as_complex(powers) * prior)
        return x, ops.mean(gain * no, axis=-1, keepdims=True)

    prior, variance = ops.zeros_like(seen), ops.ones_like(powers[..., :1])
    for _ in range(ROUNDS):
        x, kept = linear(prior, variance)
        x, level = _extrinsic(x, kept, prior, variance)
        x = ops.matmul(x, hermitian(modes))
        h_hat, err_var = denoise(denoiser, x, level)
        prior, variance = _extrinsic(h_hat, err_var, x, level)
        prior = ops.matmul(prior, modes)

    signs, size = signs_like(h_hat.shape), PROBE / ops.sqrt(err_var)
    tilt = as_complex(no * size) * ops.matmul(signs, modes)
    seen = ops.concatenate([seen, seen + tilt])
    powers, modes, variance, no = (
        ops.concatenate([z, z]) for z in (powers, modes, variance, no)
    )
    estimates = []

    def step(prior):
        x, kept = linear(prior, variance)
        x, level = _extrinsic(x, kept, prior, variance)
        x = ops.matmul(x, hermitian(modes))
        estimates.append(estimate(denoiser, x, level))
        ratio = variance / level
        x = as_complex(1 + ratio) * estimates[-1] - as_complex(ratio) * x
        return ops.matmul(x, modes)

    ratio = pilots.shape[1] / pilots.shape[2]
    steps = min(round(ANDERSON_STEPS * ratio**2), MAX_ANDERSON_STEPS)
    anderson(step, ops.concatenate([prior, prior]), steps)
    h_hat, tilted = ops.split(estimates[-1], 2)
    response = (tilted - h_hat) / as_complex(size)
    stated = _stated(signs, response, y, pilots, h_hat, actual, assumed)
    return h_hat, ops.maximum(stated, 1e-3 * err_var)


def _stated(signs, response, y, pilots, h_hat, actual, assumed):
    """Error variance of an estimate that assumes more noise than there is.

    response : `Cov(h | y) b` for the signs b

    With gains g in the modes of the observation, `sum |y - h_hat P|^2` is expected to
    be `sum (1 - g)` times the noise if that is as assumed, and tells another by one
    step of Fisher's scoring, with `sum (1 - g)^2` as information, as if what is actual
    were known beforehand as well as by one observation of nothing else.
    """
    n = y.shape[1] * y.shape[2]
    seen, rest = ops.matmul(response, pilots), y - ops.matmul(h_hat, pilots)
    told = _total(ops.conj(ops.matmul(signs, pilots)) * seen) / assumed
    told, heard = ops.clip(told, 0, n), _total(ops.conj(seen) * seen) / assumed**2
    energy = _total(ops.conj(pilots) * pilots) / pilots.shape[2]
    free = n - 2 * told + ops.clip(energy * heard, told**2 / n, told)
    surplus = _total(ops.conj(rest) * rest) / assumed - (n - told)
    surplus = (actual / assumed - 1 + surplus) / (1 + free)
    noise = ops.clip(assumed * (1 + surplus), actual, assumed)
    stated = _total(ops.conj(signs) * response) - (assumed - noise) * heard
    return stated / (y.shape[1] * pilots.shape[1])


def _total(x):
    return ops.sum(ops.real(x), axis=(1, 2), keepdims=True)


def anderson(step, x, steps: int):
    """The fixed point of `step` after `steps` evaluations, by Anderson's method.

    Anderson, "Iterative procedures for nonlinear integral equations", 1965; type II of
    Walker and Ni, "Anderson acceleration for fixed-point iterations", 2011, which is
    GMRES where `step` is affine; each sample of the batch by itself.
    """
    points, gaps = [], []
    for _ in range(steps):
        gap = step(x) - x
        points.append(_flat(x))
        gaps.append(_flat(gap))
        moved = points[-1] + gaps[-1]
        if len(gaps) > 1:
            dx, dg = (
                ops.stack([z[i + 1] - z[i] for i in range(len(z) - 1)], axis=-1)
                for z in (points, gaps)
            )
            steep = ops.cast(dg, "float64")  # the normal equations square its condition
            gram = ops.matmul(ops.swapaxes(steep, -1, -2), steep)
            ridge = 1e-10 * ops.trace(gram, axis1=-2, axis2=-1)[:, None, None]
            gram = gram + (ridge + 1e-30) * np.eye(gram.shape[-1])
            gap = ops.cast(gaps[-1], "float64")[..., None]
            weights = ops.solve(gram, ops.matmul(ops.swapaxes(steep, -1, -2), gap))
            weights = ops.cast(weights, "float32")
            moved = moved - ops.matmul(dx + dg, weights)[..., 0]
        x = ops.view_as_complex(ops.reshape(moved, (*x.shape, 2)))
    return x


def _extrinsic(mean, variance, prior, prior_variance):
    """What a Gaussian estimate adds to the Gaussian message it was given."""
    precision = 1 / variance - 1 / prior_variance
    weighted = mean / as_complex(variance) - prior / as_complex(prior_variance)
    return weighted / as_complex(precision), 1 / precision


def _flat(x):
    """Real vectors [batch, n] of complex arrays [batch, ...]."""
    return ops.reshape(ops.view_as_real(x), (x.shape[0], -1))
