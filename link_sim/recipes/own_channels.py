"""Channels of the user as the prior of `score` is trained on them; NumPy alone."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from link_sim.receivers.estimation.delay_windows import delay_grid, delay_response
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.channel_file import Responses
from link_sim.scenarios.data_files import sha256
from link_sim.scenarios.flat_channels import FEWEST, learned
from link_sim.scenarios.response_delays import synchronised
from link_sim.world.channel_files import write
from link_sim.world.channel_formats import channels_of
from link_sim.world.channel_summary import Known, profile

CARRIERS = 64
"""Subcarriers of frequency responses at most."""


class OwnChannels(NamedTuple):
    """Channels of a file at the first time step.

    learned, held_out : complex64 [examples, snapshots, antennas, frequencies], each
        example of unit power; snapshots are transmit antennas and polarisations
    frequencies : [Hz]
    known : the examples held out, as the file has them
    sha256 : of the file
    """

    learned: np.ndarray
    held_out: np.ndarray
    frequencies: np.ndarray
    known: Known
    sha256: str

    def write_held_out(self, folder: Path) -> None:
        """Writes what is held out as `held-out.npz`, for `channel.file`."""
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "held-out.npz", self.known)


def own_channels(path: Path, polarisations: int, pilots: np.ndarray) -> OwnChannels:
    """Of a file that `channels_of` reads; the first examples are learned from.

    pilots : frequencies [Hz] at which paths are seen. Responses are seen at up to
    `CARRIERS` subcarriers over their whole band.

    Raises `ScenarioError` if the examples are too few, do not split into polarisations
    or have paths later than the grid of delays.
    """
    known = channels_of(path)
    h, frequencies = _responses(path, known, pilots)
    examples, receive = h.shape[:2]
    if examples < FEWEST:
        raise ScenarioError(
            f"{path} has {examples} examples: supply {FEWEST} or more, for the last "
            "ones are not trained on"
        )
    if polarisations not in (1, 2) or receive % polarisations:
        raise ScenarioError(
            f"{receive} receive antennas in {path} do not split into {polarisations} "
            "polarisations: correct polarisations, 1 or 2"
        )
    energy = np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True)
    if not np.all(energy > 0):
        raise ScenarioError(
            f"{path} holds an example without energy at the first time step: remove it"
        )
    h = (h / np.sqrt(energy)).astype("complex64")
    h = h.reshape(examples, receive // polarisations, -1, len(frequencies))
    h = h.swapaxes(1, 2)
    rest = slice(learned(examples), None)
    arrays = {k: v for k, v in known._asdict().items() if v is not None}
    kept = {k: v[rest] if np.ndim(v) else v for k, v in arrays.items()}
    return OwnChannels(
        h[: rest.start], h[rest], frequencies, Known(**kept), sha256(path)
    )


def _responses(path: Path, known: Known, pilots: np.ndarray):
    """[examples, receive, transmit, frequencies], and the frequencies."""
    if known.h is not None:
        number = known.h.shape[3]
        h, _ = synchronised(known.h[..., :1], np.arange(number))
        carriers = np.arange(0, number, -(-number // CARRIERS))
        return h[:, :, :, carriers, 0], carriers * known.spacing
    tau, last = profile(known)[0], delay_grid(pilots)[-1]
    latest = Responses(known.a, tau).excess_delay
    if latest > last:
        raise ScenarioError(
            f"{path} has paths {latest:.3g} s after the first, and the prior follows "
            f"them for {last:.3g} s: remove such examples"
        )
    turns = delay_response(pilots, tau[:, None])
    return np.einsum("ertp,efp->ertf", known.a[..., 0], turns), pilots
