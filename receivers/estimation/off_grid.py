"""Sparse Bayesian estimation off the grid: few paths, found one by one, all refined.

Given the paths, measurements are Gaussian with R = no I + sum_k gamma_k p_k p_k^H. A
candidate p is judged by how the likelihood grows with its power,

    q = mean_t |p^H R^-1 z_t|^2,   s = p^H R^-1 p,

which pays where q > s, most at gamma = (q - s) / s^2 (Tipping and Faul, "Fast marginal
likelihood maximisation for sparse Bayesian models", 2003). Newton steps move a path to
the highest q / s; their number needs no knowledge: a path is one whose q / s the noise
alone does not reach.
"""

from typing import NamedTuple

import numpy as np

STEPS = 6
"""Newton steps of a new path."""
SWEEPS = 4
"""Over all paths, at the end."""
LARGEST = 0.5
"""Step of Newton [cells]."""
FLOOR = 0.05
"""Smallest curvature of ln(q / s) per cell that Newton trusts."""


class Paths(NamedTuple):
    """Paths of a batch, in slots: a slot with power 0 is free.

    path : [batch, slots, coordinates]
    power : gamma, [batch, slots]
    atoms : complex [batch, slots, size]
    """

    path: np.ndarray
    power: np.ndarray
    atoms: np.ndarray

    def rows(self, keep):
        return Paths(*(x[keep] for x in self))


def find_paths(model, z, no: float, most: int = 16) -> Paths:
    """The paths of every channel, and their powers.

    model: of `path_models`. z: [batch, size, columns]. most: paths at most.
    """
    batch, size, columns = z.shape
    paths = Paths(
        np.zeros((batch, 0, model.width)),
        np.zeros((batch, 0)),
        np.zeros((batch, 0, size), complex),
    )
    threshold = model.threshold(columns)
    going = np.arange(batch)
    for _ in range(most + 4):
        new, going = _add(model, z, no, paths, going, threshold, most)
        if not len(going):
            break
        paths = new
        changed = paths.rows(going)
        _sweep(model.rows(going), z[going], no, changed)
        for whole, part in zip(paths, changed, strict=True):
            whole[going] = part
    for _ in range(SWEEPS):
        _sweep(model, z, no, paths)
    return paths


def explained(z, no, paths, without=None):
    """What the paths leave of z, and the weights of Woodbury's formula.

    R^-1 = (I - P W P^H) / no. Returns z - P W P^H z, [batch, size, columns], and W,
    [batch, slots, slots]. without: a slot that is left out.
    """
    power = paths.power
    if without is not None:
        power = power.copy()
        power[:, without] = 0
    root = np.sqrt(power / no)
    bra = np.conj(paths.atoms)
    gram = bra @ np.swapaxes(paths.atoms, 1, 2)
    inner = np.eye(power.shape[1]) + root[:, :, None] * gram * root[:, None]
    weights = root[:, :, None] * np.linalg.inv(inner) * root[:, None]
    gains = weights @ (bra @ z)
    return z - np.swapaxes(paths.atoms, 1, 2) @ gains, weights


def ratio(model, path, rest, weights, atoms, no):
    """q / s of candidates [batch, width] alone."""
    p = np.matmul(model.seen(path)[:, None], np.swapaxes(model.m, -1, -2))
    bra = np.conj(p)
    q = np.mean(np.abs(bra @ rest) ** 2, axis=(1, 2))
    c = bra @ np.swapaxes(atoms, 1, 2)
    s = np.sum(np.abs(p) ** 2, axis=2)[:, 0]
    s = s - np.real(np.sum((c @ weights) * np.conj(c), axis=(1, 2)))
    return q / no / np.maximum(s, 1e-12)


class Slope(NamedTuple):
    """q / s of candidates, its logarithm's gradient and Hessian [cells], q, s, atom."""

    f: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    q: np.ndarray
    s: np.ndarray
    atom: np.ndarray


def slope(model, path, rest, weights, atoms, no) -> Slope:
    """How the likelihood grows with the power of a candidate [batch, coordinates]."""
    d = len(model.cells)
    e = model.atoms(path)
    ket = np.swapaxes(e, 1, 2)
    alpha = np.conj(e) @ rest / no
    c = np.conj(atoms) @ ket[:, :, : 1 + d]
    white = (ket[:, :, : 1 + d] - np.swapaxes(atoms, 1, 2) @ (weights @ c)) / no
    beta = np.conj(e) @ white  # e_i^H R^-1 e_j, j up to d
    rows, columns = np.triu_indices(d)
    q0 = np.mean(np.abs(alpha[:, 0]) ** 2, axis=1)
    cross = np.real(np.mean(np.conj(alpha[:, :1]) * alpha, axis=2))
    q1, q2 = 2 * cross[:, 1 : 1 + d], cross[:, 1 + d :]
    tilt = alpha[:, 1 : 1 + d]
    outer = np.real(np.conj(tilt) @ np.swapaxes(tilt, 1, 2))
    q2 = 2 * (outer[:, rows, columns] / alpha.shape[2] + q2)
    s0 = np.maximum(np.real(beta[:, 0, 0]), 1e-12)
    s1 = 2 * np.real(beta[:, 1 : 1 + d, 0])
    s2 = 2 * np.real(beta[:, 1 + rows, 1 + columns] + beta[:, 1 + d :, 0])
    q0 = np.maximum(q0, 1e-300)
    g_q, g_s = q1 / q0[:, None], s1 / s0[:, None]
    curved = q2 / q0[:, None] - g_q[:, rows] * g_q[:, columns]
    curved -= s2 / s0[:, None] - g_s[:, rows] * g_s[:, columns]
    hessian = np.zeros((len(path), d, d))
    hessian[:, rows, columns] = hessian[:, columns, rows] = curved
    return Slope(q0 / s0, g_q - g_s, hessian, q0, s0, e[:, 0])


def climb(model, path, rest, weights, atoms, no, steps: int):
    """Newton's way to the highest q / s nearby: path and its `Slope`."""
    path = model.reshaped(path, lambda p: ratio(model, p, rest, weights, atoms, no))
    here = slope(model, path, rest, weights, atoms, no)
    step = _newton(here)
    for _ in range(steps):
        there = model.moved(path, step)
        new = slope(model, there, rest, weights, atoms, no)
        better = new.f > here.f
        path = np.where(better[:, None], there, path)
        here = Slope(
            *(
                np.where(better.reshape(-1, *(1,) * (a.ndim - 1)), b, a)
                for a, b in zip(here, new, strict=True)
            )
        )
        step = np.where(better[:, None], _newton(here), step / 4)
    return path, here


def _newton(here: Slope):
    """Steps [batch, d] in cells, uphill along every eigenvector."""
    values, vectors = np.linalg.eigh(here.hessian)
    along = np.einsum("bij,bi->bj", vectors, here.gradient)
    along = along / np.maximum(np.abs(values), FLOOR)
    step = np.einsum("bij,bj->bi", vectors, along)
    largest = np.max(np.abs(step), axis=1, keepdims=True)
    return step * np.minimum(1, LARGEST / np.maximum(largest, 1e-12))


def _add(model, z, no, paths, going, threshold, most):
    """One more path for the channels `going`; those that found one go on."""
    part, seen = paths.rows(going), model.rows(going)
    rest, weights = explained(z[going], no, part)
    path = seen.search(rest, weights, part.atoms, no)
    path, best = climb(seen, path, rest, weights, part.atoms, no, STEPS)
    found = (best.f > threshold) & (np.sum(part.power > 0, axis=1) < most)
    going, path, best = going[found], path[found], Slope(*(x[found] for x in best))
    if not len(going):
        return paths, going
    slot = np.argmax(_padded(paths.power[going], 1) == 0, axis=1)
    grow = max(0, int(slot.max()) + 1 - paths.power.shape[1])
    paths = Paths(*(_padded(x, grow) for x in paths))
    paths.path[going, slot] = path
    paths.power[going, slot] = (best.q - best.s) / best.s**2
    paths.atoms[going, slot] = best.atom
    return paths, going


def _sweep(model, z, no, paths) -> None:
    """Every path once: taken out, moved by two Newton steps, put back or dropped."""
    for k in range(paths.power.shape[1]):
        on = np.flatnonzero(paths.power[:, k] > 0)
        if not len(on):
            continue
        part, seen = paths.rows(on), model.rows(on)
        rest, weights = explained(z[on], no, part, without=k)
        path, best = climb(seen, part.path[:, k], rest, weights, part.atoms, no, 2)
        power = np.maximum(best.q - best.s, 0) / best.s**2
        paths.path[on, k] = path
        paths.power[on, k] = np.where(best.f < model.keep, 0, power)
        paths.atoms[on, k] = best.atom


def _padded(x, slots: int):
    return np.pad(x, [(0, 0), (0, slots)] + [(0, 0)] * (x.ndim - 2))
