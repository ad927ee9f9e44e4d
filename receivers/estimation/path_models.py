"""What one path looks like in the measurements: atoms, their derivatives, their grid.

A model turns y [batch, measurements, snapshots] into what its atoms explain, z [batch,
size, columns]: every column has its own gain. Coordinates of a path are (s, a) of
`spherical_waves`, and a delay where gains are not free.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

STARTS = 8
"""Delays at which a path is looked for, per period."""
NEW, HEARD = 1e-3, 1e-6
"""Least energy s of a candidate beside the paths found so far: of its own, and of the
grid's mean, for those that a combiner cancels."""


class Candidates(NamedTuple):
    """The coarse grid as the measurements see it.

    path : [points, coordinates]
    atoms : complex64 [points, measurements], or [batch, points, measurements]
    energy : |atom|^2, of the same shape but the last axis
    """

    path: np.ndarray
    atoms: np.ndarray
    energy: np.ndarray


class FreeGains:
    """Every snapshot has its own gain: atoms M v(s, a), a column a snapshot.

    Args:
        array: The `Aperture`.
        m: Combiner, [measurements, antennas] or [batch, measurements, antennas].
        nearest: Range that sources keep [m].
    """

    tail = 1e-5
    """Chance that the noise alone makes a cell of the grid a path."""
    keep = 2.0
    """Smallest q / s of a path that stays."""

    def __init__(self, array, m, nearest: float):
        self.array, self.nearest = array, nearest
        self.m = np.asarray(m, "complex128")
        self.cells, self.width = array.cells, array.axes + 1
        path = self.grid()
        seen = np.swapaxes(self.m, -1, -2).astype("complex64")
        atoms = np.matmul(self.seen(path).astype("complex64"), seen)
        self.candidates = Candidates(path, atoms, np.sum(np.abs(atoms) ** 2, -1))

    @property
    def energy(self) -> float:
        """|p|^2 of an atom, on average."""
        return float(np.mean(self.candidates.energy))

    @property
    def least(self):
        """Of s of the candidates, in the shape of their energies."""
        own = self.candidates.energy
        return np.maximum(NEW * own, HEARD * np.mean(own))

    def threshold(self, columns: int) -> float:
        """q / s that the noise alone exceeds with probability `tail`: gamma's law."""
        return float(stats.gamma.isf(self.tail, columns)) / columns

    def edges(self, paths):
        """Edges of windows in the channels, [batch]: without windows there are none."""
        return 0

    def grid(self):
        """Paths among which the search begins, [points, width]."""
        return self.array.grid(self.nearest)

    def columns(self, y):
        """y as its atoms explain it."""
        return y

    def rows(self, keep):
        """The model of some of the batch."""
        if self.m.ndim == 2:
            return self
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.m = self.m[keep]
        part.candidates = Candidates(
            self.candidates.path,
            self.candidates.atoms[keep],
            self.candidates.energy[keep],
        )
        return part

    def repeated(self, times: int):
        """The model of a batch in which each channel stands `times` times."""
        if self.m.ndim == 2:
            return self
        return self.rows(np.repeat(np.arange(len(self.m)), times))

    def atoms(self, path):
        """Atoms and derivatives in cells: [batch, 1 + d + d (d + 1) / 2, size].

        path: [batch, coordinates]. The second derivatives leave out the curvature of
        the phase, which hardly counts.
        """
        return np.matmul(FreeGains.waves(self, path), np.swapaxes(self.m, -1, -2))

    def waves(self, path):
        """The same of the antennas, without the combiner."""
        slopes = self.array.slopes(path[:, : self.array.axes + 1])
        scale = -2 * np.pi / self.array.wavelength * self.array.cells
        return with_derivatives(self.seen(path), slopes * scale[:, None])

    def seen(self, path):
        """Responses of the antennas to paths [..., coordinates]: [..., antennas]."""
        return self.array.waves(path[..., : self.array.axes + 1])

    def moved(self, path, step):
        """Paths after a step in cells, kept where there are sources."""
        place = path[:, : self.array.axes + 1] + step * self.array.cells
        return self.array.clipped(place, self.nearest)

    def reshaped(self, path, judge):
        """Paths with what Newton cannot move at its best; here there is nothing."""
        return path

    def search(self, rest, weights, atoms, no):
        """The best of the grid: q / s and path of every channel.

        rest, weights: As in `off_grid.explained`. atoms: of the paths found so far.
        """
        grid = self.candidates
        bra = np.conj(grid.atoms)
        q = np.mean(np.abs(np.matmul(bra, rest.astype("complex64"))) ** 2, axis=-1)
        s = grid.energy - _known(bra, weights, atoms)
        f = q / no / np.maximum(s, self.least)
        return grid.path[self.chosen(f, rest.shape[-1])]

    def chosen(self, f, columns: int):
        """The candidate to go on with, of their q / s [batch, points]."""
        return np.argmax(f, axis=1)

    def fields(self, path, gains):
        """Channels [batch, antennas, snapshots] of [batch, paths, ...] and gains."""
        return np.swapaxes(self.seen(path), 1, 2) @ gains


class WithDelays(FreeGains):
    """One gain and one delay a path: atoms e(tau) x M v(s, a), a single column.

    frequencies: of the snapshots [Hz], evenly spaced.
    """

    tail = 3e-7
    keep = 4.0

    def __init__(self, array, m, nearest: float, frequencies):
        super().__init__(array, m, nearest)
        self.frequencies = np.asarray(frequencies, float)
        if len(self.frequencies) < 2:
            raise ValueError("a delay needs at least two frequencies: use free gains")
        spacing = self.frequencies[1] - self.frequencies[0]
        self.period = 1 / spacing
        cell = 1 / (spacing * len(self.frequencies))
        self.cells, self.width = np.append(array.cells, cell), array.axes + 2
        self.starts = np.arange(STARTS) / STARTS * self.period

    @property
    def energy(self):
        return len(self.frequencies) * super().energy

    def columns(self, y):
        return np.swapaxes(y, 1, 2).reshape(len(y), -1, 1)

    def turns(self, delay):
        return np.exp(-2j * np.pi * delay[..., None] * self.frequencies)

    def atoms(self, path):
        return self._delayed(path, super().atoms(path)[:, :, None])

    def waves(self, path):
        return self._delayed(path, super().waves(path)[:, :, None])

    def _delayed(self, path, space):
        """Derivatives of the product, from those of space alone, [batch, 1 + d + d (d +
        1) / 2, frequencies or 1, size]."""
        d = self.array.axes + 1
        e = self.turns(path[:, d])
        rate = -2j * np.pi * self.frequencies * self.cells[d]
        spread = [_outer(e, space), _outer(e * rate, space), _outer(e * rate**2, space)]
        first = [spread[0][:, 1 + i] for i in range(d)] + [spread[1][:, 0]]
        second, at = [], 1 + d
        for i in range(d):
            for _ in range(i, d):
                second.append(spread[0][:, at])
                at += 1
            second.append(spread[1][:, 1 + i])
        second.append(spread[2][:, 0])
        return np.stack([spread[0][:, 0], *first, *second], axis=1)

    def moved(self, path, step):
        place = super().moved(path[:, :-1], step[:, :-1])
        delay = np.mod(path[:, -1:] + step[:, -1:] * self.cells[-1], self.period)
        return np.concatenate([place, delay], axis=1)

    def search(self, rest, weights, atoms, no):
        grid, number = self.candidates, len(self.frequencies)
        rest = rest.reshape(len(rest), number, -1).astype("complex64")
        split = atoms.reshape(*atoms.shape[:2], number, self.m.shape[-2])
        matches, weights = self.matches(rest, split), weights.astype("complex64")
        best, f, least = None, None, number * self.least
        for delay, turn in zip(self.starts, self.turns(self.starts), strict=True):
            found, c = matches(turn.astype("complex64"))
            s = np.sum(np.real(np.matmul(c, weights) * np.conj(c)), axis=-1)
            new = np.abs(found) ** 2 / np.maximum(number * grid.energy - s, least)
            top = np.argmax(new, axis=1)
            value = np.take_along_axis(new, top[:, None], 1)[:, 0]
            path = np.concatenate([grid.path[top], np.full((len(top), 1), delay)], 1)
            if f is None:
                best, f = path, value
            better = value > f
            best[better], f[better] = path[better], value[better]
        return best

    def matches(self, rest, atoms):
        """Function of the turns e(tau): inner products of the grid's atoms with what is
        left, [batch, points], and with the paths found, [batch, points, paths].

        rest: [batch, frequencies, measurements]; atoms: [batch, paths, frequencies,
        measurements].
        """
        bra = np.conj(self.candidates.atoms)
        found = np.matmul(bra, np.swapaxes(rest, 1, 2))
        phase = np.conj(atoms[:, :, :1, 0]) * atoms[..., 0]  # e(tau), up to a factor
        phase = phase / np.maximum(np.abs(phase[:, :, :1]), 1e-300)
        space = np.matmul(bra, np.swapaxes(atoms[:, :, 0], 1, 2).astype("complex64"))

        def match(turn):
            shared = (phase @ np.conj(turn)).astype("complex64")
            return found @ np.conj(turn), space * shared[:, None]

        return match

    def fields(self, path, gains):
        return super().fields(path, gains * self.turns(path[..., -1]))


def with_derivatives(v, slopes):
    """v, its first and second derivatives, from those of its phase [batch, d, n]."""
    d = slopes.shape[1]
    first = [1j * slopes[:, i] * v for i in range(d)]
    second = [1j * slopes[:, j] * first[i] for i in range(d) for j in range(i, d)]
    return np.stack([v, *first, *second], axis=1)


def _outer(e, space):
    """[batch, t] and [batch, x, t or 1, n] -> [batch, x, t * n]."""
    product = e[:, None, :, None] * space
    return product.reshape(*product.shape[:2], -1)


def _known(bra, weights, atoms):
    """Energy of candidates that the paths found so far explain: [batch, points]."""
    atoms = np.swapaxes(atoms, 1, 2).astype("complex64")
    c = np.matmul(bra, atoms)
    return np.sum(np.real(np.matmul(c, weights.astype("complex64")) * np.conj(c)), -1)
