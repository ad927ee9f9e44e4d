"""Paths that a part of the array sees: atoms with windows, and windows or none.

A window is a box of antennas, [low, high) along each axis: a contiguous part of a line,
a rectangle of a plane. It is found with the path, from boxes of dyadic sizes, and its
edges move to where q / s is highest. They are hard, or fall as a raised cosine, half of
it at low and high, over a width that is found as well.
"""

from functools import cached_property, partial
from itertools import product

import numpy as np

from link_sim.receivers.estimation.near_field import estimate
from link_sim.receivers.estimation.off_grid import explained, find_paths
from link_sim.receivers.estimation.path_models import FreeGains

LEVELS = {1: 3, 2: 1}
"""Halvings of the windows that the search begins with, by axes of the array."""
FIRST, SMALLEST = 8, 4
"""Edges move by a FIRST of the array, then by half of that, down to one antenna; a
window has SMALLEST antennas along an axis."""
WIDTHS = 0, 1 / 32, 1 / 16, 1 / 8
"""Of soft edges, over the antennas along an axis."""
SOFT = 0.3
"""What soft edges must add to q / s."""
PER_PATH, PER_WINDOW = 8.0, 6.0
"""What a path, and a window, must add to the log evidence."""


class Windowed(FreeGains):
    """Free gains, and a window for each path: coordinates (s, a, low..., high...,
    width), the width of its edges as a share of the array."""

    tail = 5e-7
    keep = 2.5

    def __init__(self, array, m, nearest: float):
        self.counts = np.max(array.ranks, axis=0) + 1
        super().__init__(array, m, nearest)
        self.width = 3 * array.axes + 2

    def grid(self):
        """Paths and windows; parts of the array have coarser grids of paths."""
        paths, axes = [], self.array.axes
        for box in product(*(_dyadic(n, LEVELS[axes]) for n in self.counts)):
            low, high = np.array(box).T
            place = self.array.grid(self.nearest, (high - low) / self.counts)
            inside = np.all((self.array.ranks >= low) & (self.array.ranks < high), 1)
            centre = np.mean(self.array.positions[inside], axis=0)
            place[:, :axes] += 2 * place[:, axes:] * centre  # as met at its centre
            edges = np.broadcast_to([*low, *high, 0], (len(place), 2 * axes + 1))
            paths.append(np.concatenate([place, edges], axis=1))
        path = np.concatenate(paths)
        return path[np.sum(path[:, :axes] ** 2, axis=1) < 1]

    def seen(self, path):
        axes = self.array.axes
        low, high = np.split(path[..., None, axes + 1 : -1], 2, axis=-1)
        inside = np.minimum(self.array.ranks + 0.5 - low, high - self.array.ranks - 0.5)
        width = path[..., None, -1:] * self.counts
        hard = inside > 0
        soft = np.clip(inside / np.where(width > 0, width, 1) + 0.5, 0, 1)
        whole = np.where(low > 0, 0, high >= self.counts)
        share = np.where(width > 0, (1 - np.cos(np.pi * soft)) / 2, hard)
        return super().seen(path) * np.prod(np.where(whole, 1, share), axis=-1)

    def moved(self, path, step):
        place = super().moved(path, step)
        return np.concatenate([place, path[:, self.array.axes + 1 :]], axis=1)

    def reshaped(self, path, judge):
        """Edges moved one by one, by smaller and smaller steps, where q / s rises, and
        made as soft as it asks for."""

        def score(path):
            return judge(path) - SOFT * (path[:, -1] > 0)

        best = score(path)
        for turn in range(self._turns):
            for change in self._changes(turn):
                trial = change(path)
                f = score(trial)
                path = np.where((f > best)[:, None], trial, path)
                best = np.maximum(f, best)
        return path

    def _changes(self, turn: int) -> list:
        """Functions of paths: edges moved by a step, and edges of every width."""
        changes = []
        for edge, sign in product(range(2 * self.array.axes), (-1, 1)):
            count = self.counts[edge % self.array.axes]
            step = sign * max(1, int(count / FIRST / 2**turn))
            changes.append(partial(self._edged, edge=edge, step=step))
        return changes + [partial(_softened, width=w) for w in WIDTHS if turn]

    def _edged(self, path, edge: int, step: int):
        axes = self.array.axes
        edges = path[:, axes + 1 : -1].copy()
        edges[:, edge] = np.clip(edges[:, edge] + step, 0, self.counts[edge % axes])
        short = np.any(edges[:, axes:] - edges[:, :axes] < SMALLEST, axis=1)
        trial = np.concatenate([path[:, : axes + 1], edges, path[:, -1:]], axis=1)
        return np.where(short[:, None], path, trial)

    @cached_property
    def _turns(self) -> int:
        return max(1, int(np.ceil(np.log2(np.max(self.counts) / FIRST))) + 1)

    def partly(self, paths):
        """Which paths see a part of the array only, bool [batch, slots]."""
        axes = self.array.axes
        low, high = np.split(paths.path[..., axes + 1 : -1], 2, axis=-1)
        hidden = np.any((low > 0) | (high < self.counts), axis=-1)
        return hidden & (paths.power > 0)

    def edges(self, paths):
        return 2 * np.sum(self.partly(paths), axis=1)


def off_grid_visible(array, y, m, no, nearest: float):
    """`near_field.off_grid` with windows, without, whichever has more evidence.

    log p(y) less `PER_PATH` for every path and `PER_WINDOW` for every window decides,
    channel by channel. Arguments and results as in `near_field_baselines`.
    """
    results = []
    for kind in (FreeGains, Windowed):
        model = kind(array, m, nearest)
        paths = find_paths(model, y, no)
        evidence = log_evidence(y, no, paths) - PER_PATH * np.sum(paths.power > 0, 1)
        if kind is Windowed:
            evidence = evidence - PER_WINDOW * np.sum(model.partly(paths), axis=1)
        results.append((evidence, *estimate(model, y, no, paths)))
    (plain, *first), (windowed, *second) = results
    choose = (windowed > plain)[:, None, None]
    return tuple(np.where(choose, b, a) for a, b in zip(first, second, strict=True))


def log_evidence(z, no, paths):
    """log p(z) of every channel under its paths, up to a constant: [batch]."""
    rest, _ = explained(z, no, paths)
    root = np.sqrt(paths.power / no)
    gram = np.conj(paths.atoms) @ np.swapaxes(paths.atoms, 1, 2)
    inner = np.eye(root.shape[1]) + root[:, :, None] * gram * root[:, None]
    misfit = np.real(np.sum(np.conj(z) * rest, axis=(1, 2))) / no
    return -z.shape[2] * np.linalg.slogdet(inner)[1] - misfit


def _softened(path, width: float):
    """Paths whose windows have edges of another width."""
    return np.concatenate([path[:, :-1], np.full((len(path), 1), width)], axis=1)


def _dyadic(count: int, levels: int) -> list:
    """[low, high) of the whole, its halves and so on, each also moved by half."""
    found = [(0, count)]
    for level in range(1, levels + 1):
        size = count // 2**level
        if size < SMALLEST:
            break
        lows = range(0, count - size + 1, max(1, size // 2))
        found += [(low, low + size) for low in lows]
    return found
