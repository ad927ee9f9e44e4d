"""Where the streams of a resource grid send their pilots."""

from typing import NamedTuple

import numpy as np

from link_sim.receivers.grid_config import learns


class Sounding(NamedTuple):
    """How streams are observed that send pilots on alike lattices.

    streams : their indices among all streams of all transmitters
    times : OFDM symbols with pilots
    carriers : of each stream, [streams, blocks, carriers per block]: within a block the
        pilots of streams that share it are orthogonal, and the channel is taken to be
        constant
    pilots : [streams, times, blocks, carriers per block]
    """

    streams: list[int]
    times: np.ndarray
    carriers: np.ndarray
    pilots: np.ndarray


def soundings(resource_grid) -> list[Sounding]:
    """Streams grouped by the lattice that their pilots form, up to a shift.

    Raises `ValueError` if pilots leave a stream unobserved, or learn.
    """
    pattern = resource_grid.pilot_pattern
    if learns(pattern):
        raise ValueError(
            "pilots that learn change after estimators like this have been built for "
            "them: use ls, or an estimator that reads pilot_pattern.pilots when called"
        )
    mask, pilots = np.asarray(pattern.mask), np.asarray(pattern.pilots)
    sent = np.zeros(mask.shape, "complex64")
    sent[mask.astype(bool)] = pilots.reshape(-1)
    sent = sent.reshape(-1, *mask.shape[2:])
    groups = {}
    for stream, grid in enumerate(sent):
        sharers = [other for other in sent if np.any((other != 0) & (grid != 0))]
        lattice = _lattice(stream, grid, sharers)
        times, carriers, _ = lattice
        key = times.tobytes(), (carriers - carriers.min()).tobytes(), carriers.shape
        groups.setdefault(key, []).append((stream, *lattice))
    return [
        Sounding(
            [entry[0] for entry in group],
            group[0][1],
            *(np.stack([entry[i] for entry in group]) for i in (2, 3)),
        )
        for group in groups.values()
    ]


def lattices(resource_grid) -> list[tuple]:
    """Each stream in turn: OFDM symbols and subcarriers of its pilots, and the pilots.

    Raises `ValueError` if streams share subcarriers or pilots differ in magnitude.
    """
    found = {}
    for group in soundings(resource_grid):
        for stream, carriers, pilots in zip(
            group.streams, group.carriers, group.pilots, strict=True
        ):
            sizes = np.abs(pilots)
            if carriers.shape[1] > 1 or np.ptp(sizes) > 1e-3 * sizes.max():
                raise ValueError(
                    "this estimator needs pilots of equal magnitude "
                    "on a lattice of symbols and subcarriers of each stream's own: use "
                    "the Kronecker pilot pattern"
                )
            found[stream] = group.times, carriers[:, 0], pilots[:, :, 0]
    return [found[stream] for stream in sorted(found)]


def _lattice(stream: int, grid: np.ndarray, sharers: list[np.ndarray]):
    """Times, carriers in blocks and pilots of one stream."""
    times, carriers = (np.flatnonzero(grid.any(axis)) for axis in (1, 0))
    if not len(times):
        raise ValueError(
            f"the pilots leave stream {stream} unobserved: give each stream pilots"
        )
    lattice = np.ix_(times, carriers)
    size = len(sharers)  # the stream itself among them
    if len(carriers) % size or not np.all(grid[lattice]):
        raise ValueError(
            f"the pilots of stream {stream} are no lattice of symbols and subcarriers "
            f"in blocks of {size}: use a Kronecker or 5G DMRS pattern"
        )
    shape = len(times), -1, size
    pilots = [other[lattice].reshape(shape) for other in sharers]
    overlap = np.abs(np.sum(grid[lattice].reshape(shape).conj() * pilots, axis=-1))
    if np.any(np.sum(overlap > 1e-3 * overlap.max(), axis=0) > 1):
        raise ValueError(
            f"the pilots of stream {stream} are not orthogonal to another's over "
            f"{size} neighbouring subcarriers: use orthogonal pilots"
        )
    return times, carriers.reshape(-1, size), grid[lattice].reshape(shape)
