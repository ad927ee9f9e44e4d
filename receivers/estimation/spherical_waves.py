"""Waves over flat arrays: exact spherical phases from any range, infinity included.

A source at direction s (the cosines along the array's axes) and range r is met at the
antenna at x after the way r + delta(x) with

    delta = (|x|^2 w - 2 x.s) / (D + 1),   D = sqrt(1 - 2 w x.s + w^2 |x|^2),   w = 1/r,

which is exact and has no difference of large numbers: w = 0 is the plane wave. The
second coordinate of a path is its curvature a = (1 - |s|^2) w / 2 (Cui and Dai,
"Channel estimation for extremely large-scale MIMO: far-field or near-field?", IEEE
TCOM 2022): over a line, a and s hardly influence each other.
"""

from functools import cached_property

import numpy as np

SPACING = 1 / 50, 50
"""Antennas may be that close and that far from their nearest neighbour [wavelengths]:
beyond, positions are likely to be in another unit."""
RING = 1.2**2
"""Curvatures of a grid lie RING * wavelength / aperture^2 apart (Cui and Dai)."""
OVERSAMPLING = 2
"""Directions of a grid per cell."""
ENDFIRE = 0.9999
"""Largest |s|: a curvature says nothing about sources in the array's own plane."""


class Aperture:
    """A flat array.

    Args:
        positions: Of the antennas about their centre, [antennas, 1 or 2] in metres.
        wavelength: Of the carrier [m].

    Raises ValueError where the two do not fit together.
    """

    def __init__(self, positions, wavelength: float):
        self.positions = np.asarray(positions, float)
        if self.positions.ndim != 2 or self.positions.shape[1] not in (1, 2):
            raise ValueError(
                f"positions have shape {self.positions.shape}: use [antennas, 1] for a "
                "line and [antennas, 2] for a plane"
            )
        if not wavelength > 0:
            raise ValueError(f"wavelength = {wavelength}: use a length in metres")
        self.wavelength = float(wavelength)
        gap = self._gap() / self.wavelength
        if not SPACING[0] <= gap <= SPACING[1]:
            raise ValueError(
                f"neighbouring antennas are {gap:.3g} wavelengths apart: give "
                "positions and wavelength both in metres"
            )

    def __len__(self):
        return len(self.positions)

    @property
    def axes(self) -> int:
        return self.positions.shape[1]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of the array along each axis, a spacing included: N d for a line [m]."""
        numbers = np.max(self.ranks, axis=0) + 1
        return np.ptp(self.positions, axis=0) * numbers / np.maximum(numbers - 1, 1)

    @cached_property
    def ranks(self) -> np.ndarray:
        """Row and column of each antenna, integers [antennas, axes]."""
        rows = [np.round(x / self.wavelength, 6) for x in self.positions.T]
        return np.stack([np.unique(x, return_inverse=True)[1] for x in rows], axis=1)

    @property
    def rayleigh_distance(self) -> float:
        """2 D^2 / wavelength [m]: beyond, phases of plane waves err by up to pi/8."""
        return 2 * float(np.sum(np.ptp(self.positions, axis=0) ** 2)) / self.wavelength

    @cached_property
    def cells(self) -> np.ndarray:
        """Resolution of the coordinates (s, a): wavelength / length and its like."""
        radius = np.max(self.lengths) / 2
        bend = 2 / (2 * np.pi / self.wavelength * radius**2)
        return np.append(self.wavelength / self.lengths, bend)

    def ways(self, path) -> np.ndarray:
        """`delta` [m] of paths [..., axes + 1] of (s, a): [..., antennas]."""
        (_, _, along, square, w, root) = self._geometry(path)
        return (square * w - 2 * along) / (root + 1)

    def slopes(self, path) -> np.ndarray:
        """Derivatives of `delta` in (s, a): [..., axes + 1, antennas]."""
        s, rest, along, square, w, root = self._geometry(path)
        bend = (square - along**2) / (root * (root + 1 - w * along))
        tilt = -self.positions.T / root[..., None, :]
        tilt = tilt + (2 * s / rest)[..., None] * (w * bend)[..., None, :]
        return np.concatenate([tilt, (2 / rest * bend)[..., None, :]], axis=-2)

    def waves(self, path, stretch=1.0) -> np.ndarray:
        """Unit amplitude responses exp(-j k delta), complex128 [..., antennas].

        stretch: frequency over carrier frequency, broadcasts to [..., antennas].
        """
        phase = (-2 * np.pi / self.wavelength) * self.ways(path) * stretch
        return np.exp(1j * phase)

    def grid(self, nearest: float, shares=1.0) -> np.ndarray:
        """Paths [points, axes + 1]: two directions a cell, and rings of curvature.

        nearest: range that the rings reach down to [m]. shares: of the array along each
        axis, for grids of parts of it, which resolve less.
        """
        shares = np.broadcast_to(shares, self.axes)
        number = np.ceil(2 * OVERSAMPLING * shares / self.cells[:-1]).astype(int)
        lines = [-1 + 2 * np.arange(n) / n for n in number]
        s = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, self.axes)
        s = s[np.sum(s**2, axis=1) < ENDFIRE**2]
        step = RING * self.wavelength / np.max(shares * self.lengths) ** 2
        rings = step * np.arange(int(0.5 / nearest / step) + 1)
        s, a = np.repeat(s, len(rings), axis=0), np.tile(rings, len(s))
        inside = a <= (1 - np.sum(s**2, axis=1)) / (2 * nearest)
        return np.concatenate([s, a[:, None]], axis=1)[inside | (a == 0)]

    def clipped(self, path, nearest: float) -> np.ndarray:
        """Paths moved to where sources are: |s| < 1, ranges `nearest` and more."""
        path = np.array(path)
        s = path[..., :-1]
        size = np.sqrt(np.sum(s**2, axis=-1, keepdims=True))
        s *= np.minimum(1, ENDFIRE / np.maximum(size, 1e-12))
        most = (1 - np.sum(s**2, axis=-1)) / (2 * nearest)
        path[..., -1] = np.clip(path[..., -1], 0, most)
        return path

    def _geometry(self, path):
        path = np.asarray(path)
        s, a = path[..., :-1], path[..., -1:]
        rest = 1 - np.sum(s**2, axis=-1, keepdims=True)
        w, along = 2 * a / rest, s @ self.positions.T
        square = np.sum(self.positions**2, axis=1)
        root = np.sqrt(1 - 2 * w * along + w**2 * square)
        return s, rest, along, square, w, root

    def _gap(self) -> float:
        """Distance of the first antenna to its nearest neighbour [m]."""
        if len(self) < 2:
            raise ValueError("an array has at least two antennas")
        return float(
            np.min(np.linalg.norm(self.positions[1:] - self.positions[0], axis=1))
        )


def path_of(direction, distance) -> np.ndarray:
    """Coordinates (s, a) of sources: direction cosines [..., axes], ranges in m."""
    s = np.asarray(direction, float)
    a = (1 - np.sum(s**2, axis=-1)) / (2 * np.asarray(distance, float))
    return np.concatenate([s, a[..., None]], axis=-1)


def range_of(path) -> np.ndarray:
    """Ranges [m] of paths (s, a); infinite where a = 0."""
    path = np.asarray(path)
    with np.errstate(divide="ignore"):
        return (1 - np.sum(path[..., :-1] ** 2, axis=-1)) / (2 * path[..., -1])
