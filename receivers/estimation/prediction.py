"""Predictors of fields over antennas and carriers that fade over slots.

Each takes y = h + noise, complex [batch, slots, antennas, carriers], its noise variance
`no`, the number of slots `ahead` of the last one, and the Doppler shift `doppler` in
turns per slot that paths have at most, and returns h_hat, [batch, antennas, carriers],
and err_var, which broadcasts to it. Fields have a mean power of one.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import j0

from link_sim.receivers.estimation import fields
from link_sim.receivers.estimation.gridless import (
    MOST,
    field,
    find_paths,
    missed,
    places_of,
)
from link_sim.receivers.estimation.path_errors import variance_elsewhere

WEAKEST_MODE = 1e-6
"""Modes of the fading that carry less power than this are left out."""


class Fading(NamedTuple):
    """A process over slots by its uncorrelated modes, and one value ahead.

    vectors : from slots to modes of power one, [slots, modes]; powers : that they have
    in the slots, [modes]; weights : of the modes in the value ahead, [modes]
    """

    vectors: np.ndarray
    powers: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, correlation, slots: int, ahead: int) -> "Fading":
        """correlation : real, of a process of power one, a function of slots apart."""
        lags = np.arange(slots)
        powers, vectors = np.linalg.eigh(correlation(np.abs(lags - lags[:, None])))
        there = powers > WEAKEST_MODE
        vectors = vectors[:, there] / np.sqrt(powers[there])
        weights = correlation(slots - 1 + ahead - lags) @ vectors
        return cls(vectors, powers[there], weights)

    def modes(self, y):
        """Fields of power one and independent noise, [batch, modes, ...]."""
        return np.einsum("tm,bt...->bm...", self.vectors, y)

    def value(self, means, variances, power):
        """The value ahead, and its variance, from those of the modes."""
        mean = np.einsum("m,bm...->b...", self.weights, means)
        variance = np.einsum("m,bm...->b...", self.weights**2, variances)
        unknown = np.maximum(1 - np.sum(self.weights**2), 0)
        return mean, variance + unknown * power


def jakes(doppler: float):
    """Correlation over slots of paths from all sides in the plane (Clarke, Jakes)."""
    return lambda slots: j0(2 * np.pi * doppler * slots)


def first_order(doppler: float):
    """The same of a first-order process with that correlation from slot to slot."""
    return lambda slots: jakes(doppler)(1) ** slots


def hold(denoiser, y, no, ahead: int, doppler: float, frequencies):
    """What `fields.score_paths` says of the last slot; by Jakes how far that errs."""
    carriers = np.arange(len(frequencies))
    known = denoiser, y[:, -1], no, carriers, frequencies
    h_hat, err_var = fields.score_paths(*known)
    return h_hat, err_var + 2 * (1 - jakes(doppler)(ahead))


def linear(correlation, components, y, no, ahead: int, doppler: float):
    """Linear MMSE by a covariance over slots times that of antennas and of carriers.

    With `first_order` it is the Kalman filter of that process.

    components : as in `fields.lmmse`, one of them
    """
    fading = Fading.of(correlation(doppler), y.shape[1], ahead)
    carriers = np.arange(y.shape[3])
    found = [
        fields.lmmse(z, no / power, carriers, components)
        for z, power in zip(
            np.moveaxis(fading.modes(y), 1, 0), fading.powers, strict=True
        )
    ]
    means, variances = (np.stack(z, axis=1) for z in zip(*found, strict=True))
    return fading.value(means, variances, 1.0)


def score(denoiser, y, no, ahead: int, doppler: float, frequencies):
    """The same by the spectra of angles and delays that all slots tell of the user.

    The modes of Jakes's process are snapshots for a `SpectralDenoiser`.
    """
    fading = Fading.of(jakes(doppler), y.shape[1], ahead)
    modes = fading.modes(y)
    *found, power = _by_spectra(denoiser, fading, modes, no, frequencies)
    return fading.value(*found, power[:, None, None])


def nomp(y, no, ahead: int, doppler: float, most: int = MOST):
    """Paths with angle, delay and Doppler shift from `find_paths`, and where they go.

    A path counts less ahead the less sure its Doppler shift is: by its mean under a
    Gaussian of the variance that Cramer and Rao give. The largest Doppler shift is used
    for the variance alone, which counts all paths together: see `path_errors`.
    """
    h_hat, err_var, rest, share = _gone_on(y, no, ahead, doppler, most)
    return h_hat, err_var + missed(_flat(rest), no, share)[:, None, None]


def score_paths(denoiser, y, no, ahead: int, doppler: float, frequencies):
    """At most 16 such paths, then `score` on what they leave, if it is trusted."""
    h_hat, err_var, rest, share = _gone_on(y, no, ahead, doppler, fields.FEW)
    fading = Fading.of(jakes(doppler), y.shape[1], ahead)
    modes = fading.modes(rest)
    left = no * (1 - share)[:, None]
    means, variances, power = _by_spectra(denoiser, fading, modes, left, frequencies)
    there = np.sqrt(fading.powers)[:, None, None]
    seen = there * modes, there * means, there**2 * variances
    trust = fields.trusted(*seen)[:, None, None]
    mean, variance = fading.value(means, variances, power[:, None, None])
    doubt = (1 - trust) * missed(_flat(rest), no, share)[:, None, None]
    return h_hat + trust * mean, err_var + trust * variance + doubt


def genie(y, no, ahead: int, doppler: float, powers, waves, turns):
    """Linear MMSE that knows angle, delay, Doppler shift and power of paths: a bound.

    powers, waves : as in `fields.genie`; turns : Doppler shifts, [batch, paths], in
    turns per slot
    """
    slots = np.arange(y.shape[1])
    first, second = waves
    turned = np.exp(2j * np.pi * turns[..., None] * slots)
    left = (turned[..., None] * first[:, :, None]).reshape(*turns.shape, -1)
    then = np.exp(2j * np.pi * turns * (slots[-1] + ahead))[..., None] * first
    flat = y.reshape(len(y), -1, y.shape[3])
    return fields.known_paths(flat, no, powers, (left, second), (then, second))


def _by_spectra(denoiser, fading, modes, no, frequencies):
    """`fields.snapshots` of modes in noise that has variance `no` in the slots."""
    noise = np.broadcast_to(no / fading.powers, modes.shape[:2])
    carriers = np.arange(len(frequencies))
    return fields.snapshots(denoiser, modes, noise, carriers, frequencies)


def _gone_on(y, no: float, ahead: int, doppler: float, most: int):
    """Paths ahead, their variance, what they leave, and the noise's share in them."""
    found, places = find_paths(y, no, most), places_of(y.shape[1:])
    time = places[0][-1] + ahead
    power = np.abs(found.gain) ** 2
    spread = 6 * no / (y[0, 0].size * len(places[0]) * (len(places[0]) ** 2 - 1))
    angle = spread * time**2 / np.maximum(power, 1e-12)  # variance of the phase
    kept = found._replace(gain=found.gain * np.exp(-angle / 2))
    wanted = [np.array([time]), *places[1:]]
    h_hat = field(kept, wanted)[:, 0]
    share = 2 * found.number / y[0].size
    cells = doppler / np.sqrt(2), *(1 / len(place) for place in places[1:])
    err_var = variance_elsewhere(found, places, wanted, no, cells)
    err_var = np.minimum(err_var, np.sum(power, axis=1) + share * no)
    return h_hat, err_var[:, None, None], y - field(found, places), share


def _flat(rest):
    return rest.reshape(len(rest), -1, rest.shape[-1])
