"""Channel estimators for Y = H P + N, all around the same denoiser of channels.

Each is a function `estimator(denoiser, y, pilots, no) -> h_hat, err_var`:

    y : [batch, receive, num_pilots], complex, noise variance `no` per element
    pilots : [batch, transmit, num_pilots], complex, known
    no : scalar
    h_hat : [batch, receive, transmit], complex
    err_var : [batch, 1, 1], float, variance of the error per complex element

The denoiser takes channels of unit mean power as [batch, 1, receive, transmit, 2] real
and imaginary parts. Its noise has the variance sigma^2 = no / 2 per real dimension.
"""

import keras
import numpy as np
from keras import ops

from link_sim.models.kronecker import as_complex, double, square
from link_sim.models.posterior import LinearGaussianLikelihood, PosteriorDenoiser
from link_sim.models.samplers import euler, heun
from link_sim.models.schedules import karras_sigmas
from link_sim.models.spectral import array_response
from link_sim.receivers.estimation.message_passing import vamp
from link_sim.receivers.estimation.mimo_denoising import (
    PROBE,
    audible,
    denoise,
    estimate,
    hermitian,
    matched,
    signs_like,
)

SURPRISE_LIMIT = 6.0
"""Standard deviations of `surprise` beyond which `checked` gives up the prior."""
LEVELS = 18
"""Noise levels of `dmse` and `posterior`."""
DRAWS = 8
"""Samples that `posterior` averages."""
MOST_HIDDEN = 2.0
"""Most times by which an error that the model misses is taken to be larger in the
channel than at the pilots, as errors are that the model knows."""


def tweedie(denoiser, y, pilots, no):
    """The MMSE estimate by one evaluation, for orthogonal pilots.

    `y P^H / |p|^2` is the channel with white noise (Robbins 1956, Miyasawa 1961); a
    second evaluation beside it measures the divergence for the error variance.
    """
    x, variance = matched(y, pilots, no)
    return denoise(denoiser, x, variance)


def dmse(denoiser, y, pilots, no):
    """The deterministic chain of posterior means, for orthogonal pilots.

    Every step moves to the mean of q(x_next | x, x0_hat) without adding noise (Fesl et
    al., "Diffusion-based generative prior for low-complexity MIMO channel estimation",
    IEEE WCL 2024), from the noise level of the observation down to zero.
    """
    x, variance = matched(y, pilots, no)
    levels = np.append(1e-3 ** (np.arange(LEVELS + 1) / LEVELS), 0)

    def mean(x, level):
        return estimate(denoiser, x, variance * ops.real(level))

    _, err_var = denoise(denoiser, x, variance)
    return euler(mean, x, levels), err_var  # a mean is an Euler step of variances


def adaptive(denoiser, y, pilots, no):
    """The estimate under the covariance that the observation itself betrays, at once.

    Channels need not have the covariance that is read, and it is read off noise: the
    error variance that follows from it is raised by what Stein's unbiased estimate of
    risk, by a second evaluation beside the first, finds beyond it at the pilots.

    denoiser : a `SpectralDenoiser` for [transmit, receive], here of the field Y^T, for
        which the pilots are part of the array
    """
    moved = y + as_complex(PROBE * ops.sqrt(no)) * signs_like(y.shape)
    step = moved - y  # as rounded
    both = ops.concatenate([y, moved]), ops.concatenate([pilots, pilots])
    h_hat, err_var, told = _read(denoiser, *both, no)
    h_hat, beside = ops.split(h_hat, 2)
    err_var, told = (ops.split(z, 2)[0] for z in (err_var, told))
    rest = y - ops.matmul(h_hat, pilots)
    slope = ops.real(ops.conj(step) * ops.matmul(beside - h_hat, pilots))
    slope, size, rest = (_mean(z) for z in (slope, square(step), square(rest)))
    risk = rest + (2 * ops.clip(slope / size, 0, 1) - 1) * no
    hidden = ops.clip(_mean(err_var) / told, 1, MOST_HIDDEN)
    missed = ops.relu(risk / _energy(pilots) - told)
    return h_hat, err_var + hidden * missed


def _read(denoiser, y, pilots, no):
    """Estimate, its error variance, and the mean of that at the pilots, [batch, 1, 1],
    per element of the channel."""
    receive, transmit, points = y.shape[1], pilots.shape[1], denoiser.points
    arrays = [
        double(array_response(*axis))
        for axis in zip((transmit, receive), points, strict=True)
    ]
    energy = _energy(pilots)
    seen = double(ops.swapaxes(pilots, -1, -2)) / double(ops.sqrt(energy))
    seen, scale = ops.matmul(seen, arrays[0]), energy**-0.5
    x = ops.view_as_real(ops.swapaxes(y, -1, -2) * as_complex(scale))[:, None]
    sigma = (ops.sqrt(no / 2) * scale)[..., None, None]
    found = denoiser.posterior_and_told(x, sigma, arrays, [seen, arrays[1]])
    return tuple(ops.swapaxes(z[:, 0], -1, -2) for z in found)


def _energy(pilots):
    """Of the pilots of one symbol, [batch, 1, 1]."""
    return ops.mean(ops.sum(square(pilots), axis=1), axis=1)[:, None, None]


def _mean(x):
    return ops.mean(x, axis=(1, 2), keepdims=True)


def surprise(h_hat, y, pilots, no):
    """How many standard deviations the observation lies from a Gaussian prior: [batch].

    `y^H R^-1 y = y^H (y - A h_hat) / no` at the LMMSE estimate, which is gamma
    distributed with mean and variance n for n observations.
    """
    gap = y - ops.matmul(h_hat, pilots)
    size = y.shape[1] * y.shape[2]
    distance = ops.sum(ops.real(ops.conj(y) * gap) / audible(y, no), axis=(1, 2))
    return (distance - size) / size**0.5


def checked(denoiser, fallback, y, pilots, no):
    """`vamp`, and `adaptive` around `fallback` where the prior is surely wrong.

    That is where `surprise` exceeds its limit: channels of a kind never trained on.
    """
    estimates = vamp(denoiser, y, pilots, no), adaptive(fallback, y, pilots, no)
    wrong = surprise(estimates[0][0], y, pilots, no)[:, None, None] > SURPRISE_LIMIT
    return tuple(ops.where(wrong, b, a) for a, b in zip(*estimates, strict=True))


def posterior(denoiser, y, pilots, no):
    """Mean of draws from the posterior by `PosteriorDenoiser`, for any pilots."""
    batch, receive, transmit = y.shape[0], y.shape[1], pilots.shape[1]
    likelihood = LinearGaussianLikelihood(_stacked(pilots), no / 2)
    rows = ops.concatenate([ops.real(y), ops.imag(y)], axis=-1)

    def row_denoiser(x, sigma):
        h = ops.reshape(x, (batch, receive, 2, transmit))
        h = ops.transpose(h, (0, 1, 3, 2))[:, None]
        h = ops.transpose(denoiser(h, sigma)[:, 0], (0, 1, 3, 2))
        return ops.reshape(h, (batch, receive, 2 * transmit))

    conditioned = PosteriorDenoiser(row_denoiser, likelihood, rows, np.sqrt(0.5))
    sigmas = karras_sigmas(LEVELS, sigma_min=1e-3, sigma_max=5.0)
    draws = []
    for seed in range(DRAWS):
        noise = keras.random.normal((batch, receive, 2 * transmit), seed=seed)
        x = heun(conditioned, sigmas[0] * noise, sigmas)
        draws.append(_complex(x))
    return _mean_and_variance(ops.stack(draws))


def langevin(denoiser, y, pilots, no):
    """One chain of annealed Langevin dynamics as published, 6,933 evaluations.

    Levels, steps and likelihood term of Arvinte and Tamir, "MIMO channel estimation
    using score-based generative models", IEEE TWC 2023, algorithm 1; from its last
    state, not from the best along the way. The steps were tuned for another network:
    here, what the pilots do not see hardly moves. The error variance is that of `vamp`.
    """
    sigma_max, rate, levels, base, temper = 39.15, 0.995, 2311, 3e-11, 0.01
    sigmas = ops.convert_to_tensor(sigma_max * rate ** np.arange(levels), "float32")
    batch, receive, transmit = y.shape[0], y.shape[1], pilots.shape[1]
    noise = keras.random.SeedGenerator(0)

    def normal():
        return keras.random.normal((batch, receive, transmit, 2), seed=noise)

    def body(i, h):
        sigma = sigmas[i // 3]
        step = base * (sigma / sigmas[-1]) ** 2
        score = (denoiser(h[:, None], sigma)[:, 0] - h) / sigma**2
        gap = ops.matmul(ops.view_as_complex(h), pilots) - y
        pull = ops.view_as_real(ops.matmul(gap, hermitian(pilots)))
        drift = score - pull / (no / 2 + sigma**2)
        return h + step * drift + ops.sqrt(2 * temper * step) * normal()

    h = ops.fori_loop(0, 3 * levels, body, normal())
    return ops.view_as_complex(h), vamp(denoiser, y, pilots, no)[1]


def _stacked(pilots):
    """The real matrix that takes [Re h, Im h] of a row of H to [Re y, Im y]."""
    real, imag = (ops.swapaxes(part(pilots), -1, -2) for part in (ops.real, ops.imag))
    upper = ops.concatenate([real, -imag], axis=-1)
    lower = ops.concatenate([imag, real], axis=-1)
    return ops.concatenate([upper, lower], axis=-2)[:, None]


def _complex(x):
    real, imag = ops.split(x, 2, axis=-1)
    return ops.view_as_complex(ops.stack([real, imag], axis=-1))


def _mean_and_variance(draws):
    """Mean of draws [draws, batch, ...], and its own error variance [batch, 1, 1].

    An average of n draws errs by the posterior variance times (1 + 1 / n).
    """
    number, mean = draws.shape[0], ops.mean(draws, axis=0)
    spread = ops.sum(ops.abs(draws - mean) ** 2, axis=0) / (number - 1)
    variance = ops.mean(spread, axis=(1, 2), keepdims=True)
    return mean, variance * (1 + 1 / number)
