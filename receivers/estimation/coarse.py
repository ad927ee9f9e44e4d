"""Channel estimators behind converters of b bits: levels of Y = H P + N are known.

Arguments and results as in `receivers.estimation.mimo_baselines`, after the bits of
each real part; `y` holds the levels of `converter(bits, no)`, and pilots are
orthonormal rows, so that Y has the mean power 1 + no.
"""

import numpy as np

from link_sim.models.quantiser import Quantiser, cell_moments, converter_share
from link_sim.receivers.estimation.mimo_baselines import wiener

ROUNDS = 6
"""Of message passing: four are within .1 dB, ten gain as little."""
DAMPING = 0.5
DOUBT = 0.05
"""Nats a level by which it may make these less likely: in 300 channels, at most .006
where it converged."""
EXCESS = 0.13
"""Exponent of `excess`: measured on csi-scm at -10 to 30 dB, 1 to 3 bits."""


def converter(bits: int, no: float) -> Quantiser:
    """The converter of each real part, set to the mean power of the observations."""
    return Quantiser(bits, float(np.sqrt((1 + no) / 2)))


def distortion_as_noise(bits: int, no: float) -> float:
    """Noise variance at which levels, at a gain of 1, are samples with white noise."""
    return no + converter_share(bits) * (1 + no)


def excess(bits: int, no: float) -> float:
    """How much larger the error of message passing is than its last message says.

    Messages take the errors of all elements for alike and independent, and the fewer
    directions a channel has and the coarser its levels are, the less they are.
    """
    share = converter_share(bits)
    return float((1 + share * (1 + no) / no) ** (EXCESS * share**0.5))


def bussgang(bits, y, pilots, no, receive, transmit):
    """Linear MMSE with covariances [..., n, n] of both ends, distortion white.

    By Bussgang's theorem a level is `g y + d`, d uncorrelated with y; g and E|d|^2 are
    exact for the power that each pilot has under these covariances, which are alike
    for all receive antennas. Correlations of d over antennas are left out: measured on
    csi-scm, they are worth .1 dB at one bit and nothing at three.
    """
    cross = transmit @ np.conj(pilots)
    seen = np.swapaxes(pilots, -1, -2) @ cross
    power = np.real(np.diagonal(seen, axis1=-2, axis2=-1)) + no
    gain, distortion = converter(bits, no).gaussian(np.sqrt(power / 2))
    noise = (gain**2 * no + 2 * distortion)[..., None] * np.eye(gain.shape[-1])
    values, modes = np.linalg.eigh(receive)
    values = np.maximum(values, 0)[..., None, None]
    inner = gain[..., None] * seen * gain[..., None, :]
    inner = values * inner[..., None, :, :] + noise[..., None, :, :]
    cross = values * (cross * gain[..., None, :])[..., None, :, :]
    weights = np.linalg.solve(inner, np.conj(np.swapaxes(cross, -1, -2)))
    weights = np.conj(np.swapaxes(weights, -1, -2))  # [..., mode, transmit, pilot]
    z = np.conj(np.swapaxes(modes, -1, -2)) @ y
    h_hat = modes @ (weights @ z[..., None])[..., 0]
    explained = np.sum(np.real(weights * np.conj(cross)), axis=-1)
    prior = (
        values[..., 0]
        * np.real(np.diagonal(transmit, axis1=-2, axis2=-1))[..., None, :]
    )
    err_var = np.mean(prior - explained, axis=(-2, -1))
    return h_hat, np.broadcast_to(err_var, len(y))[:, None, None]


def around(denoise, bits, y, pilots, no):
    """The estimate of a denoiser that takes distortion for white noise.

    denoise : (x, variance) -> x0_hat, err_var, in NumPy; variance is [batch, 1, 1]
    """
    noise = distortion_as_noise(bits, no)
    return denoise(y @ _hermitian(pilots), np.full((len(y), 1, 1), noise))


def message_passing(denoise, bits, y, pilots, no):
    """Posterior mean under the true likelihood of levels, and `around` where it fails.

    Expectation propagation in turns between the cells that the levels stand for, whose
    posterior moments are those of truncated Gaussians, and the denoiser, each given
    what the other adds (generalised vector approximate message passing: Schniter,
    Rangan and Fletcher 2016; He, Wen and Jin 2018, "Generalized expectation
    consistent signal recovery"). With z = H P unitary, m and v its cavity,

        z = m + K (E y - m),  K = v / (v + no),  v_z = v - K^2 (v + no - V y)
        1 / v_1 = 1 / v_z - 1 / v,  r = v_1 (z / v_z - m / v)
        h, e = denoise(r P^H, v_1)
        1 / v = 1 / e - 1 / v_1,  m = v (h P / e - r / v_1)

    r and 1 / v_1 are damped. Where the cells are by `DOUBT` less likely under the last
    messages than under the estimate of `around`, this is kept.

    denoise : as for `around`, once a round and once more
    """
    first, first_err = around(denoise, bits, y, pilots, no)
    cells = Cells(converter(bits, no), y, no)
    mean, variance = np.zeros(y.shape), np.ones((len(y), 1, 1))
    message = precision = None
    for _ in range(ROUNDS):
        z, z_var = cells.posterior(mean, variance)
        added = 1 / z_var - 1 / variance
        r = (z / z_var - mean / variance) / added
        if message is not None:
            r = DAMPING * r + (1 - DAMPING) * message
            added = DAMPING * added + (1 - DAMPING) * precision
        message, precision = r, added
        h_hat, err_var = denoise(r @ _hermitian(pilots), 1 / precision)
        variance = 1 / (1 / err_var - precision)
        mean = variance * (h_hat @ pilots / err_var - r * precision)
    found = cells.evidence(h_hat @ pilots, err_var)
    kept = found > cells.evidence(first @ pilots, first_err) - DOUBT
    stated = err_var * excess(bits, no)
    return np.where(kept, h_hat, first), np.where(kept, stated, first_err)


def genie(bits, y, pilots, no, receive, transmit):
    """`message_passing` for Gaussian channels of known covariances: a bound."""
    return message_passing(wiener(receive, transmit), bits, y, pilots, no)


class Cells:
    """The likelihood of z = H P behind noise and a converter.

    levels : complex [batch, receive, num_pilots], of a `Quantiser` each real part
    """

    def __init__(self, quantiser: Quantiser, levels, no: float):
        parts = levels.real, levels.imag
        self._cells = [quantiser.cells(part) for part in parts]
        self._no = no

    def posterior(self, mean, variance):
        """Moments of z under CN(mean, variance); the variance is a channel's mean."""
        real, imag = self._moments(mean, variance)
        gain = variance / (variance + self._no)
        spread = np.mean(real[1] + imag[1], axis=(1, 2), keepdims=True)
        z = mean + gain * (real[0] + 1j * imag[0] - mean)
        return z, variance - gain**2 * (variance + self._no - spread)

    def evidence(self, mean, variance):
        """Log of the mass of a cell under CN(mean, variance), mean: [batch, 1, 1]."""
        real, imag = self._moments(mean, variance)
        return np.mean(real[2] + imag[2], axis=(1, 2), keepdims=True) / 2

    def _moments(self, mean, variance):
        parts = zip(self._cells, (np.real(mean), np.imag(mean)), strict=True)
        half = (variance + self._no) / 2
        return [cell_moments(*cell, part, half) for cell, part in parts]


def _hermitian(x):
    return np.conj(np.swapaxes(x, -1, -2))
