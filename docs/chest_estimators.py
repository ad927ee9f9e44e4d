"""Channel estimators for `docs/chest.py`, called as Sionna 2 calls its own: (y, no).

`y` [batch, 1, antennas, symbols, subcarriers] -> `h_hat` [batch, 1, antennas, users, 1,
symbols, subcarriers] and `err_var`, which broadcasts to it. Antennas are numbered as
`sionna.phy.channel.tr38901.AntennaArray` does: polarisation by polarisation, in each
column by column.
"""

import numpy as np
import torch
from sionna.phy.ofdm import (
    BaseChannelEstimator,
    BasePilotChannelEstimator,
    LSChannelEstimator,
)

from link_sim.models.kronecker_mixture import covariances, fit_mixture
from link_sim.receivers import ScoreChannelEstimator
from link_sim.receivers.estimation import fields
from link_sim.receivers.estimation.delay_windows import delay_grid, delay_response
from link_sim.receivers.estimation.soundings import lattices

COMPONENTS = 16
"""Of the mixture of Gaussians."""
LATEST = 6e-6
"""Delay [s] that a channel of the mixture may have."""


class ScoreEstimator(BaseChannelEstimator):
    """`ScoreChannelEstimator` as a method of its own for Sionna Bench.

    polarisations, columns : of the receive antennas. Their columns are taken for
        polarisations as well: uniform lines of rows that share one spectrum of angles.
    speed [m/s], carrier_frequency [Hz] : for the largest Doppler shift
    """

    def __init__(
        self,
        resource_grid,
        preset="csi-ofdm",
        polarisations=2,
        columns=2,
        speed=3.0,
        carrier_frequency=3.5e9,
        **kwargs,
    ):
        super().__init__(resource_grid, **kwargs)
        self.lines = polarisations * columns
        self.estimator = ScoreChannelEstimator.from_preset(
            preset,
            resource_grid,
            polarisations=self.lines,
            doppler=speed * carrier_frequency / 299792458.0,
            spectra=resource_grid.num_tx,
        )

    def call(self, y, no):
        places = torch.arange(y.shape[2]).reshape(self.lines, -1).T.reshape(-1)
        found = self.estimator(y[:, :, places], no)
        return tuple(z[:, :, torch.argsort(places)] for z in found)


class TapSBL(BasePilotChannelEstimator):
    """Sparse Bayesian learning of delay taps, then lines between pilots.

    The least-squares estimates on a user's comb of pilots are transformed into taps,
    CN(0, alpha_l) each with a power that all antennas share, and as many rounds of
    expectation and maximisation find the powers (Tipping 2001; of taps, Wei, Zhang and
    Liu, ICC 2017). The numbers are those of the benchmark.
    """

    def __init__(self, resource_grid, rounds=10, alpha=0.00259, variance_scale=0.755):
        super().__init__(resource_grid, interpolation_type="lin_time_avg")
        self.rounds, self.alpha, self.scale = rounds, alpha, variance_scale
        self.sent = resource_grid.pilot_pattern.pilots

    def estimate_at_pilot_locations(self, y_pilots, no):
        h_hat = torch.zeros_like(y_pilots)
        err_var = torch.zeros_like(y_pilots.real)
        for user, pilots in enumerate(self.sent[:, 0]):
            own = torch.nonzero(pilots)[:, 0]
            observed = y_pilots[:, :, :, user, 0, own] / pilots[own]
            shape = (*observed.shape[:3], 2, -1)  # two symbols with pilots
            taps = torch.fft.ifft(observed.reshape(shape))
            noise = no / pilots[own].abs().square().mean() / taps.shape[-1]
            alpha = torch.full_like(taps[:, :, :1].real, self.alpha)
            for _ in range(self.rounds):
                gain = alpha / (alpha + noise)
                power = (gain * taps).abs().square().mean(2, keepdim=True)
                alpha = power + gain * noise
            gain = alpha / (alpha + noise)
            mean = torch.fft.fft(gain * taps)
            h_hat[:, :, :, user, 0, own] = mean.reshape(observed.shape)
            variance = self.scale * (gain * noise).sum(-1, keepdim=True)
            variance = variance.expand(mean.shape).reshape(observed.shape)
            err_var[:, :, :, user, 0, own] = variance
        return h_hat, err_var


class ByUser(BaseChannelEstimator):
    """Estimators of fields over antennas and subcarriers, one user at a time.

    The channel is taken to be constant over the slot: pilots of one subcarrier are
    averaged over their symbols.
    """

    def __init__(self, resource_grid, estimate):
        super().__init__(resource_grid)
        self.estimate, self.users = estimate, lattices(resource_grid)
        self.size = resource_grid.num_ofdm_symbols, resource_grid.fft_size

    def call(self, y, no):
        found, (symbols, total) = [], self.size
        for times, carriers, pilots in self.users:
            seen = y[:, 0].numpy()[:, :, times[:, None], carriers] / pilots
            noise = float(no) / np.sum(np.abs(pilots[:, 0]) ** 2)
            found.append(self.estimate(seen.mean(2), noise, carriers))
        shape = (len(y), 1, y.shape[2], 1, 1, 1, total)
        means, variances = (
            torch.cat([torch.tensor(z).reshape(shape) for z in parts], 3)
            for parts in zip(*found, strict=True)
        )
        means = means.expand(-1, -1, -1, -1, -1, symbols, -1)
        return means.to(torch.complex64), variances.to(torch.float32)


def delay_sbl(spacing: float, total: int, rounds=10):
    """Sparse Bayesian learning of powers on a grid of delays finer than taps.

    A function for `ByUser`. All antennas share the powers; the mean and variance are
    those of the posterior at every subcarrier.
    """

    def estimate(y, no, carriers):
        frequencies = (np.arange(total) - carriers[0]) * spacing
        delays = delay_grid(frequencies[carriers])
        everywhere = delay_response(frequencies, delays)
        f = everywhere[carriers]
        found = [_learned(z, no, f, everywhere, rounds) for z in y]
        return tuple(np.stack(z) for z in zip(*found, strict=True))

    return estimate


def _learned(y, no: float, f, everywhere, rounds: int):
    """Of one channel y [antennas, pilots]: mean and variance [antennas, carriers]."""
    power = np.mean(np.abs(y) ** 2)
    alpha = np.full(f.shape[1], power / f.shape[1])
    for _ in range(rounds):
        inverse = np.linalg.inv((f * alpha) @ f.conj().T + no * np.eye(len(f)))
        means = alpha * (y @ inverse.T @ f.conj())
        spread = (
            alpha
            - alpha**2
            * np.einsum("pd,pq,qd->d", f.conj(), inverse, f, optimize=True).real
        )
        alpha = np.mean(np.abs(means) ** 2, axis=0) + np.maximum(spread, 0)
    inverse = np.linalg.inv((f * alpha) @ f.conj().T + no * np.eye(len(f)))
    cross = (everywhere * alpha) @ f.conj().T
    explained = np.einsum("kp,pq,kq->k", cross, inverse, cross.conj(), optimize=True)
    variance = np.maximum(alpha.sum() - explained.real, 0)
    mean = y @ inverse.T @ cross.T
    return mean, np.broadcast_to(variance, mean.shape)


def delay_basis(frequencies):
    """Orthonormal, of channels without paths beyond `LATEST`: [frequencies, modes]."""
    delays = np.linspace(-LATEST / 16, LATEST, len(frequencies))
    left, values, _ = np.linalg.svd(delay_response(frequencies, delays))
    return left[:, values > 1e-3 * values[0]]


def estimators(system, drops: int) -> dict:
    """Those of the comparison; what is learned of the ensemble is of as many slots."""
    grid = system.grid
    fixed = system.ensemble(drops).numpy()
    spacing, total = float(grid.subcarrier_spacing), grid.fft_size
    joint = [(1.0, *covariances(fixed))]
    basis = delay_basis(spacing * np.arange(total))
    short = fit_mixture(fixed @ basis.conj(), COMPONENTS)
    learned = [(w, a, basis @ c @ basis.conj().T) for w, a, c in short]
    mixtures = {"lmmse": joint, "mixture": learned}
    return {
        "ls": LSChannelEstimator(grid, interpolation_type="lin_time_avg"),
        "sbl": TapSBL(grid),
        "sbl-delays": ByUser(grid, delay_sbl(spacing, total)),
        **{
            name: ByUser(grid, lambda *seen, c=c: fields.lmmse(*seen, c))
            for name, c in mixtures.items()
        },
        "score": ScoreEstimator(grid),
    }
