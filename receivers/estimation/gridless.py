"""Newtonised orthogonal matching pursuit of paths over angle and delay, off any grid.

A field over a uniform line of antennas and over carriers is a sum of paths,

    h[n, k] = sum_p g_p exp(2j pi u_p n) exp(-2j pi f_k tau_p),

u in turns per antenna, seen in white noise. Paths are found one by one where the
periodogram of what is left is largest, moved by Newton steps, all of them in turns
after each new one, and their gains are those of least squares (Mamandipoor, Ramasamy
and Madhow, "Newtonized orthogonal matching pursuit", IEEE TSP 2016, algorithm 1).
"""

from typing import NamedTuple

import numpy as np

OVERSAMPLING = 4
"""Of the periodogram, along each axis."""
FALSE_ALARM = 0.01
"""Chance that noise alone makes one path more."""
FIRST_STEPS, ROUNDS = 3, 3
"""Newton steps of a new path, and rounds over all paths after it."""
EARLY = 1 / 16
"""Share of the period of delays that lies before zero."""
MOST = 40
"""Paths of `nomp` at most."""
LARGEST = 0.25
"""Newton step [cells of the resolution]."""


class Found(NamedTuple):
    """Paths of a batch, in slots; those that are free have no gain.

    turns : [batch, slots, 2], of the phase from a place to the next along both axes
    gain : complex [batch, slots], at the origin of the places
    """

    turns: np.ndarray
    gain: np.ndarray

    @property
    def number(self) -> np.ndarray:
        """Paths of each channel, [batch]."""
        return np.sum(self.gain != 0, axis=1)


def nomp(y, no, carriers, total: int, most: int = MOST):
    """Fields over all carriers from what is seen at some, evenly spaced.

    y : complex [batch, antennas, pilots]; no : noise variance, a number
    carriers : indices of the pilots, two or more; total : number of carriers
    most : paths at most

    Returns h_hat [batch, antennas, total], and err_var [batch, 1, 1]: what parameters
    cost that are estimated (four real numbers a path), and what no path explains.
    """
    found, places = find_paths(y, no, most), places_of(y.shape[1:])
    share = 2 * found.number / y[0].size
    err_var = no * share + missed(y - field(found, places), no, share)
    return everywhere(found, carriers, total, y.shape[1]), err_var[:, None, None]


def missed(rest, no: float, share) -> np.ndarray:
    """Power of what no path explains, of fields of power one, [batch].

    What is left over its noise, and at least the mean power of a path that may have any
    below the bar of detection. share : of the noise that paths took, [batch]
    """
    over = np.mean(np.abs(rest) ** 2, axis=(1, 2)) - no * (1 - share)
    return np.clip(over, min(_bar(no, rest) / rest[0].size / 2, 1), 1)


def _bar(no: float, y) -> float:
    """Peak of the periodogram of y that noise alone passes by `FALSE_ALARM`."""
    return no * (np.log(y[0].size) - np.log(-np.log1p(-FALSE_ALARM)))


def everywhere(found: Found, carriers, total: int, antennas: int) -> np.ndarray:
    """Paths over all carriers, with the earliest delays that the pilots allow."""
    step = carriers[1] - carriers[0]
    late = np.mod(EARLY - found.turns[..., 1], 1) - EARLY  # of the period of pilots
    turns = np.stack([found.turns[..., 0], -late], axis=-1)
    along = (np.arange(total) - np.mean(carriers)) / step
    whole = found.turns[..., 1] + late  # turns from a pilot to the next left out
    gain = found.gain * np.exp(1j * np.pi * whole * (len(carriers) - 1))
    places = places_of((antennas, total))[0], along
    return field(Found(turns, gain), places)


def places_of(shape) -> list[np.ndarray]:
    """Of elements along both axes, about their middle."""
    return [np.arange(size) - (size - 1) / 2 for size in shape]


def find_paths(y, no: float, most: int) -> Found:
    """The paths of fields y [batch, antennas, frequencies] in noise of variance `no`.

    most : paths at most, and no more than a quarter of what is seen
    """
    batch, places = len(y), places_of(y.shape[1:])
    found = Found(np.zeros((batch, 0, 2)), np.zeros((batch, 0), complex))
    bar, going, rest = _bar(no, y), np.arange(batch), y
    for _ in range(min(most, y[0].size // 4)):
        turns, peak = _largest(rest[going], places)
        going, turns = going[peak > bar], turns[peak > bar]
        if not len(going):
            break
        for _ in range(FIRST_STEPS):
            turns = _stepped(turns, rest[going], places)
        found = Found(*(_with_slot(z) for z in found))
        found.turns[going, -1] = turns
        part = Found(*(z[going] for z in found))
        part.gain[:, -1] = _matched(turns, rest[going], places)
        part = _refined(part, y[going], places)
        for whole, new in zip(found, part, strict=True):
            whole[going] = new
        rest = rest.copy()
        rest[going] = y[going] - field(part, places)
    return found


def field(found: Found, places) -> np.ndarray:
    """The sum of the paths, [batch, places along both axes]."""
    left, right = (
        np.exp(2j * np.pi * found.turns[..., axis, None] * place)
        for axis, place in enumerate(places)
    )
    return np.swapaxes(left * found.gain[..., None], 1, 2) @ right


def _largest(rest, places):
    """Turns of the largest value of the periodogram, and that value, [batch]."""
    shape = [OVERSAMPLING * len(place) for place in places]
    power = np.abs(np.fft.fft2(rest, shape)) ** 2 / rest[0].size
    power = power.reshape(len(rest), -1)
    top = np.argmax(power, axis=1)
    turns = np.stack(np.unravel_index(top, shape), axis=1) / shape
    return turns, power[np.arange(len(rest)), top]


def _matched(turns, rest, places):
    """Gains of single paths by least squares, [batch]."""
    left, right = _waves(turns, places)
    return np.einsum("bnk,bn,bk->b", rest, left, right) / rest[0].size


def _waves(turns, places):
    """Conjugate waves of single paths along both axes, [batch, places] each."""
    return [
        np.exp(-2j * np.pi * turns[:, axis, None] * place)
        for axis, place in enumerate(places)
    ]


def _stepped(turns, rest, places):
    """Turns after a Newton step uphill of |a^H r|^2, or as they were."""
    left, right = _waves(turns, places)
    slopes = [-2j * np.pi * place for place in places]
    powers = [
        np.stack([wave, slope * wave, slope**2 * wave], axis=1)
        for wave, slope in zip((left, right), slopes, strict=True)
    ]
    z = powers[0] @ rest @ np.swapaxes(powers[1], 1, 2)  # derivatives of a^H r
    s = z[:, 0, 0]
    first = np.stack([z[:, 1, 0], z[:, 0, 1]], axis=1)
    gradient = 2 * np.real(np.conj(s)[:, None] * first)
    cross = np.real(np.conj(first)[:, :, None] * first[:, None])
    second = np.stack([z[:, 2, 0], z[:, 1, 1], z[:, 1, 1], z[:, 0, 2]], axis=1)
    second = np.real(np.conj(s)[:, None] * second).reshape(-1, 2, 2)
    hessian = 2 * (cross + second)
    cells = 1 / np.array([len(place) for place in places])
    scaled = hessian * cells[:, None] * cells
    values, vectors = np.linalg.eigh(scaled)
    floor = 1e-9 * np.abs(s[:, None]) ** 2 + 1e-300
    uphill = np.einsum("bij,bi->bj", vectors, gradient * cells)
    step = np.einsum("bij,bj->bi", vectors, uphill / np.maximum(np.abs(values), floor))
    size = np.max(np.abs(step), axis=1, keepdims=True)
    moved = turns + step * np.minimum(1, LARGEST / np.maximum(size, 1e-12)) * cells
    better = np.abs(_matched(moved, rest, places)) > np.abs(s) / rest[0].size
    return np.where(better[:, None], moved, turns)


def _refined(found: Found, y, places) -> Found:
    """All paths moved in turns, then their gains by least squares."""
    turns, gain = found.turns.copy(), found.gain.copy()
    for _ in range(ROUNDS):
        rest = y - field(Found(turns, gain), places)
        for slot in range(turns.shape[1]):
            on = gain[:, slot] != 0
            own = Found(turns[on, slot, None], gain[on, slot, None])
            alone = rest[on] + field(own, places)
            turns[on, slot] = _stepped(turns[on, slot], alone, places)
            gain[on, slot] = _matched(turns[on, slot], alone, places)
            new = Found(turns[on, slot, None], gain[on, slot, None])
            rest[on] = alone - field(new, places)
        gain = fitted_gains(turns, gain, y, places)
    return Found(turns, gain)


def fitted_gains(turns, gain, y, places):
    """Gains of all paths together; free slots keep none."""
    left, right = (
        np.exp(2j * np.pi * turns[..., axis, None] * place)
        for axis, place in enumerate(places)
    )
    there = gain != 0
    bra = np.conj(left), np.conj(right)
    gram = (bra[0] @ np.swapaxes(left, 1, 2)) * (bra[1] @ np.swapaxes(right, 1, 2))
    pull = np.sum((bra[0] @ y) * bra[1], axis=2)
    both = there[:, :, None] & there[:, None]
    same = np.eye(gram.shape[1])
    gram = np.where(both, gram, same) + 1e-9 * y[0].size * same
    return np.where(there, np.linalg.solve(gram, pull[..., None])[..., 0], 0)


def _with_slot(z):
    return np.concatenate([z, np.zeros_like(z, shape=(len(z), 1, *z.shape[2:]))], 1)
