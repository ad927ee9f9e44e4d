"""Channels of the user: what a file holds, checked and measured without TensorFlow."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.radio import Channel
from link_sim.scenarios.response_delays import LOBE, synchronised
from link_sim.scenarios.sections import Antennas, Grid
from link_sim.scenarios.sites import site_users

SLOWEST = 0.1
"""Longest path [s] that is taken for one."""
FADED = 0.75
"""Correlation over time at which the Doppler spread is read off."""
TAIL = 1e-3
"""Share of an example's energy that the excess delay leaves out."""

CONVERTS = "`link-sim channels FILE -o channels.npz` converts"


class Responses(NamedTuple):
    """Channels of a file.

    a : complex128 [examples, receive, transmit, paths, time steps]; of frequency
        responses, [examples, receive, transmit, fft_size, time steps]
    tau : [examples, paths] [s], from 0 in each example; `None` of frequency responses
    seen : of these, delays [s] that energy surely has, for a path is seen at some
        beside its own, and energies [examples, delays]
    """

    a: np.ndarray
    tau: np.ndarray | None
    seen: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def steps(self) -> int:
        return self.a.shape[-1]

    def energy(self, precoder: np.ndarray, grid: Grid, steps: int) -> float:
        """Mean energy of a receive antenna and used subcarrier, summed over streams.

        precoder : [transmit, streams]; steps : how many time steps count
        """
        most = max(self.a[0].size, self.a.shape[3] * grid.fft_size)
        total, size = 0.0, max(1, 10**6 // most)
        for first in range(0, len(self.a), size):
            part = slice(first, first + size)
            a = np.einsum("ertpk,tm->epmrk", self.a[part, ..., :steps], precoder)
            a = a.reshape(*a.shape[:2], -1)
            if self.tau is None:
                used = a[:, used_carriers(grid) + grid.fft_size // 2]
                total += np.sum(np.abs(used) ** 2) / used.shape[1]
            else:
                total += np.sum(a.conj() * (_overlap(self.tau[part], grid) @ a)).real
        return total / (self.a.shape[0] * self.a.shape[1] * min(steps, self.steps))

    def doppler(self, period: float) -> float | None:
        """Largest shift [Hz] of the Clarke and Jakes spectrum that fades as these do.

        That of the correlation over so many time steps, each of a `period` [s], as let
        it fall to `FADED`. `None` for channels that stand still.
        """
        if self.steps == 1:
            return None
        from scipy.special import j0, jn_zeros  # slow, and of no use to `list`

        for lag in range(1, self.steps):
            early, late = self.a[..., :-lag], self.a[..., lag:]
            scale = np.linalg.norm(early) * np.linalg.norm(late)
            correlation = np.vdot(early, late).real / scale
            if correlation < FADED:
                break
        x = np.linspace(0, jn_zeros(0, 1)[0], 10_000)
        turn = np.interp(-correlation, -j0(x), x)
        return float(turn / (2 * np.pi * lag * period))

    @property
    def powers(self) -> np.ndarray:
        """Energy of each path, [examples, paths]."""
        return np.mean(np.abs(self.a) ** 2, axis=(1, 2, 4))

    def late(self, delay: float) -> float:
        """Share of the energy that comes later than a delay [s] after the first.

        0 if unknown.
        """
        delays, powers = self.seen or (self.tau, self.powers)
        if delays is None:
            return 0.0
        whole = powers.sum()
        return float(np.sum(powers * (delays > delay)) / whole) if whole else 0.0

    @property
    def excess_delay(self) -> float:
        """Delay [s] within which each example has all but `TAIL`; 0 if unknown."""
        if self.tau is None:
            return 0.0
        order = np.argsort(self.tau, axis=1)
        share = np.cumsum(np.take_along_axis(self.powers, order, axis=1), axis=1)
        enough = np.argmax(share >= (1 - TAIL) * share[:, -1:], axis=1)
        delays = np.take_along_axis(self.tau, order, axis=1)
        return float(delays[np.arange(len(delays)), enough].max())


def used_carriers(grid: Grid) -> np.ndarray:
    """Indices of the subcarriers that carry something, 0 at the carrier."""
    low, high = grid.guard_carriers
    found = np.arange(low, grid.fft_size - high) - grid.fft_size // 2
    return found[found != 0] if grid.dc_null else found


def _synchronised(h: np.ndarray, grid: Grid) -> Responses:
    """Responses at all subcarriers, from the first delay of each on."""
    used = used_carriers(grid) + grid.fft_size // 2
    h, powers = synchronised(h, used)
    steps = np.arange(powers.shape[1]) - 2 * LOBE
    return Responses(h, None, (steps / len(steps) / grid.subcarrier_spacing, powers))


def _overlap(tau: np.ndarray, grid: Grid) -> np.ndarray:
    """Mean over the used subcarriers of exp(2j pi f (tau_p - tau_q)), [.., p, q]."""
    turns = 2 * np.pi * grid.subcarrier_spacing * tau[..., None]
    phase = np.exp(-1j * turns * used_carriers(grid))
    return phase.conj() @ np.swapaxes(phase, 1, 2) / phase.shape[-1]


def responses_of(scenario: Any) -> Responses:
    """The channels in the file or of the site of a scenario; `ScenarioError` if they
    do not fit it."""
    if scenario.channel.model == "site":
        paths = site_users(scenario.channel)
        return Responses(paths.gain[:, None, None, :, None], paths.delay)
    return _read(scenario.channel, scenario.antennas, scenario.grid)


def check_steps(scenario: Any, steps: int) -> None:
    """Raises `ScenarioError` for a file with fewer time steps than a frame takes."""
    found, path = responses_of(scenario).steps, scenario.channel.file.path
    if scenario.channel.domain == "time" and found > 1:
        raise ScenarioError(
            f"{path} has a time step an OFDM symbol, and channel.domain = 'time' needs "
            "one a sample: use domain 'frequency', or 1 time step"
        )
    if 1 < found < steps:
        raise ScenarioError(
            f"{path} has {found} time steps, a frame takes {steps}: supply as many, or "
            "1 for a static channel, or shorten the frame by grid.symbols, "
            "grid.fft_size, code.bits_per_symbol or code.rate"
        )
    heard = responses_of(scenario).a[..., :steps]
    if scenario.channel.model == "cfr":
        used = used_carriers(scenario.grid) + scenario.grid.fft_size // 2
        heard = heard[:, :, :, used]
    if not np.all(np.any(heard, axis=(1, 2, 3, 4))):
        raise ScenarioError(
            f"{path} holds an example without energy at the first {steps} time steps, "
            "which a frame takes, or on the subcarriers in use: remove it"
        )


def doppler(scenario: Any) -> float:
    """Largest Doppler shift [Hz], measured where the user's file has time steps."""
    measured, grid = None, scenario.grid
    if scenario.channel.file is not None:
        period = (1 + grid.cyclic_prefix / grid.fft_size) / grid.subcarrier_spacing
        measured = responses_of(scenario).doppler(period)
    return scenario.channel.doppler if measured is None else measured


def excess_delay(scenario: Any) -> float:
    """Largest delay [s] after the first path, where a file or site says; else 0."""
    known = scenario.channel.file is not None or scenario.channel.model == "site"
    return responses_of(scenario).excess_delay if known else 0.0


@lru_cache(maxsize=2)
def _read(channel: Channel, antennas: Antennas, grid: Grid) -> Responses:
    file = channel.file or DataFile(path="")
    path = file.path
    names = ("h", "spacing") if channel.model == "cfr" else ("a", "tau")
    try:
        with file.arrays() as arrays:
            found = {name: arrays[name] for name in names}
    except Exception as error:
        raise ScenarioError(
            f"channel.file = '{path}' is not an .npz with arrays "
            f"{' and '.join(names)}: {error}; {CONVERTS} others"
        ) from None
    if channel.model == "cfr":
        _check_gains(path, "h", found["h"], antennas, "subcarriers, time steps")
        a, tau = _on_grid(path, grid, **found), None
    else:
        _check_gains(path, "a", found["a"], antennas, "paths, time steps")
        a, tau = found["a"], _delays(path, grid, **found)
    parts = np.maximum(np.abs(a.real), np.abs(a.imag))
    largest = parts.max(axis=(1, 2, 3, 4), keepdims=True).astype("float64")
    if largest.min() < np.finfo("float64").tiny:
        raise ScenarioError(
            f"{path} holds an example without energy: remove it; {CONVERTS} such files"
        )
    if channel.normalisation == "file":
        largest = largest.max()
    elif channel.normalisation == "none":
        if not 1e-15 < largest.max() < 1e15:
            raise ScenarioError(
                f"{path} holds values of {largest.max():.1g}, with which single "
                "precision cannot compute: scale them, or use channel.normalise=file"
            )
        largest = 1.0
    a = a.astype("complex128") / largest
    return Responses(a, tau) if tau is not None else _synchronised(a, grid)


def _check_gains(
    path: str, name: str, a: np.ndarray, antennas: Antennas, axes: str
) -> None:
    expected = (antennas.receive, antennas.transmit)
    if a.ndim != 5 or a.shape[1:3] != expected or not np.iscomplexobj(a) or not a.size:
        raise ScenarioError(
            f"the array {name} in {path} has shape {a.shape} and type {a.dtype}: it "
            f"must be complex [examples, {expected[0]}, {expected[1]}, {axes}]; see "
            f"antennas.receive and antennas.transmit, {CONVERTS} those of others"
        )
    if not np.isfinite(a).all():
        raise ScenarioError(
            f"{path} holds NaN or infinite values: remove them; {CONVERTS} files that "
            "mark missing paths by NaN"
        )


def _delays(path: str, grid: Grid, a: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Delays from 0 in each example; those of paths without energy are 0."""
    if tau.shape != (a.shape[0], a.shape[3]) or tau.dtype.kind not in "fiu":
        raise ScenarioError(
            f"the array tau in {path} has shape {tau.shape} and type {tau.dtype}: it "
            f"must be real [{a.shape[0]}, {a.shape[3]}], a delay per example and path; "
            f"{CONVERTS} those of others"
        )
    there = np.any(a != 0, axis=(1, 2, 4))
    delays = np.where(there, tau, 0).astype("float64")
    if not (np.isfinite(delays).all() and (delays >= 0).all()):
        raise ScenarioError(
            f"{path} holds NaN, infinite or negative delays where there is energy: "
            "correct them, or set a to 0"
        )
    first = np.where(there, delays, np.inf).min(axis=1, keepdims=True)
    late = delays - np.where(np.isfinite(first), first, 0)
    delays, symbol = np.where(there, late, 0), 1 / grid.subcarrier_spacing
    last = np.where(there, tau, 0).max()
    if last > SLOWEST or delays.max() > symbol:
        raise ScenarioError(
            f"{path} holds a delay of {last:.3g} s, {delays.max():.3g} s "
            f"after the first path, longer than an OFDM symbol of {symbol:.3g} s: give "
            "tau in seconds"
        )
    return delays


def _on_grid(path: str, grid: Grid, h: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Responses at all subcarriers, those that are not used being like the next."""
    known = spacing.size == 1 and spacing.dtype.kind in "fiu"
    if not (known and np.isclose(spacing, grid.subcarrier_spacing, 1e-6)):
        raise ScenarioError(
            f"{path} has subcarriers {spacing} Hz apart, the grid "
            f"{grid.subcarrier_spacing:g} Hz: set grid.subcarrier_spacing to the former"
        )
    used = used_carriers(grid) + grid.fft_size // 2
    if h.shape[3] == grid.fft_size:
        return h
    if h.shape[3] != len(used):
        raise ScenarioError(
            f"{path} has {h.shape[3]} subcarriers: supply all {grid.fft_size} of "
            f"grid.fft_size or the {len(used)} used ones, or change grid.fft_size"
        )
    distance = np.abs(np.arange(grid.fft_size)[:, None] - used)
    return h[:, :, :, np.argmin(distance, axis=1)]
