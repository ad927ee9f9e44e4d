"""Samplers: pure functions of a denoiser, a start and decreasing noise levels.

`x` is a state at level `sigmas[0]`, `x0 + sigmas[0] n`; a final level of 0 returns a
clean sample. Random samplers take their standard normal noise as an argument, so all
of them run alike eagerly, in graphs, and on every Keras backend.
"""

from keras import ops


def euler(denoiser, x, sigmas):
    """First-order steps along the probability-flow ODE.

    `dx / dsigma = (x - x0_hat) / sigma` (Karras et al. 2022, eq. 3); the error falls
    like 1 / steps.
    """
    sigmas = ops.convert_to_tensor(sigmas, x.dtype)

    def body(i, x):
        slope = (x - denoiser(x, sigmas[i])) / sigmas[i]
        return x + (sigmas[i + 1] - sigmas[i]) * slope

    return ops.fori_loop(0, sigmas.shape[0] - 1, body, x)


def heun(denoiser, x, sigmas):
    """Second-order steps (Karras et al. 2022, algorithm 1): two evaluations each.

    The error falls like 1 / steps^2. The last level has to be 0, and is reached by an
    Euler step.
    """
    sigmas = ops.convert_to_tensor(sigmas, x.dtype)

    def body(i, x):
        step = sigmas[i + 1] - sigmas[i]
        slope = (x - denoiser(x, sigmas[i])) / sigmas[i]
        ahead = x + step * slope
        slope_ahead = (ahead - denoiser(ahead, sigmas[i + 1])) / sigmas[i + 1]
        return x + step * (slope + slope_ahead) / 2

    x = ops.fori_loop(0, sigmas.shape[0] - 2, body, x)
    return euler(denoiser, x, sigmas[-2:])


def ddim(denoiser, x, sigmas, noise=None, eta=0.0):
    """DDIM (Song et al. 2021, eq. 12 and 16) in the denoiser's scale.

    `eta = 0` is `euler`; `eta = 1` draws each step from the exact Gaussian posterior
    q(x_next | x, x0_hat), which is DDPM's ancestral sampling.

    Args:
        noise: Standard normal [len(sigmas) - 1, *x.shape], unless `eta` is 0.
        eta: Share of the ancestral noise, 0 to 1.
    """
    if eta == 0:
        return euler(denoiser, x, sigmas)
    sigmas = ops.convert_to_tensor(sigmas, x.dtype)

    def body(i, x):
        now, after = sigmas[i], sigmas[i + 1]
        x0_hat = denoiser(x, now)
        fresh = eta * after * ops.sqrt(1 - (after / now) ** 2)
        kept = ops.sqrt(after**2 - fresh**2) / now
        return x0_hat + kept * (x - x0_hat) + fresh * noise[i]

    return ops.fori_loop(0, sigmas.shape[0] - 1, body, x)


def ddpm(denoiser, x, sigmas, noise):
    """Ancestral sampling (Ho et al. 2020, algorithm 2)."""
    return ddim(denoiser, x, sigmas, noise, eta=1.0)


def annealed_langevin(denoiser, x, sigmas, noise, step_size=0.1):
    """Langevin steps at each level, with the score `(x0_hat - x) / sigma^2`.

    Step `step_size sigma^2` at level sigma (Song and Ermon 2019, algorithm 1). The
    result is a sample at the last level, with its noise; denoise it once more for a
    clean one.

    Args:
        sigmas: Decreasing and above 0: there is a step for each.
        noise: Standard normal [len(sigmas), steps per level, *x.shape].
        step_size: Relative to sigma^2; stationary variances are off by this order.
    """
    sigmas = ops.convert_to_tensor(sigmas, x.dtype)
    per_level = noise.shape[1]

    def body(i, x):
        level, step = i // per_level, i % per_level
        sigma = sigmas[level]
        drift = step_size * (denoiser(x, sigma) - x)
        return x + drift + (2 * step_size) ** 0.5 * sigma * noise[level, step]

    return ops.fori_loop(0, sigmas.shape[0] * per_level, body, x)
