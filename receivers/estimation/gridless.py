"""Newtonised orthogonal matching pursuit of paths over angle and delay, off any grid.

A field over a uniform line of antennas and over carriers is a sum of paths,

    h[n, k] = sum_p g_p exp(2j pi u_p n) exp(-2j pi f_k tau_p),

u in turns per antenna, seen in white noise. Slots may be one axis more, over which a
path turns by its Doppler shift. Paths are found one by one where the
periodogram of what is left is largest, moved by Newton steps, all of them in turns
after each new one, and their gains are those of least squares (Mamandipoor, Ramasamy
and Madhow, "Newtonized orthogonal matching pursuit", IEEE TSP 2016, algorithm 1).
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

OVERSAMPLING = 4
"""Of the periodogram over two axes, along each; half of it over more."""
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

    turns : [batch, slots, axes], of the phase from a place to the next along each axis
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
    """Of elements along each axis, about their middle."""
    return [np.arange(size) - (size - 1) / 2 for size in shape]


def find_paths(y, no: float, most: int) -> Found:
    """The paths of fields y in noise of variance `no`.

    y : complex [batch, antennas, frequencies], or with more axes
    most : paths at most, and no more than a quarter of what is seen
    """
    batch, places = len(y), places_of(y.shape[1:])
    found = Found(np.zeros((batch, 0, len(places))), np.zeros((batch, 0), complex))
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
    """The sum of the paths, [batch, places along each axis]."""
    *first, last = _waves(found.turns, places)
    left = reduce(_product, first) * found.gain[..., None]
    return (np.swapaxes(left, 1, 2) @ last).reshape(-1, *map(len, places))


def _largest(rest, places):
    """Turns of the largest value of the periodogram, and that value, [batch]."""
    oversampling = OVERSAMPLING if len(places) == 2 else OVERSAMPLING // 2
    shape = [oversampling * len(place) for place in places]
    axes = range(1, rest.ndim)
    power = np.abs(np.fft.fftn(rest, shape, axes)) ** 2 / rest[0].size
    power = power.reshape(len(rest), -1)
    top = np.argmax(power, axis=1)
    turns = np.stack(np.unravel_index(top, shape), axis=1) / shape
    return turns, power[np.arange(len(rest)), top]


def _matched(turns, rest, places):
    """Gains of single paths by least squares, [batch]."""
    bras = [np.conj(wave)[:, None] for wave in _waves(turns, places)]
    return _projected(rest, bras).reshape(len(rest)) / rest[0].size


def _waves(turns, places):
    """Waves of paths along each axis, [..., places] each."""
    return [
        np.exp(2j * np.pi * turns[..., axis, None] * place)
        for axis, place in enumerate(places)
    ]


def _product(left, right):
    """Products of waves over two axes as one, [..., places]."""
    both = left[..., :, None] * right[..., None, :]
    return both.reshape(*left.shape[:-1], -1)


def _projected(y, bras):
    """y over all axes against bras [batch, kinds, places]: [batch, kinds, ...]."""
    for bra in bras:
        z = bra @ y.reshape(len(y), bra.shape[2], -1)
        z = z.reshape(*z.shape[:2], *y.shape[2:])
        y = np.moveaxis(z, 1, -1)
    return y


def _stepped(turns, rest, places):
    """Turns after a Newton step uphill of |a^H r|^2, or as they were."""
    powers = []
    for wave, place in zip(_waves(turns, places), places, strict=True):
        slope, bra = -2j * np.pi * place, np.conj(wave)
        powers.append(np.stack([bra, slope * bra, slope**2 * bra], axis=1))
    z = _projected(rest, powers)  # derivatives of a^H r
    once = np.eye(len(places), dtype=int)
    s = z.reshape(len(z), -1)[:, 0]
    first = np.stack([z[(..., *a)] for a in once], axis=1)
    gradient = 2 * np.real(np.conj(s)[:, None] * first)
    cross = np.real(np.conj(first)[:, :, None] * first[:, None])
    second = np.stack([z[(..., *(a + b))] for a in once for b in once], axis=1)
    second = np.real(np.conj(s)[:, None] * second).reshape(cross.shape)
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
    waves, there = _waves(turns, places), gain != 0
    gram = reduce(np.multiply, (np.conj(w) @ np.swapaxes(w, 1, 2) for w in waves))
    *first, last = map(np.conj, waves)
    flat = y.reshape(len(y), -1, last.shape[2])
    pull = np.sum((reduce(_product, first) @ flat) * last, axis=2)
    both = there[:, :, None] & there[:, None]
    same = np.eye(gram.shape[1])
    gram = np.where(both, gram, same) + 1e-9 * y[0].size * same
    return np.where(there, np.linalg.solve(gram, pull[..., None])[..., 0], 0)


def _with_slot(z):
    return np.concatenate([z, np.zeros_like(z, shape=(len(z), 1, *z.shape[2:]))], 1)
