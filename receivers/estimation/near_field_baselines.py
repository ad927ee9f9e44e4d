"""Classical estimators of sparse near fields: greedy on a grid, greedy and moved, SBL.

Each is a function `estimator(array, y, m, no, ...) -> h_hat, err_var`:

    array : `Aperture`
    y : complex [batch, measurements, snapshots], `y = m h + n`, noise variance `no`
    m : combiner, [measurements, antennas] or [batch, measurements, antennas]
    h_hat : complex [batch, antennas, snapshots]
    err_var : [batch, 1, 1], variance of the error per complex element

Snapshots (subcarriers) share the geometry and have gains of their own.
"""

import numpy as np

ATOMS_PER_PATH = 2
"""Atoms of the greedy estimators per path."""
ROUNDS = 20
"""Gradient steps of `sigw`, over directions and over curvatures."""
LARGEST = 0.5
"""Step that its line search may begin with [cells]."""
HALVINGS = 6
WEAKEST_ATOM = 3
"""Explained energy below which `polar_sigw` drops an atom, over that of the noise."""
ARMIJO = 0.01
ITERATIONS = 60
"""Of `on_grid`, of which `WIDE` over the whole grid and the rest over `KEPT` atoms."""
WIDE, KEPT = 6, 192


def swomp(array, y, m, no, paths: int):
    """Orthogonal matching pursuit over plane waves, for all snapshots at once.

    Directions twice as dense as the array resolves (Cui and Dai, IEEE TCOM 2022).
    """
    return _pursued(array, _angles(array), y, m, no, ATOMS_PER_PATH * paths)[:2]


def polar_somp(array, y, m, no, paths: int, nearest: float):
    """The same over a grid of directions and curvatures (P-SOMP of Cui and Dai)."""
    return _pursued(array, array.grid(nearest), y, m, no, ATOMS_PER_PATH * paths)[:2]


def polar_sigw(array, y, m, no, paths: int, nearest: float):
    """P-SOMP whose atoms then move up the gradient of the explained energy.

    Directions and curvatures in turns, with backtracking; after each turn the atom goes
    that explains least, if that is little more than noise, down to the number of paths
    at most (P-SIGW of Cui and Dai, algorithm 2, where atoms go by their energy).
    """
    path = _pursued(array, array.grid(nearest), y, m, no, ATOMS_PER_PATH * paths)[2]
    used = np.ones(path.shape[:2], bool)
    for _ in range(ROUNDS):
        path = _moved(array, path, used, y, m, slice(0, array.axes), nearest)
        path = _moved(array, path, used, y, m, slice(array.axes, None), nearest)
        worth = _worth(_seen(array, path, m, used), used, y)
        weakest = np.argmin(worth, axis=1)[:, None]
        weak = (
            np.take_along_axis(worth, weakest, 1)[:, 0] < WEAKEST_ATOM * no * y.shape[2]
        )
        drop = weak & (np.sum(used, axis=1) > paths)
        np.put_along_axis(used, weakest, ~drop[:, None], axis=1)
    return _refitted(array, path, y, m, no, used)


def on_grid(array, y, m, no, nearest: float):
    """Sparse Bayesian learning of the powers of a grid of directions and curvatures.

    gamma <- gamma sqrt(q / s) with the slopes q, s of the likelihood, as in
    `off_grid`; after a few rounds the strongest atoms only.
    """
    path = array.grid(nearest)
    atoms = _seen(array, path, m)
    atoms = np.broadcast_to(atoms, (len(y), *atoms.shape[-2:])).astype("complex64")
    y32 = y.astype("complex64")
    power = np.full(atoms.shape[::2], np.mean(np.abs(y) ** 2) / len(path), "float32")
    kept = np.broadcast_to(np.arange(len(path)), (len(y), len(path)))
    for i in range(ITERATIONS):
        if i == WIDE:
            kept = np.argsort(-power, axis=1)[:, :KEPT]
            atoms = np.take_along_axis(atoms, kept[:, None], axis=2)
            power = np.take_along_axis(power, kept, axis=1)
        ket = np.conj(np.swapaxes(atoms, 1, 2))
        r = (atoms * power[:, None]) @ ket + no * np.eye(y.shape[1], dtype="complex64")
        solved = np.linalg.solve(r, np.concatenate([y32, atoms], axis=2))
        q = np.mean(np.abs(ket @ solved[:, :, : y.shape[2]]) ** 2, axis=2)
        s = np.real(np.sum(np.conj(atoms) * solved[:, :, y.shape[2] :], axis=1))
        power = power * np.sqrt(q / np.maximum(s, 1e-20))
    q, s = solved[:, :, : y.shape[2]], ket @ solved[:, :, y.shape[2] :]
    waves = np.swapaxes(array.waves(path[kept]).astype("complex64"), 1, 2)
    spread = power[:, None]
    left = np.eye(power.shape[1]) * spread - power[..., None] * s * spread
    inside = np.sum(left * (np.swapaxes(waves, 1, 2) @ waves.conj()), axis=(1, 2))
    h_hat = waves @ (power[..., None] * (ket @ q))
    return h_hat, np.real(inside)[:, None, None] / len(array)


def _angles(array):
    grid = array.grid(np.inf)
    return grid[grid[:, -1] == 0]


def _seen(array, path, m, used=None):
    """Atoms in the measurements, [..., measurements, paths]; those not used are 0."""
    atoms = np.asarray(m) @ np.swapaxes(array.waves(path), -1, -2)
    return atoms if used is None else atoms * used[:, None]


def _fit(atoms, y):
    """Least squares gains and what they leave."""
    bra = np.conj(np.swapaxes(atoms, 1, 2))
    gram = bra @ atoms
    scale = np.real(np.trace(gram, axis1=1, axis2=2))[:, None, None]
    gram = gram + 1e-10 * scale * np.eye(gram.shape[1])
    gains = np.linalg.solve(gram, bra @ y)
    return gains, y - atoms @ gains


def _worth(atoms, used, y):
    """Energy that would be left unexplained without each atom, [batch, paths]."""
    gains, _ = _fit(atoms, y)
    gram = np.conj(np.swapaxes(atoms, 1, 2)) @ atoms
    inverse = np.linalg.pinv(gram, hermitian=True, rcond=1e-9)
    own = np.maximum(np.real(np.einsum("bii->bi", inverse)), 1e-300)
    return np.where(used, np.sum(np.abs(gains) ** 2, axis=2) / own, np.inf)


def _pursued(array, path, y, m, no, number: int):
    """`number` atoms of a grid, one after the other: h_hat, err_var, their paths."""
    refuse_few(y.shape[1], number)
    atoms = _seen(array, path, m)
    bra = np.conj(np.swapaxes(atoms, -1, -2)).astype("complex64")
    energy = np.sum(np.abs(atoms) ** 2, axis=-2)
    atoms = np.broadcast_to(atoms, (len(y), *atoms.shape[-2:]))
    chosen, rest = np.zeros((len(y), 0), int), y
    for _ in range(number):
        score = np.sum(np.abs(bra @ rest.astype("complex64")) ** 2, axis=2) / energy
        np.put_along_axis(score, chosen, -1, axis=1)
        best = np.argmax(score, axis=1)[:, None]
        chosen = np.concatenate([chosen, best], axis=1)
        rest = _fit(np.take_along_axis(atoms, chosen[:, None], axis=2), y)[1]
    return *_refitted(array, path[chosen], y, m, no), path[chosen]


def _refitted(array, path, y, m, no, used=None):
    """Least squares over given paths, and the variance of its error.

    That is the noise in the gains, and as much power unseen in every antenna as the
    measurements hold beyond noise.
    """
    atoms = _seen(array, path, m, used)
    gains, rest = _fit(atoms, y)
    waves = np.swapaxes(array.waves(path), 1, 2)
    gram = np.conj(np.swapaxes(atoms, 1, 2)) @ atoms
    noise = no * np.linalg.pinv(gram, hermitian=True, rcond=1e-9)
    inside = np.conj(np.swapaxes(waves, 1, 2)) @ waves
    spread = np.real(np.sum(noise * np.swapaxes(inside, 1, 2), axis=(1, 2)))
    number = path.shape[1] if used is None else np.sum(used, axis=1)
    free = (y.shape[1] - number) * y.shape[2]
    excess = np.sum(np.abs(rest) ** 2, axis=(1, 2)) / free - no
    err_var = spread / len(array) + np.maximum(excess, 0)
    return waves @ gains, err_var[:, None, None]


def _moved(array, path, used, y, m, part, nearest):
    """One step up the gradient of the explained energy in some coordinates.

    Each coordinate's share is scaled by its own curvature, which the published steps do
    not do: strong paths would hold back weak ones.
    """
    scale = -2 * np.pi / array.wavelength * array.cells[part]
    waves, m = array.waves(path), np.asarray(m)
    gains, rest = _fit(_seen(array, path, m, used), y)
    turned = 1j * waves[:, :, None] * array.slopes(path)[:, :, part] * scale[:, None]
    seen = turned @ np.swapaxes(m, -1, -2)[..., None, :, :]
    pull = np.conj(seen) @ rest[:, None]  # [batch, paths, coordinates, snapshots]
    gradient = 2 * np.real(np.sum(pull * np.conj(gains)[:, :, None], axis=-1))
    energy = np.sum(np.abs(gains) ** 2, axis=2)[:, :, None]
    bend = 2 * energy * np.sum(np.abs(seen) ** 2, axis=3)
    move = gradient / np.maximum(bend, 1e-9 * np.max(bend))
    move /= np.maximum(1, np.max(np.abs(move), axis=(1, 2), keepdims=True) / LARGEST)
    rise = np.sum(gradient * move, axis=(1, 2))
    left = np.sum(np.abs(rest) ** 2, axis=(1, 2))
    step, done = np.ones(len(y)), np.zeros(len(y), bool)
    for _ in range(HALVINGS):
        trial = path.copy()
        trial[..., part] += step[:, None, None] * move * array.cells[part]
        trial = array.clipped(trial, nearest)
        new = np.sum(np.abs(_fit(_seen(array, trial, m, used), y)[1]) ** 2, axis=(1, 2))
        good = ~done & (new < left - ARMIJO * step * rise)
        path = np.where(good[:, None, None], trial, path)
        done |= good
        step = step / 2
    return path


def refuse_few(measurements: int, atoms: int) -> None:
    """ValueError for fewer measurements than atoms."""
    if measurements < atoms:
        raise ValueError(
            f"{measurements} measurements cannot tell {atoms} paths apart: use more "
            "pilot slots or fewer paths"
        )
