"""Classical channel estimators for Y = H P + N, and the bounds of learned ones.

Arguments and results as in `receivers.estimation.mimo`, in NumPy; channels have unit
mean power, `no` is the noise variance per complex element.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from link_sim.receivers.estimation.sparse_recovery import recovered

LEFT_OUT = 16
"""One in so many pilots tells the error of `sparse`."""
ROUNDING = 1e-9
"""Noise over energy that `lmmse` assumes at least: sample covariances hold no more."""


def least_squares(y, pilots, no):
    """`Y P^+`: unbiased with as many pilots as antennas, else of minimum norm."""
    inverse = np.linalg.pinv(pilots)
    err_var = no * np.mean(np.sum(np.abs(inverse) ** 2, axis=1), axis=1)
    missing = 1 - pilots.shape[2] / pilots.shape[1]
    return y @ inverse, (err_var + max(missing, 0))[:, None, None]


def sparse(y, pilots, no):
    """Sparse recovery over two oversampled DFT grids: `recovered`.

    The error variance is Stein's unbiased estimate of risk; with fewer pilots than
    antennas, the error that another recovery makes at a few of these which it leaves
    out.
    """
    y, pilots = (a.astype("complex64") for a in (y, pilots))  # half the time
    energy = np.mean(np.sum(np.abs(pilots) ** 2, axis=1))
    x, fit = recovered(y, pilots, no)
    h_hat = fit.field(x)
    if pilots.shape[2] >= pilots.shape[1]:
        share = fit.followed(x)
        error = _power(y - h_hat @ pilots) + (2 * share - 1) * no
        return h_hat, np.maximum(error, share * no) / energy
    if pilots.shape[2] == 1:  # none is left to tell the error: say the channel's power
        return h_hat, np.ones((len(y), 1, 1))
    left = max(pilots.shape[2] // LEFT_OUT, 1)
    x, fit = recovered(y[..., left:], pilots[..., left:], no)
    error = _power(y[..., :left] - fit.field(x) @ pilots[..., :left]) - no
    return h_hat, np.maximum(error, no / len(pilots[0])) / energy


def _power(z):
    return np.mean(np.abs(z) ** 2, axis=(1, 2), keepdims=True)


def lmmse(y, pilots, no, covariances):
    """The exact estimate for a zero-mean Gaussian channel, or for a mixture of such.

    covariances: of vec(H) row by row, complex [components, n, n], n = receive *
    transmit; components of a mixture are equally likely. One channel after the other,
    since the pilots of each differ.
    """
    estimates = [_lmmse(*case, no, covariances) for case in zip(y, pilots, strict=True)]
    h_hat, err_var = map(np.stack, zip(*estimates, strict=True))
    return h_hat, err_var[:, None, None]


def _lmmse(y, pilots, no, covariances):
    receive, transmit, size = len(y), len(pilots), y.size

    def seen(c):
        """`C A^H` and `A C A^H`, with A the map from vec(H) to vec(Y)."""
        cross = (c.reshape(-1, receive, transmit) @ pilots.conj()).reshape(-1, size)
        inner = pilots.T @ cross.reshape(receive, transmit, size)
        return cross, inner.reshape(size, size)

    likelihoods, means, variances = [], [], []
    for c in covariances:
        cross, inner = seen(c)
        least = ROUNDING * np.trace(inner).real / size
        assumed = max(no, least)
        noise = assumed * np.eye(size, dtype=inner.dtype)
        factor = cho_factor(inner + noise, lower=True)
        weights = cho_solve(factor, y.reshape(-1))
        means.append(cross @ weights)
        gains = cho_solve(factor, cross.conj().T)
        explained = np.vdot(cross.conj().T, gains).real
        explained += (assumed - no) * np.sum(np.abs(gains) ** 2)  # that is not there
        variances.append((np.trace(c).real - explained) / len(c))
        logdet = 2 * np.sum(np.log(np.diag(factor[0]).real))
        likelihoods.append(-np.vdot(y.reshape(-1), weights).real - logdet)
    p = np.exp(np.array(likelihoods) - max(likelihoods))
    p /= p.sum()
    mean = np.tensordot(p, means, 1)
    spread = [np.mean(np.abs(m - mean) ** 2) for m in means]
    variance = p @ (np.array(variances) + spread)
    return mean.reshape(receive, transmit), variance


def genie(y, pilots, no, receive, transmit):
    """The LMMSE estimate that knows each channel's covariance, for orthogonal pilots.

    receive, transmit: covariances of the two ends, [batch, n, n] each; a bound.
    """
    energy = np.mean(np.sum(np.abs(pilots) ** 2, axis=-1))
    x = y @ np.conj(np.swapaxes(pilots, -1, -2)) / energy
    return wiener(receive, transmit)(x, no / energy)


def wiener(receive, transmit):
    """The denoiser (x, variance) -> h_hat, err_var of channels of known covariances.

    receive, transmit: as for `genie`. variance: of the white noise in x, a number or
    [batch, 1, 1].
    """
    (first, left), (second, right) = map(np.linalg.eigh, (receive, transmit))
    power = np.maximum(first[:, :, None] * second[:, None, :], 0)

    def denoise(x, variance):
        gain = power / (power + variance)
        z = np.conj(np.swapaxes(left, -1, -2)) @ x @ np.conj(right)
        h_hat = left @ (gain * z) @ np.swapaxes(right, -1, -2)
        return h_hat, variance * np.mean(gain, axis=(1, 2), keepdims=True)

    return denoise
