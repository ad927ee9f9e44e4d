"""Bounds of estimators of paths: what knowledge of the geometry would give.

Each is a function `bound(model, y, m, no, ...)` with the truth among its arguments, and
returns (h_hat, err_var) like an estimator, so that it is counted like one.
"""

import numpy as np


def efficient(
    array, y, m, no, h, paths, gains, frequencies=None, windows=None, stretch=1.0
):
    """The Cramer-Rao bound as an estimate: one exact linear step from the truth.

    The step is that of maximum likelihood, linearised where the truth lies, with the
    number of paths known: its error has the covariance D J^-1 D^H of the bound exactly.
    Without `frequencies`, every snapshot has a gain of its own; with them, a path has
    one gain and one delay.

    h: [batch, antennas, snapshots]; paths: [batch, L, axes + 1]; gains: complex,
    [batch, L, snapshots]; windows: [batch, L, antennas] or None. stretch: frequency
    over carrier frequency that waves follow, 1 or of each snapshot, [snapshots].
    """
    tangent = _tangent(array, h, paths, gains, frequencies, windows, stretch)
    seen = _measured(tangent, m, h.shape[2])
    noise = y - np.asarray(m) @ h
    noise = np.swapaxes(noise, 1, 2).reshape(len(y), 1, -1)
    fisher = np.real(np.conj(seen) @ np.swapaxes(seen, 1, 2))
    scale = 1 / np.sqrt(np.maximum(np.einsum("bii->bi", fisher), 1e-300))
    inverse = np.linalg.pinv(
        scale[:, :, None] * fisher * scale[:, None], rcond=1e-10, hermitian=True
    )
    pull = scale * np.real(np.sum(np.conj(seen) * noise, axis=2))
    step = scale * np.einsum("bij,bj->bi", inverse, pull)
    error = np.einsum("bi,bin->bn", step, tangent)
    inside = np.real(np.conj(tangent) @ np.swapaxes(tangent, 1, 2))
    inside = scale[:, :, None] * inside * scale[:, None]
    err_var = no / 2 * np.sum(inverse * inside, axis=(1, 2)) / h[0].size
    error = np.swapaxes(error.reshape(len(h), h.shape[2], -1), 1, 2)
    return h + error, err_var[:, None, None]


def known_geometry(array, y, m, no, paths, windows=None, stretch=1.0):
    """LMMSE with angles, ranges (and windows) known and gains CN(0, 1 / L).

    Every snapshot has its own gains. windows, stretch: as in `efficient`.
    """
    h_hat, left = [], 0.0
    stretch = np.ravel(stretch)
    for x, part in zip(stretch, np.split(y, len(stretch), axis=2), strict=True):
        waves = array.waves(paths, x) * (1.0 if windows is None else windows)
        # of unit mean power over the array
        power = 1 / np.sum(np.mean(np.abs(waves) ** 2, axis=2), axis=1)[:, None, None]
        atoms = waves @ np.swapaxes(np.asarray(m), -1, -2)
        found, error = _regress(atoms, waves, part, no, power)
        h_hat.append(found)
        left = left + error / len(stretch)
    return np.concatenate(h_hat, axis=2), left[:, None, None] / len(array)


def _regress(atoms, waves, z, no, power):
    """Bayesian regression over atoms [batch, paths, size] with prior `power`."""
    gram = np.conj(atoms) @ np.swapaxes(atoms, 1, 2)
    inverse = np.linalg.inv(gram + no / power * np.eye(gram.shape[1]))
    gains = inverse @ (np.conj(atoms) @ z)
    inside = np.conj(waves) @ np.swapaxes(waves, 1, 2)
    left = no * np.real(np.sum(inverse * np.swapaxes(inside, 1, 2), axis=(1, 2)))
    return np.swapaxes(waves, 1, 2) @ gains, left


def _tangent(array, h, paths, gains, frequencies, windows, stretch):
    """Derivatives of h in every real parameter: [batch, parameters, t * antennas]."""
    batch, antennas, snapshots = h.shape
    stretch = np.reshape(stretch, (-1, 1))
    waves = array.waves(paths[:, :, None], stretch)  # [batch, L, t or 1, antennas]
    if windows is not None:
        waves = waves * windows[:, :, None]
    scale = -2 * np.pi / array.wavelength * array.cells
    slopes = (array.slopes(paths) * scale[:, None])[:, :, :, None] * stretch
    place = gains[:, :, None, :, None] * 1j * slopes * waves[:, :, None]
    if frequencies is None:
        own = np.eye(snapshots)[:, :, None] * waves[:, :, None]
        rest = [own, 1j * own]
    else:
        f = np.asarray(frequencies)
        own = gains[..., None] * waves
        late = (-2j * np.pi * f / (f[1] - f[0]))[:, None] * own
        rest = [own, 1j * own, late]
    columns = [x.reshape(batch, -1, snapshots * antennas) for x in (place, *rest)]
    return np.concatenate(columns, axis=1)


def _measured(tangent, m, snapshots: int):
    batch, parameters, _ = tangent.shape
    rows = tangent.reshape(batch, parameters * snapshots, -1)
    seen = rows @ np.swapaxes(np.asarray(m), -1, -2)
    return seen.reshape(batch, parameters, -1)
