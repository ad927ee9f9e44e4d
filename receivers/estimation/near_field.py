"""Estimators of near fields off the grid, and the variance of their error.

Arguments and results as in `near_field_baselines`.
"""

import numpy as np

from link_sim.receivers.estimation.off_grid import explained, find_paths
from link_sim.receivers.estimation.path_models import FreeGains, WithDelays

PLACE = 1.0
"""Standard deviation of a path's coordinates before it is measured [cells]."""


def off_grid(array, y, m, no, nearest: float, frequencies=None):
    """The posterior mean of the channel under the paths that its measurements betray.

    frequencies: of the snapshots [Hz], evenly spaced, for paths of one gain and one
    delay each; without, every snapshot has gains of its own.
    """
    if frequencies is None:
        model = FreeGains(array, m, nearest)
    else:
        model = WithDelays(array, m, nearest, frequencies)
    z = model.columns(y)
    return estimate(model, z, no, find_paths(model, z, no))


def estimate(model, z, no, paths):
    """Posterior mean under given paths, and the variance of its error, [batch, 1, 1]."""
    rest, weights = explained(z, no, paths)
    gains = weights @ (np.conj(paths.atoms) @ z)
    h_hat = model.fields(paths.path, gains)
    return h_hat, _variance(model, z, no, paths, rest, weights, gains)


def _variance(model, z, no, paths, rest, weights, gains):
    """Of gains, of places, and of what is missed: [batch, 1, 1].

    Gains err by no W. Places x err by the inverse of their Fisher information with the
    gains integrated out, J = 2 Re sum_t D_t^H R^-1 D_t, D = gain * dp / dx, while gains
    follow: h moves by (dv - V W P^H dp) gain. Power that the measurements hold beyond
    noise and paths is missed in every antenna alike.
    """
    batch, slots, d = *paths.power.shape, paths.path.shape[2]
    flat = paths.path.reshape(-1, d)
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
    found = np.sum(paths.power > 0, axis=1)
    free = np.maximum(size * columns - found * (columns + d / 2), 1)
    missed = np.sum(np.abs(rest) ** 2, axis=(1, 2)) / free - no
    missed = np.maximum(missed, 0)
    return (error / (v.shape[2] * columns) + missed)[:, None, None]
