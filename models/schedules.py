"""Noise levels as plain arrays: samplers take them and know nothing of schedules."""

import numpy as np


def karras_sigmas(num_steps: int, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    """`num_steps` decreasing levels, evenly spaced in sigma^(1/rho), and a final 0.

    Karras et al. 2022, eq. 5. Returns float64 [num_steps + 1].
    """
    ends = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return np.append(np.linspace(*ends, num_steps) ** rho, 0.0)


def linear_betas(num_levels: int, beta_min=1e-4, beta_max=0.02):
    """The variances that each step of a DDPM adds (Ho et al. 2020): [num_levels]."""
    return np.linspace(beta_min, beta_max, num_levels)


def alpha_bars(betas):
    """Signal power left after each step, with a leading 1: [num_levels + 1]."""
    return np.append(1.0, np.cumprod(1.0 - np.asarray(betas)))


def bridge_betas(num_levels: int, beta_min=1e-4):
    """Linear variances that end with all weight on the condition: `m_T = 1`.

    `m_T^2 = (1 - A) / sqrt(A) = 1` asks for `A_T = ((sqrt(5) - 1) / 2)^2 = 0.382`
    (see `conditional_chain`); the last beta is found by bisection, 0.00949 for 200
    levels.
    """
    target = ((np.sqrt(5) - 1) / 2) ** 2
    low, high = beta_min, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        above = alpha_bars(linear_betas(num_levels, beta_min, middle))[-1] > target
        low, high = (middle, high) if above else (low, middle)
    return linear_betas(num_levels, beta_min, low)
