"""Channels of large arrays: spherical waves from a few scatterers, partly visible.

    h_t = sum_l g_l exp(-j 2 pi f_t tau_l) v(s_l, a_l; f_t) * window_l

A channel has as many snapshots t as there are subcarriers; they share the geometry.
"""

from typing import NamedTuple

import numpy as np

from link_sim.receivers.estimation.spherical_waves import Aperture, path_of

LIGHT = 299_792_458.0
"""[m/s]"""
RAYS = 400
"""Of a cluster."""


def line(antennas: int, wavelength: float, spacing: float = 0.5) -> Aperture:
    """Uniform linear array; spacing in wavelengths."""
    return Aperture(_centred(antennas)[:, None] * spacing * wavelength, wavelength)


def plane(rows: int, columns: int, wavelength: float, spacing: float = 0.5):
    """Uniform planar array, row by row; spacing in wavelengths."""
    x = np.stack(np.meshgrid(_centred(rows), _centred(columns), indexing="ij"), -1)
    return Aperture(x.reshape(-1, 2) * spacing * wavelength, wavelength)


def array_of_subarrays(
    grid: tuple[int, int],
    antennas: tuple[int, int],
    wavelength: float,
    spacing: float,
    gap: float,
) -> tuple[Aperture, np.ndarray]:
    """A grid of planar subarrays, `gap` wavelengths from edge to edge.

    Returns the array, subarray after subarray, and the subarray of each antenna.
    """
    step = [(n - 1) * spacing + gap for n in antennas]
    corners = [_centred(n) * d for n, d in zip(grid, step, strict=True)]
    inner = [_centred(n) * spacing for n in antennas]
    corners, inner = (
        np.stack(np.meshgrid(*x, indexing="ij"), -1).reshape(-1, 2)
        for x in (corners, inner)
    )
    x = (corners[:, None] + inner).reshape(-1, 2) * wavelength
    return Aperture(x, wavelength), np.repeat(np.arange(len(corners)), len(inner))


class Field(NamedTuple):
    """Channels and what they consist of.

    h : complex128 [size, antennas, snapshots], |h|^2 = antennas * snapshots
    paths : (s, a) of every path, [size, paths, axes + 1]
    delays : [size, paths] in s
    windows : visible share of every antenna, [size, paths, antennas], or None for all
    gains : complex [size, paths]
    """

    h: np.ndarray
    paths: np.ndarray
    delays: np.ndarray
    windows: np.ndarray | None
    gains: np.ndarray


def draw_sources(rng, size: int, number: int, axes: int, ranges, degrees: float = 60):
    """Paths [size, number, axes + 1] with angles and ranges uniform.

    ranges: (nearest, farthest) in m; both may be infinite. degrees: largest angle off
    boresight; around it, planes see all azimuths alike.
    """
    angle = np.radians(degrees) * rng.uniform(-1, 1, (size, number))
    distance = np.full((size, number), np.inf)
    if np.isfinite(ranges[1]):
        distance = rng.uniform(*ranges, (size, number))
    s = np.sin(angle)[..., None]
    if axes == 2:
        turn = rng.uniform(0, 2 * np.pi, (size, number))
        s = s * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return path_of(s, distance)


def intervals(rng, shape, antennas: int, shares=(0.25, 0.5), edge: float = 0.0):
    """Visibility windows, each a contiguous part of a line, [*shape, antennas].

    shares: smallest and largest part that is seen. edge: antennas over which the
    amplitude falls from 1 to 0 (raised cosine, half of it at the edge); 0 is hard.
    """
    length = np.rint(rng.uniform(*shares, shape) * antennas)
    low = np.floor(rng.uniform(0, 1, shape) * (antennas - length + 1))
    n = np.arange(antennas) + 0.5
    inside = np.minimum(n - low[..., None], (low + length)[..., None] - n)
    return _edge(inside, edge)


def boxes(rng, shape, array: Aperture, shares, partly: float = 1.0, edge: float = 0.0):
    """Windows over an array, a contiguous part along each axis: [*shape, antennas].

    partly: chance that a path is not seen by the whole array. shares, edge: as in
    `intervals`.
    """
    counts = np.max(array.ranks, axis=0) + 1
    windows = np.ones((*shape, len(array)))
    for count, rank in zip(counts, array.ranks.T, strict=True):
        windows *= intervals(rng, shape, count, shares, edge)[..., rank]
    return np.where(rng.random(shape)[..., None] < partly, windows, 1.0)


def isotropic(array: Aperture) -> np.ndarray:
    """Covariance of waves from everywhere: sinc(2 d / wavelength), d the distances."""
    x = array.positions
    return np.sinc(2 * np.linalg.norm(x[:, None] - x, axis=2) / array.wavelength)


def clustered(rng, array: Aperture, clusters: int, spread: float = 0.05) -> np.ndarray:
    """Covariance of plane waves from narrow clusters at random, of equal power.

    spread: standard deviation of the direction cosines within a cluster.
    """
    centres = draw_sources(rng, 1, clusters, array.axes, (np.inf, np.inf))[0]
    rays = np.repeat(centres, RAYS, axis=0)
    rays[:, :-1] += spread * rng.standard_normal(rays[:, :-1].shape)
    rays = rays[np.sum(rays[:, :-1] ** 2, axis=1) < 1]
    waves = array.waves(rays)
    return waves.T @ waves.conj() / len(rays)


def fading(rng, size: int, covariance) -> np.ndarray:
    """Gaussian channels of a covariance, complex128 [size, antennas, 1]."""
    values, vectors = np.linalg.eigh(covariance)
    w = rng.standard_normal((2, size, len(values)))
    w = (w[0] + 1j * w[1]) * np.sqrt(np.maximum(values, 0) / 2)
    return (w @ vectors.T)[..., None]


def field(rng, array: Aperture, paths, frequencies=(0.0,), windows=None, squint=False):
    """Channels of given paths, with gains CN(0, 1) and delays uniform over a period.

    frequencies: of the subcarriers relative to the carrier [Hz], evenly spaced; delays
    are uniform over one over their spacing. squint: whether waves follow the frequency
    of the subcarrier rather than the carrier's.
    """
    f = np.asarray(frequencies, float)
    shape = paths.shape[:2]
    period = 1 / (f[1] - f[0]) if len(f) > 1 else 0.0
    delays = rng.uniform(0, 1, shape) * period
    gains = rng.standard_normal((2, *shape))
    gains = (gains[0] + 1j * gains[1]) / np.sqrt(2)
    turns = gains[..., None] * np.exp(-2j * np.pi * delays[..., None] * f)
    seen = 1.0 if windows is None else windows
    if squint:
        stretch = 1 + f * array.wavelength / LIGHT
        waves = [array.waves(paths, x) * seen for x in stretch]
        h = np.stack(
            [np.einsum("blt,bln->bnt", turns[..., i : i + 1], w)[..., 0]
             for i, w in enumerate(waves)],
            axis=-1,
        )  # fmt: skip
    else:
        h = np.swapaxes(array.waves(paths) * seen, 1, 2) @ turns
    power = np.mean(np.abs(h) ** 2, axis=(1, 2), keepdims=True)
    gains = gains / np.sqrt(power[:, :, 0])
    return Field(h / np.sqrt(power), paths, delays, windows, gains)


def absorption(distance, per_metre: float):
    """Amplitude left by molecules of the air after a way [m], exp(-k r / 2)."""
    return np.exp(-per_metre * np.asarray(distance) / 2)


def _centred(n: int) -> np.ndarray:
    return np.arange(n) - (n - 1) / 2


def _edge(inside, edge: float):
    """1 inside, 0 outside, a raised cosine over `edge` between."""
    if edge == 0:
        return (inside > 0).astype(float)
    return (1 - np.cos(np.pi * np.clip(inside / edge + 0.5, 0, 1))) / 2
