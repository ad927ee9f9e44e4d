"""Samplers: pure functions of a denoiser, a start and decreasing noise levels.

`x` is a state at level `sigmas[0]`, `x0 + sigmas[0] n`; a final level of 0 returns a
clean sample. They run alike eagerly, in graphs, and on every Keras backend. The one
that draws noise is in `conditional_chain`.
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


def transport(velocity, x, num_steps: int):
    """Euler steps of `dx / dt = velocity(x, t)` from t = 0 to 1, evenly spaced."""

    def body(i, x):
        return x + velocity(x, ops.cast(i, x.dtype) / num_steps) / num_steps

    return ops.fori_loop(0, num_steps, body, x)
