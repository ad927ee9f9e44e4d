"""Paths in few bits: strengths in octaves, angles and delays in cells, gains in levels.

A path of 2^b steps has its angle and its delay in cells so narrow that what is lost by
them is what is lost by the levels of its gain, a step of squared error over 3 each.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from link_sim.receivers.estimation.gridless import Found, field, fitted_gains, places_of
from link_sim.receivers.feedback.trellis import MOST, TOTAL, frequencies, scale_index

FINENESS = -4.0 * np.arange(1, 15)
"""Squared steps of gains that a word may name [dB], of fields of power one."""
OCTAVES = 12
"""Of the strength of a path over the step: as far as levels reach."""
BINS, EVEN = 64, 0.1
"""Of the histograms of angles and delays, and the share of them that is even."""


class Sent(NamedTuple):
    """Paths of a field as sent, strongest first.

    octave : of the strength over the step, [paths]
    cell : of angle and delay, [paths, 2]
    index : of the levels of both parts of the gain, [paths, 2]
    """

    octave: np.ndarray
    cell: np.ndarray
    index: np.ndarray


class PathWords:
    """How paths are quantised and written.

    found : paths of fields to learn from, by which angles and delays are likely
    shape : antennas and carriers
    """

    def __init__(self, found: Found, shape: tuple[int, int]):
        turns = np.mod(found.turns, 1)[found.gain != 0]
        self._shape = shape
        self._likely = [_distribution(turns[:, axis]) for axis in (0, 1)]

    def quantise(self, found: Found, h, fine: int) -> list[Sent]:
        """Paths of fields h, gains fitted anew to angles and delays as sent."""
        places, step = places_of(self._shape), _step(fine)
        gain = fitted_gains(*found, h, places)
        strength = np.log2(np.maximum(np.abs(gain), 1e-9) / step)
        octave = np.clip(np.round(strength), 0, OCTAVES - 1).astype(int)
        count = self._cells(octave)
        cell = np.minimum((np.mod(found.turns, 1) * count).astype(int), count - 1)
        gain = fitted_gains((cell + 0.5) / count, found.gain, h, places)
        index = np.stack([gain.real, gain.imag], axis=-1) / (2 * step)
        index = np.clip(np.round(index), -MOST, MOST).astype(int)
        order = np.argsort(-octave, axis=1, kind="stable")
        sent = []
        for n, row in enumerate(order):
            row = row[found.gain[n, row] != 0]
            sent.append(Sent(octave[n, row], cell[n, row], index[n, row]))
        return sent

    def fields(self, sent: list[Sent], fine: int) -> np.ndarray:
        """The sums of the paths, [batch, antennas, carriers]."""
        slots = max(len(each.octave) for each in sent)
        turns = np.zeros((len(sent), slots, 2))
        gain = np.zeros((len(sent), slots), complex)
        for n, each in enumerate(sent):
            here = slice(len(each.octave))
            turns[n, here] = (each.cell + 0.5) / self._cells(each.octave)
            gain[n, here] = 2 * _step(fine) * (each.index @ [1, 1j])
        return field(Found(turns, gain), places_of(self._shape))

    def parts(self, sent: Sent) -> list[tuple[int, int, int]]:
        """Start, size and total of each symbol, see `arithmetic.Writer.put`."""
        parts, top = [], OCTAVES
        for octave, cell, index in zip(*map(np.ndarray.tolist, sent), strict=True):
            parts.append((octave, 1, top))
            top = octave + 1
            for row, place in zip(self._cell_starts(octave), cell, strict=True):
                parts.append(_part(row, place))
            row = _gain_starts(octave)
            parts += [_part(row, 2 * abs(k) - (k > 0)) for k in index]
        return parts

    def read(self, reader, count: int) -> Sent:
        """So many paths, from `arithmetic.Reader`."""
        octaves, cells, indices, top = [], [], [], OCTAVES
        for _ in range(count):
            octaves.append(reader.uniform(top))
            top = octaves[-1] + 1
            starts = self._cell_starts(octaves[-1])
            cells.append([reader.among(row) for row in starts])
            places = [reader.among(_gain_starts(octaves[-1])) for _ in range(2)]
            indices.append([(p + 1) // 2 * (1 if p % 2 else -1) for p in places])
        pairs = (np.reshape(np.array(z, int), (-1, 2)) for z in (cells, indices))
        return Sent(np.array(octaves, int), *pairs)

    def _cells(self, octave) -> np.ndarray:
        """Of angle and delay, [..., 2]: cells as wide in energy as levels of gains."""
        spread = np.pi * np.sqrt((np.square(self._shape) - 1) / 12)
        return np.ceil(2.0 ** np.asarray(octave)[..., None] * spread).astype(int)

    def _cell_starts(self, octave: int) -> list[np.ndarray]:
        count = self._cells(octave).tolist()
        return [_starts(row, n) for row, n in zip(self._likely, count, strict=True)]


def _step(fine: int) -> float:
    return 10 ** (FINENESS[fine] / 20)


def _part(starts, place: int) -> tuple[int, int, int]:
    return int(starts[place]), int(starts[place + 1] - starts[place]), int(starts[-1])


def _gain_starts(octave: int) -> np.ndarray:
    return frequencies().below[scale_index(2.0**octave / np.sqrt(2)), 0]


def _distribution(turns) -> tuple[float, ...]:
    """Of values in turns: sums of the probabilities of `BINS` bins before each."""
    count = np.bincount((turns * BINS).astype(int) % BINS, minlength=BINS)
    p = (1 - EVEN) * count / max(count.sum(), 1) + EVEN / BINS
    return tuple(np.concatenate([[0], np.cumsum(p)]) / p.sum())


@lru_cache(maxsize=256)
def _starts(sums: tuple[float, ...], count: int) -> np.ndarray:
    """Frequencies before each of `count` cells, and their total."""
    cells, whole = np.arange(count + 1), max(TOTAL, 4 * count)
    at = np.interp(cells / count, np.arange(BINS + 1) / BINS, sums)
    return np.floor(at * (whole - count)).astype(int) + cells
