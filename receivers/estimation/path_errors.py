"""How far paths that were fitted to a field err where they go on.

The parameters of all paths of a field, gain and turns along each axis, have errors of
a covariance that is the inverse of their Fisher information in white noise, here with
what is known of them before: gains are no stronger than they were found, turns lie
within a cell of the resolution, and those over slots within the largest Doppler shift
(Kay, Fundamentals of Statistical Signal Processing, 1993, sections 3.9 and 10.6).
"""

from functools import reduce

import numpy as np

from link_sim.receivers.estimation.gridless import Found

LEAST_CELL = 1e-6
"""Turns: users who stand still have shifts that are as good as known."""


def variance_elsewhere(found: Found, seen, wanted, no: float, cells) -> np.ndarray:
    """Mean squared error of fields of paths, to first order in their parameters.

    seen, wanted : places along each axis where paths were fitted, and where their
        field is wanted
    no : noise variance where they were seen; cells : standard deviation of the turns
        along each axis before, [axes]

    Returns [batch].
    """
    there = found.gain != 0
    power = np.where(there, np.abs(found.gain) ** 2, 1.0)
    axes = found.turns.shape[2]
    before = [2 / power, 2 / power]
    before += [np.full(power.shape, 1 / max(cell, LEAST_CELL) ** 2) for cell in cells]
    used = np.tile(there, (1, axes + 2))
    both = used[:, :, None] & used[:, None]
    information = np.where(both, 2 / no * _gram(found, seen), 0)
    own = np.concatenate(before, axis=1)
    information += own[:, :, None] * np.eye(own.shape[1])
    covariance = np.linalg.inv(information)
    spread = np.where(both, _gram(found, wanted), 0)
    elements = np.prod([len(place) for place in wanted])
    return np.einsum("bij,bji->b", covariance, spread) / elements


def _gram(found: Found, places) -> np.ndarray:
    """Real inner products of the derivatives of a field by all parameters of its paths.

    Real parts of all gains come first, then imaginary parts, then turns along each
    axis: [batch, parameters, parameters].
    """
    axes = found.turns.shape[2]
    waves = []
    for axis, place in enumerate(places):
        wave = np.exp(2j * np.pi * found.turns[..., axis, None] * place)
        waves.append((wave, 2j * np.pi * place * wave))
    one = np.ones_like(found.gain)
    columns = [(one, -1), (1j * one, -1), *((found.gain, axis) for axis in range(axes))]

    def block(left, right):
        inner = reduce(
            np.multiply,
            (
                w[left[1] == axis].conj() @ np.swapaxes(w[right[1] == axis], 1, 2)
                for axis, w in enumerate(waves)
            ),
        )
        return np.real(left[0].conj()[:, :, None] * inner * right[0][:, None])

    return np.block([[block(a, b) for b in columns] for a in columns])
