"""What channels are like: their delays, fading and energy; NumPy alone."""

from typing import Any, NamedTuple

import numpy as np

from link_sim.scenarios.channel_file import Responses


class Known(NamedTuple):
    """Arrays in the form of this project; one of the two.

    a, tau : complex [examples, receive, transmit, paths, steps], [examples, paths] [s]
    h, spacing : complex [examples, receive, transmit, subcarriers, steps], [Hz]
    left_out : number of examples without energy that were with them
    """

    a: np.ndarray | None = None
    tau: np.ndarray | None = None
    h: np.ndarray | None = None
    spacing: float | None = None
    left_out: int | None = None


def describe(known: Known) -> dict[str, Any]:
    """What channels are like, by name; see `docs/how-to/channels.md`."""
    given = known.a if known.h is None else known.h
    examples, receive, transmit, _, steps = given.shape
    found = {
        "examples": examples,
        "receive antennas": receive,
        "transmit antennas": transmit,
        "paths" if known.h is None else "subcarriers": given.shape[3],
        "time steps": steps,
    }
    if known.left_out:
        found["left out, without energy"] = known.left_out
    delays, powers = profile(known)
    found["median RMS delay spread [s]"] = float(np.median(delay_spreads(known)))
    if known.h is None:
        found["largest excess delay [s]"] = Responses(known.a, delays).excess_delay
    doppler = Responses(given, None).doppler(1.0)
    found["Doppler spread [1 / time step]"] = doppler or 0.0
    energy = np.sum(powers, axis=1)
    found["mean energy [dB]"] = float(10 * np.log10(energy.mean()))
    low, high = np.quantile(energy, (0.05, 0.95))
    found["range of examples, 5 to 95 % [dB]"] = float(10 * np.log10(high / low))
    found["K-factor [dB]"] = k_factor_db(known)
    return found


def delay_spreads(known: Known) -> np.ndarray:
    """RMS delay spread of each example [s].

    Of frequency responses by the correlation r of neighbours, (1 - |r|^2)^(1/2) /
    (2 pi spacing), for spreads far below 1 / spacing: no path has to lie on a sample.
    """
    if known.h is None:
        delays, powers = profile(known)
        total = powers.sum(axis=1, keepdims=True)
        mean = np.sum(powers * delays, axis=1, keepdims=True) / total
        return np.sqrt(np.sum(powers * (delays - mean) ** 2, axis=1) / total[:, 0])
    low, high, axes = known.h[:, :, :, :-1], known.h[:, :, :, 1:], (1, 2, 3, 4)
    energies = (np.sum(np.abs(part) ** 2, axis=axes) for part in (low, high))
    shared = np.abs(np.sum(low * high.conj(), axis=axes)) ** 2 / np.prod(
        list(energies), axis=0
    )
    return np.sqrt(np.maximum(1 - shared, 0)) / (2 * np.pi * known.spacing)


def profile(known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Delays [s] and energies, both [examples, delays].

    From the first path; of frequency responses, which only tell delays modulo 1 /
    spacing, from a quarter of that before the mean delay.
    """
    if known.h is None:
        powers = np.mean(np.abs(known.a) ** 2, axis=(1, 2, 4))
        first = np.where(powers > 0, known.tau, np.inf).min(axis=1, keepdims=True)
        return np.where(powers > 0, known.tau - first, 0), powers
    impulse = np.fft.ifft(known.h, axis=3)
    points = known.h.shape[3]
    delays = np.arange(points) / (points * known.spacing)
    powers = np.mean(np.abs(impulse) ** 2, axis=(1, 2, 4))
    circle = np.exp(2j * np.pi * np.arange(points) / points)
    mean = np.angle(powers @ circle) / (2 * np.pi) * points
    first = np.round(mean - points / 4).astype(int)[:, None]
    powers = np.take_along_axis(powers, (np.arange(points) + first) % points, axis=1)
    return np.broadcast_to(delays, powers.shape), powers


def k_factor_db(known: Known) -> float:
    """Steady over fading energy of the gains at the carrier [dB], by their moments.

    Of all examples, antennas and time steps together, so that path loss counts as
    fading; -30 to 30 dB (Greenstein, Michelson, Erceg, "Moment-method estimation of the
    Ricean K-factor", IEEE Comm. Letters 1999).
    """
    if known.h is None:
        gains = known.a.sum(axis=3)
    else:
        gains = known.h[:, :, :, known.h.shape[3] // 2]
    energy = np.abs(gains).astype("float64") ** 2
    mean = energy.mean()
    steady = np.sqrt(max(mean**2 - energy.var(), 0.0))
    ratio = steady / max(mean - steady, 1e-300)
    return float(10 * np.log10(np.clip(ratio, 1e-3, 1e3)))
