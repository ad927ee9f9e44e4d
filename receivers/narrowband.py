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

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from models.posterior import LinearGaussianLikelihood, PosteriorDenoiser
from models.samplers import heun
from models.schedules import karras_sigmas
from models.spectral import array_response, as_complex

DOUBT = 6.0
"""Standard deviations of `surprise` beyond which `checked` gives up the prior."""
PROBE = 0.05
"""Size of the step by which divergences are measured, relative to the noise."""
ROUNDS, REFINEMENTS = 3, 7
"""Of `oamp`, with two evaluations each."""
LEVELS = 18
"""Noise levels of `dmse` and `posterior`."""
DRAWS = 8
"""Samples that `posterior` averages."""


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
    start = x
    for share in np.geomspace(1, 1e-3, LEVELS):
        level, following = variance * share, variance * share * 10 ** (-3 / LEVELS)
        x0_hat = _estimate(denoiser, x, level)
        x = x0_hat + as_complex(following / level) * (x - x0_hat)
    _, err_var = denoise(denoiser, start, variance)
    return _estimate(denoiser, x, variance * 1e-3), err_var


def oamp(denoiser, y, pilots, no):
    """Orthogonal approximate message passing, for any pilots: 20 evaluations.

    The linear MMSE estimate under a white prior and the denoiser in turns, each given
    only what the other adds (Ma and Ping 2017; Rangan, Schniter and Fletcher, "Vector
    approximate message passing", 2019, algorithm 3). For a Gaussian prior the fixed
    point is the exact LMMSE estimate, whatever the variances of the messages; so after
    `ROUNDS` rounds these are kept, and Anderson's method finds the fixed point.

    The error variance is the response of the estimate to a linear tilt of the
    posterior, `b^H Cov(h | y) b / n` for signs b, found along with it.
    """
    powers, modes = ops.linalg.eigh(ops.matmul(pilots, _h(pilots)))
    powers = ops.maximum(ops.real(powers), 0)[:, None]
    seen = ops.matmul(ops.matmul(y, _h(pilots)), modes)

    def linear(prior, variance):
        """Estimate and variance from the pilots under a white prior, in the modes."""
        gain = variance / (variance * powers + no)
        x = prior + as_complex(gain) * (seen - as_complex(powers) * prior)
        return x, ops.mean(gain * no, axis=-1, keepdims=True)

    prior, variance = ops.zeros_like(seen), ops.ones_like(powers[..., :1])
    for _ in range(ROUNDS):
        x, kept = linear(prior, variance)
        x, level = _extrinsic(x, kept, prior, variance)
        x = ops.matmul(x, _h(modes))
        h_hat, err_var = denoise(denoiser, x, level)
        prior, variance = _extrinsic(h_hat, err_var, x, level)
        prior = ops.matmul(prior, modes)

    signs, size = _signs(h_hat.shape), PROBE / ops.sqrt(err_var)
    tilt = as_complex(no * size) * ops.matmul(signs, modes)
    seen = ops.concatenate([seen, seen + tilt])
    powers, modes, variance = (
        ops.concatenate([z, z]) for z in (powers, modes, variance)
    )
    estimates = []

    def step(prior):
        x, kept = linear(prior, variance)
        x, level = _extrinsic(x, kept, prior, variance)
        x = ops.matmul(x, _h(modes))
        estimates.append(_estimate(denoiser, x, level))
        ratio = variance / level
        x = as_complex(1 + ratio) * estimates[-1] - as_complex(ratio) * x
        return ops.matmul(x, modes)

    anderson(step, ops.concatenate([prior, prior]), REFINEMENTS)
    h_hat, tilted = ops.split(estimates[-1], 2)
    response = ops.real(ops.conj(signs) * (tilted - h_hat)) / size
    response = ops.mean(response, axis=(1, 2), keepdims=True)
    return h_hat, ops.maximum(response, 1e-3 * err_var)


def adaptive(denoiser, y, pilots, no):
    """The estimate under the covariance that the observation itself betrays, at once.

    denoiser : a `SpectralDenoiser` for [transmit, receive], here of the field Y^T, for
        which the pilots are part of the array
    """
    batch, receive, number = y.shape
    transmit, points = pilots.shape[1], denoiser.points
    arrays = array_response(transmit, points[0]), array_response(receive, points[1])
    scale = np.float32(transmit**-0.5)
    seen = ops.matmul(ops.swapaxes(pilots, -1, -2), arrays[0]) * scale
    x = ops.view_as_real(ops.swapaxes(y, -1, -2) * scale)[:, None]
    sigma = ops.sqrt(no / 2) * scale
    h_hat, err_var = denoiser.posterior(x, sigma, arrays, [seen, arrays[1]])
    return tuple(ops.swapaxes(z[:, 0], -1, -2) for z in (h_hat, err_var))


def surprise(h_hat, y, pilots, no):
    """How many standard deviations the observation lies from a Gaussian prior: [batch].

    `y^H R^-1 y = y^H (y - A h_hat) / no` at the LMMSE estimate, which is gamma
    distributed with mean and variance n for n observations.
    """
    gap = y - ops.matmul(h_hat, pilots)
    size = y.shape[1] * y.shape[2]
    distance = ops.sum(ops.real(ops.conj(y) * gap), axis=(1, 2)) / no
    return (distance - size) / size**0.5


def checked(denoiser, fallback, y, pilots, no):
    """`oamp`, and `adaptive` around `fallback` where the prior is surely wrong.

    That is where `surprise` exceeds `DOUBT`: channels of a kind never trained on.
    """
    estimates = oamp(denoiser, y, pilots, no), adaptive(fallback, y, pilots, no)
    wrong = surprise(estimates[0][0], y, pilots, no)[:, None, None] > DOUBT
    return tuple(ops.where(wrong, b, a) for a, b in zip(*estimates, strict=True))


def anderson(step, x, steps: int):
    """The fixed point of `step` after `steps` evaluations, by Anderson's method.

    Type II (Walker and Ni, "Anderson acceleration for fixed-point iterations", 2011),
    which is GMRES where `step` is affine; each sample of the batch by itself.
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
    state, not from the best along the way. The error variance is that of `oamp`.
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
        pull = ops.view_as_real(ops.matmul(gap, _h(pilots)))
        drift = score - pull / (no / 2 + sigma**2)
        return h + step * drift + ops.sqrt(2 * temper * step) * normal()

    h = ops.fori_loop(0, 3 * levels, body, normal())
    return ops.view_as_complex(h), oamp(denoiser, y, pilots, no)[1]


ESTIMATORS: dict[str, Callable] = {
    "tweedie": tweedie,
    "dmse": dmse,
    "oamp": oamp,
    "posterior": posterior,
    "langevin": langevin,
    "adaptive": adaptive,
    "checked": checked,
}
"""By name; `checked` takes two denoisers."""


def matched(y, pilots, no):
    """`y P^H / |p|^2` and its noise variance, [batch, 1, 1], for orthogonal rows."""
    energy = ops.mean(ops.sum(ops.abs(pilots) ** 2, axis=-1), axis=-1)[:, None, None]
    return ops.matmul(y, _h(pilots)) / as_complex(energy), no / energy


def denoise(denoiser, x, variance):
    """The estimate from `x`, and the variance of its error, `variance div / n`.

    By Stein's lemma the error of an MMSE estimate per real dimension is the noise times
    its mean derivative, measured along random signs. x: [batch, receive, transmit],
    complex; variance per complex element: [batch, 1, 1].
    """
    signs = _signs(x.shape)
    step = PROBE * ops.sqrt(variance)
    x0_hat = _estimate(denoiser, x, variance)
    beside = _estimate(denoiser, x + as_complex(step) * signs, variance)
    slope = ops.real(ops.conj(signs) * (beside - x0_hat)) / step
    slope = ops.mean(slope, axis=(1, 2), keepdims=True)
    return x0_hat, variance * ops.clip(slope, 1e-4, 0.9999)


def _signs(shape):
    """Complex numbers of magnitude 1 with random signs, always the same ones."""
    signs = ops.sign(keras.random.normal((*shape, 2), seed=1))
    return ops.view_as_complex(signs) / np.complex64(np.sqrt(2))


def _flat(x):
    """Real vectors [batch, n] of complex arrays [batch, ...]."""
    return ops.reshape(ops.view_as_real(x), (x.shape[0], -1))


def _estimate(denoiser, x, variance):
    x = ops.view_as_real(x)[:, None]
    sigma = ops.sqrt(variance / 2)[:, None, :, :, None]
    return ops.view_as_complex(denoiser(x, sigma)[:, 0])


def _extrinsic(mean, variance, prior, prior_variance):
    """What a Gaussian estimate adds to the Gaussian message it was given."""
    precision = 1 / variance - 1 / prior_variance
    weighted = mean / as_complex(variance) - prior / as_complex(prior_variance)
    return weighted / as_complex(precision), 1 / precision


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


def _h(x):
    return ops.conj(ops.swapaxes(x, -1, -2))
