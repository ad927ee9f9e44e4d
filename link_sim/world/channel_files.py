"""Anybody's arrays of channels as files of this project; NumPy alone."""

from typing import Any

import numpy as np

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.channel_file import SLOWEST
from link_sim.world.channel_summary import Known, describe

LARGEST = 1e150
"""Magnitude of which the energy still is a number, and one over the smallest."""


def save_channels(path, a=None, tau=None, *, h=None, spacing=None) -> dict[str, Any]:
    """Saves channels for `channel.file`, and returns what they are like.

    path : of the `.npz` file
    a : complex gains of paths. Of rank 7, as Sionna has them: [batch, receivers,
        receive antennas, transmitters, transmit antennas, paths, time steps]; of rank 6
        the same without batch, as `paths.cir()` of Sionna RT; of rank 5: [examples,
        receive, transmit, paths, time steps]; of rank 4 the same without time, and of
        rank 2 [examples, paths]. Every link of a transmitter to a receiver is an
        example.
    tau : delays [s]: as `a` without time, with or without the axes of antennas. Paths
        that are missing have no energy and any delay, or NaN in both.
    h, spacing : in place of them, frequency responses [examples, receive, transmit,
        subcarriers (, time steps)] in the order of rising frequency, [Hz] apart:
        `channel.model = "cfr"`

    Raises `ValueError`, one sentence, for arrays of other shapes, for NaN where there
    is energy, for delays that are no seconds, for values whose energy is no number, and
    for channels without any. Single examples without energy are left out, and counted.
    """
    known = understand(a, tau, h, spacing)
    write(path, known)
    return describe(known)


def write(path, known: Known) -> None:
    """Writes arrays as they are known to an `.npz` file."""
    arrays = known._replace(left_out=None)._asdict()
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


def understand(a=None, tau=None, h=None, spacing=None) -> Known:
    """Arrays in the form of this project; see `save_channels`."""
    if h is not None:
        return _responses(np.asarray(h), spacing)
    if a is None or tau is None:
        raise ScenarioError("channels need a and tau, or h and spacing: give both")
    a, tau = np.asarray(a), np.asarray(tau)
    if not np.iscomplexobj(a):
        raise ScenarioError(
            f"a is {a.dtype}: it must be complex; join real and imaginary parts"
        )
    if tau.dtype.kind not in "fiu" or tau.dtype == "float16":
        raise ScenarioError(
            f"tau is {tau.dtype}: it must be real, in seconds, of single precision or "
            "better"
        )
    a, tau = _by_example(a, tau.astype("float64"))
    there = _present(a, tau)
    a = np.where(there[..., None], a, 0)
    tau = np.where(there, tau, 0.0)
    a, tau = _common_delays(a, tau)
    there = np.any(a != 0, axis=(1, 2, 4))
    kept = there.any(axis=1)
    if not kept.any():
        raise ScenarioError("no path has energy: check a")
    _check_size("a", a)
    if tau.max() > SLOWEST:
        raise ScenarioError(
            f"tau holds a delay of {tau.max():.3g} s: give delays in seconds"
        )
    order = np.argsort(~there, axis=1, kind="stable")[:, : there.sum(axis=1).max()]
    a = np.take_along_axis(a, order[:, None, None, :, None], axis=3)
    tau = np.take_along_axis(tau, order, axis=1)
    return Known(a=a[kept], tau=tau[kept], left_out=int(np.sum(~kept)))


def _responses(h: np.ndarray, spacing) -> Known:
    given = np.asarray(0 if spacing is None else spacing)
    if given.size != 1 or given.dtype.kind not in "fiu" or not np.all(given > 0):
        raise ScenarioError(
            "frequency responses need their spacing in Hz: give spacing=30e3, or "
            "--spacing 30e3 on the command line"
        )
    if h.ndim not in (4, 5) or not h.size or not np.iscomplexobj(h):
        raise ScenarioError(
            f"h has shape {h.shape} and type {h.dtype}: it must be complex [examples, "
            "receive, transmit, subcarriers (, time steps)]"
        )
    if not np.isfinite(h).all():
        raise ScenarioError("h holds NaN or infinite values: remove those examples")
    h = h if h.ndim == 5 else h[..., None]
    kept = np.any(h != 0, axis=(1, 2, 3, 4))
    if not kept.any():
        raise ScenarioError("no response has energy: check h")
    _check_size("h", h)
    spacing = float(np.ravel(spacing)[0])
    return Known(h=h[kept], spacing=spacing, left_out=int(np.sum(~kept)))


def _check_size(name: str, gains: np.ndarray) -> None:
    largest = float(np.maximum(np.abs(gains.real), np.abs(gains.imag)).max())
    if not 1 / LARGEST < largest < LARGEST:
        raise ScenarioError(
            f"{name} holds values of {largest:.1g}, whose energy is no number: scale "
            "all of them alike"
        )


def _by_example(a: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains [examples, receive, transmit, paths, steps], and delays alike without the
    last axis; those without axes of antennas get some of length 1."""
    shapes = a.shape, tau.shape
    if a.ndim in (6, 7):
        a, tau = (a[None], tau[None]) if a.ndim == 6 else (a, tau)
        if tau.ndim == 4:
            tau = tau[:, :, None, :, None]
        if tau.ndim == 6:
            a, tau = np.moveaxis(a, 3, 2), np.moveaxis(tau, 3, 2)
            a, tau = (x.reshape(-1, *x.shape[3:]) for x in (a, tau))
    elif a.ndim == 2:
        a, tau = a[:, None, None, :, None], tau[:, None, None]
    elif a.ndim in (4, 5):
        a = a if a.ndim == 5 else a[..., None]
        tau = tau[:, None, None] if tau.ndim == 2 else tau
    sizes = list(zip(tau.shape, a.shape, strict=False))
    fits = a.ndim == 5 and tau.ndim == 4 and a.size
    if not fits or any(size not in (1, full) for size, full in sizes):
        raise ScenarioError(
            f"a of shape {shapes[0]} and tau of shape {shapes[1]} do not fit: use "
            "those of Sionna (rank 7, or 6 of Sionna RT), or [examples, receive, "
            "transmit, paths, time steps] and [examples, paths]"
        )
    return a, np.broadcast_to(tau, (len(a), *tau.shape[1:3], a.shape[3]))


def _present(a: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Which paths there are, of each antenna; refuses NaN that is no missing path."""
    tau = np.broadcast_to(tau, a.shape[:4])
    silent = np.all((a == 0) | np.isnan(a), axis=4)
    missing = silent & (np.isnan(tau) | (tau < 0) | np.all(a == 0, axis=4))
    gains = np.isfinite(a).all(axis=4)
    if not np.all(missing | gains):
        raise ScenarioError(
            "a holds NaN or infinite values where tau says that there is a path: "
            "remove those examples"
        )
    if not np.all(missing | (np.isfinite(tau) & (tau >= 0))):
        raise ScenarioError(
            "tau holds NaN, infinite or negative delays where a says that there is "
            "energy: correct them, or set a to 0"
        )
    return ~missing


def _common_delays(a: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paths with delays that all antennas have in common: where antennas differ, each
    pair of them has paths of its own."""
    late = np.where(np.any(a != 0, axis=4), tau, -np.inf).max(axis=(1, 2))
    early = np.where(np.any(a != 0, axis=4), tau, np.inf).min(axis=(1, 2))
    if not np.any(late > early):
        return a, np.where(np.isfinite(late), late, 0)
    examples, receive, transmit, paths, steps = a.shape
    pairs, wide = receive * transmit, np.broadcast_to(tau, a.shape[:4])
    apart = np.zeros((examples, pairs, pairs, paths, steps), a.dtype)
    own = np.arange(pairs)
    apart[:, own, own] = a.reshape(examples, pairs, paths, steps)
    shape = examples, receive, transmit, pairs * paths, steps
    return apart.reshape(shape), wide.reshape(examples, -1)
