"""Pilots as observations of a spectrum of delays, in windows of a wide band."""

from typing import NamedTuple

import numpy as np

from link_sim.models.kronecker import Response, response
from link_sim.receivers.estimation.soundings import Sounding

SPAN = 6.4e-6
"""Of the grid of delays [s] at least, a sixteenth of it before zero."""
LONGEST_SPAN = 2 * SPAN
"""Of the grid where `MODES` allow for it: one drop of UMi in 300 has more than a
hundredth of its power beyond `SPAN`."""
POINTS = 64
"""Least number of points in `SPAN`."""
FINENESS = 2
"""Points of it per resolution of the band, 1 / bandwidth, at least."""
MODES = 320
"""Most delays that the pilots of one window can tell apart, so that time and memory
grow as the number of windows; a window is as wide as 50 MHz."""
NEAR_DELAY = 1e-7
"""Delay [s] at which a quarter of the power is expected that is at zero, before
anything is seen: beyond, it falls with the square, as the mean of UMi drops does."""
SHARED = 15 / 16
"""Share of each stream's pilots that streams have in common at least; they come apart
where a nulled carrier between few pilots would take more from each."""
RANK = 1e-6
"""Responses weaker than this, relative to the strongest, are left out."""


class DelayWindows(NamedTuple):
    """How the streams of a sounding observe the spectrum of delays.

    Windows of a band are alike: their channels are fields over antenna and frequency of
    one spectrum. What lies outside the responses of all delays is noise.

    carriers : of each stream and window, [streams, windows, pilots, carriers each]
    pilots : [streams, times, windows, pilots, carriers each]
    into : to an orthonormal basis of the responses, conjugate, [pilots, modes]
    observed : response of the modes to the delays, [modes, points], and the powers that
        these are expected to have
    wanted : response of the carriers near a window, [nearby, points]
    picks : where each stream's carriers are among those of all windows one after the
        other, [streams, carriers]
    delays : [points], [s]
    """

    carriers: np.ndarray
    pilots: np.ndarray
    into: np.ndarray
    observed: Response
    wanted: np.ndarray
    picks: np.ndarray
    delays: np.ndarray


def delay_windows(sounding: Sounding, places, spacing: float) -> list:
    """Soundings as pairs of stream indices and `DelayWindows`.

    places : positions of the effective subcarriers in units of `spacing` [Hz]: there is
        a gap where the carrier at zero is nulled. Streams whose lattices have it at
        places so different that they have too short a run in common come apart.
    """
    first, length = _common_run(places[sounding.carriers])
    if length == 0:
        return [
            pair
            for i, stream in enumerate(sounding.streams)
            for pair in delay_windows(_only(sounding, i, stream), places, spacing)
        ]
    own = np.arange(len(first))[:, None], first[:, None] + np.arange(length)
    carriers = sounding.carriers[own]
    pilots = sounding.pilots[own[0], :, own[1]]  # [streams, pilots, times, each]
    marks = places[carriers[0]].mean(axis=-1)
    starts, length = _windows(marks, spacing)
    seen = starts[:, None] + np.arange(length)
    carriers = carriers[:, seen]
    origins = places[carriers[:, :, 0, 0]]
    offsets = places[carriers[0, 0]] - origins[0, 0]
    delays = delay_grid(offsets.mean(axis=-1) * spacing)
    f = np.mean(delay_response(offsets * spacing, delays), axis=1)
    into, observed = delay_modes(f, delays)
    nearby, picks = _nearest(places, origins, offsets[-1, -1])
    return [
        (
            sounding.streams,
            DelayWindows(
                carriers,
                np.moveaxis(pilots[:, seen], 3, 1),
                into,
                observed,
                delay_response(nearby * spacing, delays),
                picks,
                delays,
            ),
        )
    ]


def delay_grid(frequencies: np.ndarray) -> np.ndarray:
    """Delays [s] that pilots at increasing `frequencies` [Hz] can tell apart.

    As fine as their band resolves, and as long as their number and the period of their
    spacing allow.
    """
    if len(frequencies) < 2:
        return SPAN / POINTS * (np.arange(POINTS) - POINTS // 16)
    gap = np.diff(frequencies).min()
    band = np.ptp(frequencies) + gap
    span = min(np.clip(MODES / band, SPAN, LONGEST_SPAN), 1 / gap)
    usual = min(SPAN, span)
    step = min(usual / POINTS, 1 / (FINENESS * band))
    points, before = (int(length / step + 1e-6) for length in (span, usual / 16))
    return step * (np.arange(points) - before)


def delay_modes(f: np.ndarray, delays: np.ndarray) -> tuple[np.ndarray, Response]:
    """`into` and `observed` of `DelayWindows`, of responses f [pilots, delays]."""
    left, values, right = np.linalg.svd(f, full_matrices=False)
    kept = values > RANK * values[0]
    observed = response(values[kept, None] * right[kept], expected_powers(delays))
    return left[:, kept].conj(), observed


def expected_powers(delays: np.ndarray) -> np.ndarray:
    """Of sum one, before anything is seen: [points]."""
    powers = 1 / (1 + np.abs(delays) / NEAR_DELAY) ** 2
    return powers / powers.sum()


def expected_covariance(frequencies: np.ndarray) -> np.ndarray:
    """Of responses at `frequencies` [Hz] to what spectra miss, of power one.

    Powers fall with the delay itself, not its square: late paths are missed more often.
    """
    delays = delay_grid(frequencies)
    f, powers = delay_response(frequencies, delays), expected_powers(delays) ** 0.5
    return f * (powers / powers.sum()) @ f.conj().T


def delay_response(frequencies: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """`exp(-2j pi f tau)`: complex128 [..., delays]."""
    return np.exp(-2j * np.pi * frequencies[..., None] * delays)


def _common_run(places: np.ndarray) -> tuple[np.ndarray, int]:
    """The longest run of pilots around the widest gap that all streams have alike.

    places : [streams, pilots, carriers each]. Returns the first pilot of each stream
    and the length of the run, 0 if there is none or one that leaves out too many.
    """
    gaps = np.diff(places[..., 0], axis=1)
    if not gaps.size:
        return np.zeros(len(places), int), places.shape[1]
    before = np.argmax(gaps, axis=1)
    first = before - before.min()
    length = places.shape[1] - first.max()
    runs = np.stack([run[a : a + length] for run, a in zip(places, first, strict=True)])
    alike = np.all(runs - runs[:, :1, :1] == runs[0] - runs[0, 0, 0])
    return first, length if alike and length >= SHARED * places.shape[1] else 0


def _only(sounding: Sounding, index: int, stream: int) -> Sounding:
    carriers, pilots = sounding.carriers[[index]], sounding.pilots[[index]]
    return Sounding([stream], sounding.times, carriers, pilots)


def _windows(marks: np.ndarray, spacing: float) -> tuple[np.ndarray, int]:
    """First pilots and length of windows alike that cover the pilots at `marks`.

    One for all, unless that has more than `MODES`; then none with a gap inside.
    """
    if len(marks) < 2:
        return np.zeros(1, int), len(marks)
    gaps = np.diff(marks)
    usual = gaps.min()
    most = int(MODES / min(1, SPAN * usual * spacing))
    edges = [0, *(np.flatnonzero(gaps > usual) + 1), len(marks)]
    sizes = np.diff(edges)
    parts = -(-sizes.max() // most)
    length = min(-(-sizes.max() // parts), sizes.min())
    if len(marks) <= most or length < most // 8:
        return np.zeros(1, int), len(marks)
    starts = [
        first + np.round(np.linspace(0, size - length, -(-size // length)))
        for first, size in zip(edges[:-1], sizes, strict=True)
    ]
    return np.concatenate(starts).astype(int), length


def _nearest(places: np.ndarray, origins: np.ndarray, width: int):
    """Offsets from the origin of a window for which some stream needs it, and for each
    stream and carrier its place among the windows times the offsets.

    origins : [streams, windows]
    """
    offsets = places - origins[..., None]  # [streams, windows, carriers]
    window = np.argmin(np.abs(offsets - width / 2), axis=1)
    chosen = np.take_along_axis(offsets, window[:, None], axis=1)[:, 0]
    nearby = np.arange(chosen.min(), chosen.max() + 1)
    return nearby, window * len(nearby) + chosen - nearby[0]
