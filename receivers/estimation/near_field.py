"""Estimators of near fields off the grid, and the variance of their error.

Arguments and results as in `near_field_baselines`.
"""

import numpy as np
from scipy import stats

from link_sim.receivers.estimation.linear_soundings import refuse_unseen
from link_sim.receivers.estimation.off_grid import explained, find_paths
from link_sim.receivers.estimation.path_models import FreeGains, WithDelays
from link_sim.receivers.estimation.squint import WithSquint

EDGE = 6
"""Real numbers that are as hard to find as an edge of a window, as measured."""
LEAST_STRENGTH = 0.7
"""Mean power of paths, at least, over the threshold."""
MISFIT = 1e-2
"""Chance that the noise alone leaves so much unexplained that a model is doubted."""
PLACE = 1.0
"""Standard deviation of a path's coordinates before it is measured [cells]."""


def off_grid(array, y, m, no, nearest: float, frequencies=None, stretch=1.0):
    """The posterior mean of the channel under the paths that its measurements betray.

    frequencies: of the snapshots [Hz], evenly spaced, for paths of one gain and one
    delay each; without, every snapshot has gains of its own. stretch: frequency over
    that of the carrier, of each snapshot, which waves with delays follow, or 1.

    The error variance supposes that paths are found near their true places, or else
    leave more than noise. With delays, 32 measurements of 256 antennas and 0 dB it is
    too small: the error is 1.2 times as large.
    """
    refuse_unseen(m)
    refuse_unknown(no)
    if frequencies is None:
        model = FreeGains(array, m, nearest)
    elif np.ndim(stretch) == 0:
        model = WithDelays(array, m, nearest, frequencies)
    else:
        model = WithSquint(array, m, nearest, frequencies, stretch)
    z = model.columns(y)
    return estimate(model, z, no, find_paths(model, z, no))


def refuse_unknown(no) -> None:
    """Raises ValueError unless there is a noise variance."""
    if no is None or not no > 0:
        raise ValueError(
            f"no = {no}: state the noise variance of a measurement, or estimate it "
            "first with models.wavenumber_spectrum.noise_floor"
        )


def estimate(model, z, no, paths):
    """Posterior mean under given paths, and its error variance, [batch, 1, 1]."""
    rest, weights = explained(z, no, paths)
    gains = weights @ (np.conj(paths.atoms) @ z)
    h_hat = model.fields(paths.path, gains)
    return h_hat, _variance(model, z, no, paths, rest, weights, gains)


def _variance(model, z, no, paths, rest, weights, gains):
    """Of gains, of places, and of what is missed: [batch, 1, 1].

    Gains err by no W, edges of windows as EDGE real numbers would. Places x err by the
    inverse of their Fisher information with the gains integrated out, J = 2 Re sum_t
    D_t^H R^-1 D_t, D = gain * dp / dx, while gains follow: h moves by (dv - V W P^H dp)
    gain. To this comes what `_hidden` says, or what `unexplained` does if that is more,
    which is noise to gains and places, too.
    """
    batch, slots, d = *paths.power.shape, len(model.cells)
    flat = paths.path.reshape(batch * slots, -1)
    part = model.repeated(slots)
    v = model.waves(flat)[:, : 1 + d].reshape(batch, slots, 1 + d, -1)
    p = part.atoms(flat)[:, : 1 + d].reshape(batch, slots, 1 + d, -1)
    moved_v, moved_p = (x[:, :, 1:].reshape(batch, slots * d, -1) for x in (v, p))
    v, p = v[:, :, 0], p[:, :, 0]
    follow = np.swapaxes(weights @ (np.conj(p) @ np.swapaxes(moved_p, 1, 2)), 1, 2)
    moved_v = moved_v - follow @ v
    white = (moved_p - follow @ p) / no
    amount = np.repeat(gains, d, axis=1)
    amount = amount.conj() @ np.swapaxes(amount, 1, 2)
    fisher = 2 * np.real(np.conj(moved_p) @ np.swapaxes(white, 1, 2) * amount)
    places = np.linalg.inv(fisher + np.eye(slots * d) / PLACE**2)
    spread = np.real(np.conj(moved_v) @ np.swapaxes(moved_v, 1, 2) * amount)
    inside = np.conj(v) @ np.swapaxes(v, 1, 2)
    columns, size = z.shape[2], z.shape[1]
    error = columns * no * np.real(np.sum(weights * np.swapaxes(inside, 1, 2), (1, 2)))
    error = error + np.sum(places * spread, axis=(1, 2))
    error = error + EDGE * model.edges(paths) * no / 2 * v.shape[2] / size
    excess = unexplained(model, z, no, paths, gains)
    hidden = np.maximum(_hidden(model, z, no, paths), excess)
    error = error * (1 + excess / no) / (v.shape[2] * columns)
    return (error + hidden)[:, None, None]


def unexplained(model, z, no, paths, gains):
    """Power per measurement that neither paths nor noise explain, if no chance does:
    [batch].

    What is left of n measurements is noise, no / 2 times a chi-square variable of
    2 (n - used) numbers, `used` those of the paths. Where it is more than that exceeds
    with probability `MISFIT`, waves are not as the model has them. A measurement left
    out would then be missed by its energy times n / (n - used)^2 (Golub, Heath and
    Wahba, "Generalized cross-validation", Technometrics 1979), and a combiner of random
    weights shows the error of antennas as it is. What paths have bent to explain is not
    seen: with 32 measurements of 256 antennas half of it.
    """
    left = z - np.swapaxes(paths.atoms, 1, 2) @ gains
    left, number = np.sum(np.abs(left) ** 2, axis=(1, 2)), z[0].size
    found = np.sum(paths.power > 0, axis=1)
    used = found * (z.shape[2] + len(model.cells) / 2) + model.edges(paths) / 2
    free = np.maximum(number - used, 1)
    doubted = left > no * stats.gamma.isf(MISFIT, free)
    return np.where(doubted, left * number / free**2 - no, 0.0)


def _hidden(model, z, no, paths):
    """Power of paths too weak to be found, per antenna: [batch].

    Path powers taken for exponential with mean m, those above the threshold t are
    found, and exceed it by m on average; each then hides (exp(x) - 1 - x) m of others,
    x = t / m. No more than the measurements hold at all.
    """
    size, columns = z.shape[1:]
    threshold = model.threshold(columns) * no / model.energy
    found = np.sum(paths.power > 0, axis=1)
    mean = np.sum(paths.power, axis=1) / np.maximum(found, 1) - threshold
    mean = np.maximum(mean, LEAST_STRENGTH * threshold)
    x = threshold / mean
    received = np.mean(np.abs(z) ** 2, axis=(1, 2)) - no
    most = np.maximum(received, no / np.sqrt(size * columns))
    return np.where(found, np.minimum(found * mean * (np.exp(x) - 1 - x), most), most)
