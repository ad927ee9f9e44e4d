"""Bounds of estimators of paths: what knowledge of the geometry would give.

Each is a function `bound(model, y, m, no, ...)` with the truth among its arguments, and
returns (h_hat, err_var) like an estimator, so that it is counted like one.
"""

import numpy as np


def efficient(array, y, m, no, h, paths, gains, frequencies=None, windows=None):
    """The Cramer-Rao bound as an estimate: one exact linear step from the truth.

    The step is that of maximum likelihood, linearised where the truth lies, with the
    number of paths known: its error has the covariance D J^-1 D^H of the bound exactly.
    Without `frequencies`, every snapshot has a gain of its own; with them, a path has
    one gain and one delay.

    h: [batch, antennas, snapshots]; paths: [batch, L, axes + 1]; gains: complex,
    [batch, L, snapshots]; windows: [batch, L, antennas] or None.
    """
    tangent = _tangent(array, h, paths, gains, frequencies, windows)
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


def known_geometry(array, y, m, no, paths, frequencies=None, delays=None, windows=None):
    """LMMSE with angles, ranges (and delays, windows) known and gains CN(0, 1 / L)."""
    waves = array.waves(paths) * (1.0 if windows is None else windows)
    number, snapshots = paths.shape[1], y.shape[2]
    atoms = waves @ np.swapaxes(np.asarray(m), -1, -2)
    if windows is None:
        power = 1 / number
    else:  # of unit mean power over the array
        power = 1 / np.sum(np.mean(np.abs(waves) ** 2, axis=2), axis=1)[:, None, None]
    if delays is None:
        h_hat, left = _regress(atoms, waves, y, no, power)
        return h_hat, left[:, None, None] / len(array)
    e = np.exp(-2j * np.pi * delays[..., None] * np.asarray(frequencies))
    atoms, waves = (
        (e[..., None] * x[:, :, None]).reshape(*x.shape[:2], -1) for x in (atoms, waves)
    )
    flat = np.swapaxes(y, 1, 2).reshape(len(y), -1, 1)
    h_hat, left = _regress(atoms, waves, flat, no, power)
    h_hat = np.swapaxes(h_hat.reshape(len(y), snapshots, -1), 1, 2)
    return h_hat, left[:, None, None] / (len(array) * snapshots)


def _regress(atoms, waves, z, no, power):
    """Bayesian regression over atoms [batch, paths, size] with prior `power`."""
    gram = np.conj(atoms) @ np.swapaxes(atoms, 1, 2)
    inverse = np.linalg.inv(gram + no / power * np.eye(gram.shape[1]))
    gains = inverse @ (np.conj(atoms) @ z)
    inside = np.conj(waves) @ np.swapaxes(waves, 1, 2)
    left = no * np.real(np.sum(inverse * np.swapaxes(inside, 1, 2), axis=(1, 2)))
    return np.swapaxes(waves, 1, 2) @ gains, left


def _tangent(array, h, paths, gains, frequencies, windows):
    """Derivatives of h in every real parameter: [batch, parameters, t * antennas]."""
    batch, antennas, snapshots = h.shape
    waves = array.waves(paths) * (1.0 if windows is None else windows)
    scale = -2 * np.pi / array.wavelength * array.cells
    turned = 1j * array.slopes(paths) * scale[:, None] * waves[:, :, None]
    place = gains[:, :, None, :, None] * turned[:, :, :, None]
    if frequencies is None:
        own = np.eye(snapshots)[:, :, None] * waves[:, :, None, None]
        rest = [own, 1j * own]
    else:
        f = np.asarray(frequencies)
        own = gains[..., None] * waves[:, :, None]
        late = (-2j * np.pi * f / (f[1] - f[0]))[:, None] * own
        rest = [own, 1j * own, late]
    columns = [x.reshape(batch, -1, snapshots * antennas) for x in (place, *rest)]
    return np.concatenate(columns, axis=1)


def _measured(tangent, m, snapshots: int):
    batch, parameters, _ = tangent.shape
    rows = tangent.reshape(batch, parameters * snapshots, -1)
    seen = rows @ np.swapaxes(np.asarray(m), -1, -2)
    return seen.reshape(batch, parameters, -1)
