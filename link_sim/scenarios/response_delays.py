"""When the paths of frequency responses arrive, NumPy alone."""

import numpy as np

MISSED = 1e-4
"""Share of the energy that may arrive before the delay taken for the first."""
LOBE = 2
"""Steps of delay by which the taper spreads a path to either side."""
FLOOR = 10
"""Times the median over delays below which energy is taken for noise."""
FEWEST = 24
"""Subcarriers below which only the mean delay is told."""


def delay_profile(h: np.ndarray) -> np.ndarray:
    """Energies of the antennas' sum over delays, [examples, subcarriers], over noise.

    h : [examples, receive, transmit, subcarriers, time steps], of which the first time
        step counts. Delays are 1 / bandwidth apart and repeat after 1 / spacing; a
        taper keeps those that lie between two of them from leaking further than `LOBE`.
    """
    places = (np.arange(h.shape[3]) + 0.5) / h.shape[3]
    impulse = np.fft.ifft(h[..., 0] * np.sin(np.pi * places) ** 4, axis=3)
    powers = np.mean(np.abs(impulse) ** 2, axis=(1, 2))
    return np.maximum(powers - FLOOR * np.median(powers, axis=1, keepdims=True), 0)


def first_delays(powers: np.ndarray) -> np.ndarray:
    """The delay of the first path of each example, in steps: [examples].

    The latest delay, none beyond the mean, from which the next half of the period holds
    as much energy as any, to `MISSED` of all, where that stands out from noise in what
    was measured; a step less, to be early rather than late. What begins at 0 or a step
    later is left there: 0.

    powers : as `delay_profile` gives them
    """
    points = powers.shape[1]
    turns = powers @ np.exp(2j * np.pi * np.arange(points) / points)
    mean = np.angle(turns) / (2 * np.pi) * points
    if points < FEWEST:
        return mean
    half = points // 2
    first = np.round(mean).astype(int)[:, None] + np.arange(-half, 1)
    sums = np.cumsum(np.pad(np.tile(powers, 2), ((0, 0), (1, 0))), axis=1)
    window = sums[:, half : half + points] - sums[:, :points]
    held = np.take_along_axis(window, (first - LOBE) % points, axis=1)
    least = held.max(axis=1) - MISSED * powers.sum(axis=1)
    latest = half - np.argmax(held[:, ::-1] >= least[:, None], axis=1)
    found = first[np.arange(len(first)), latest]
    return np.where((found == 0) | (found == 1), 0, found - 1)


def synchronised(h: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Responses with the first delay taken off, and their delay profile from there.

    used : indices of subcarriers, of which the first and the last bound the band.
    The profile is rolled by `LOBE` steps, so that what a path spreads to earlier delays
    comes first.
    """
    low, high = used[0], used[-1] + 1
    powers = delay_profile(h[:, :, :, low:high])
    points, first = high - low, first_delays(powers)
    if np.any(first):
        turns = first[:, None] * (np.arange(h.shape[3]) - h.shape[3] // 2) / points
        h = h * np.exp(2j * np.pi * turns)[:, None, None, :, None]
    places = np.arange(points) + np.round(first).astype(int)[:, None] - LOBE
    places %= points
    return h, np.take_along_axis(powers, places, axis=1)
