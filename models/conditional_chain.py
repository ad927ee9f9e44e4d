"""A diffusion that leads from a clean signal to its corrupted version.

The conditional process of CDiffuSE (Lu et al., ICASSP 2022): with `A_t` the signal
power left after step t and `y` the corrupted signal,

    x_t = sqrt(A_t) ((1 - m_t) x0 + m_t y) + sqrt(delta_t) n
    m_t^2 = (1 - A_t) / sqrt(A_t),  delta_t = (1 - A_t)(1 - sqrt(A_t)).

Given `y`, this is a plain diffusion in disguise: `(x_t / sqrt(A_t) - m_t y) /
(1 - m_t) = x0 + sigma_t n`. So one conditional denoiser `x0_hat = denoiser(x, sigma)`
runs the chain. At the end, `m_T = 1` and `sigma_T` is infinite: x_T knows nothing that
y does not, and a single step from there is the MMSE estimate of x0 given y.
"""

import numpy as np
from keras import ops

from link_sim.models.schedules import alpha_bars, bridge_betas

SIGMA_INFINITE = 1e4
"""Stands for `sigma_T`: the denoiser is asked for its estimate from y alone."""


class ConditionalChain:
    """The coefficients of the process at t = 0 ... T, float64 [T + 1] each.

    Args:
        num_levels: T.

    Attributes:
        a: `A_t`, from 1 to 0.382.
        m: Weight of the corrupted signal, from 0 to exactly 1.
        delta: Variance of the noise.
        sigma: Noise of the equivalent plain diffusion, from 0 to `SIGMA_INFINITE`.
    """

    def __init__(self, num_levels: int = 200):
        self.num_levels = num_levels
        self.a = alpha_bars(bridge_betas(num_levels))
        self.m = np.sqrt((1 - self.a) / np.sqrt(self.a))
        self.m[-1] = 1.0
        self.delta = (1 - self.a) * (1 - np.sqrt(self.a))
        with np.errstate(divide="ignore"):
            sigma = np.sqrt(self.delta / self.a) / (1 - self.m)
        self.sigma = np.minimum(sigma, SIGMA_INFINITE)

    def forward(self, x0, y, t: int, noise):
        """`x_t` from clean `x0`, corrupted `y` and standard normal `noise`."""
        clean, corrupted, spread = self._forward_weights(t)
        return clean * x0 + corrupted * y + spread * noise

    def levels(self, num_steps: int) -> np.ndarray:
        """`num_steps + 1` evenly spaced t from T down to 0."""
        if not 1 <= num_steps <= self.num_levels:
            raise ValueError(
                f"num_steps={num_steps} is outside 1 ... {self.num_levels}, "
                "the levels of this chain"
            )
        return np.rint(np.linspace(self.num_levels, 0, num_steps + 1)).astype(int)

    def step_coefficients(self, t, s, eta: float):
        """Of the step t -> s < t: weights of x0_hat, y, x_t and fresh noise.

        The DDIM-like family with the marginals of the chain: `eta = 1` draws from
        the exact posterior q(x_s | x_t, x0, y), `eta = 0` adds no noise.
        """
        a, m, delta = self.a, self.m, self.delta
        ratio = (1 - m[t]) / (1 - m[s])
        step_variance = delta[t] - ratio**2 * a[t] / a[s] * delta[s]
        variance = eta**2 * step_variance * delta[s] / delta[t]
        keep = np.sqrt(np.maximum(delta[s] - variance, 0) / delta[t])
        clean = np.sqrt(a[s]) * (1 - m[s]) - keep * np.sqrt(a[t]) * (1 - m[t])
        corrupted = np.sqrt(a[s]) * m[s] - keep * np.sqrt(a[t]) * m[t]
        return clean, corrupted, keep, np.sqrt(variance)

    def _forward_weights(self, t):
        corrupted = np.sqrt(self.a[t]) * self.m[t]
        clean = np.sqrt(self.a[t]) - corrupted
        return float(clean), float(corrupted), float(np.sqrt(self.delta[t]))


def sample_chain(denoiser, y, noise, chain: ConditionalChain, num_steps: int, eta=0.0):
    """Restores `y` in `num_steps` evaluations of `denoiser`.

    One step gives the MMSE estimate and no noise enters; T steps with `eta = 1` are
    the sampler of Lu et al.

    Args:
        denoiser: `x0_hat = denoiser(x, sigma)`, bound to the condition.
        y: The corrupted signal, on the scale of x0.
        noise: Standard normal [num_steps, *y.shape]; [1, *y.shape] if `eta` is 0, and
            none if `num_steps` is 1.
        eta: 0 (deterministic after the first noise) to 1 (ancestral).
    """
    x0_hat = denoiser(ops.zeros_like(y), SIGMA_INFINITE)
    if num_steps == 1:
        return x0_hat
    levels = chain.levels(num_steps)
    t, s = levels[1:-1], levels[2:]
    inputs = 1 / np.sqrt(chain.a[t]) / (1 - chain.m[t]), chain.m[t] / (1 - chain.m[t])
    steps = (*inputs, chain.sigma[t], *chain.step_coefficients(t, s, eta))
    steps = ops.convert_to_tensor(np.stack(steps), y.dtype)

    def body(i, x):
        scale, shift, sigma, clean, corrupted, keep, spread = ops.unstack(steps[:, i])
        x0_hat = denoiser(scale * x - shift * y, sigma)
        x = clean * x0_hat + corrupted * y + keep * x
        return x + spread * noise[i + 1] if eta else x

    x = chain.forward(x0_hat, y, levels[1], noise[0])  # x_T tells no more than y
    return ops.fori_loop(0, num_steps - 1, body, x)
