"""What networks predict, as formulas around `x0_hat`.

A state `x = a x0 + s n` with signal scale `a` and noise scale `s > 0` (both broadcast
to `x`) turns a prediction of the noise, the velocity, the score or the flow into
`x0_hat` and back. `a = 1, s = sigma` is the scale of the denoiser contract.
"""


def eps_from_x0(x, x0_hat, a, s):
    """Noise `n` of `x = a x0 + s n`."""
    return (x - a * x0_hat) / s


def x0_from_eps(x, eps, a, s):
    """Inverse of `eps_from_x0`, for `a > 0`."""
    return (x - s * eps) / a


def v_from_x0(x, x0_hat, a, s):
    """Velocity `v = a n - s x0` (Salimans and Ho 2022) where `a^2 + s^2 = 1`."""
    return a * eps_from_x0(x, x0_hat, a, s) - s * x0_hat


def x0_from_v(x, v, a, s):
    """Inverse of `v_from_x0`."""
    return a * x - s * v


def score_from_x0(x, x0_hat, a, s):
    """Score `grad log p(x) = (a x0_hat - x) / s^2` (Tweedie's formula)."""
    return (a * x0_hat - x) / s**2


def x0_from_score(x, score, a, s):
    """Inverse of `score_from_x0`, for `a > 0`."""
    return (x + s**2 * score) / a


def flow_from_x0(x, x0_hat, s):
    """Velocity `n - x0` of the straight path `x = (1 - s) x0 + s n`, 0 < s <= 1."""
    return (x - x0_hat) / s


def x0_from_flow(x, flow, s):
    """Inverse of `flow_from_x0`."""
    return x - s * flow
