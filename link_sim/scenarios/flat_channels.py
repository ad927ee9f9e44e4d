"""Narrowband channels in the user's file, for channel estimation by itself."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile

LEARNED = 0.8
"""Share of the examples, the first ones, that estimators learn from."""
FEWEST = 10
"""Examples of a file at least."""
ENDS = "receive_covariance", "transmit_covariance"
"""Arrays that a file may have beside its channels."""


class FlatChannels(NamedTuple):
    """Examples of channels at the carrier.

    h : complex64 [examples, receive, transmit], E|h|^2 = 1 over all of a file
    covariances : of receive and transmit antennas, complex128 [examples, n, n], whose
        Kronecker product is that of an example's h; `None` if not given
    """

    h: np.ndarray
    covariances: tuple[np.ndarray, np.ndarray] | None

    def at(self, places: Any) -> "FlatChannels":
        """Some of the examples."""
        ends = self.covariances
        return FlatChannels(self.h[places], ends and tuple(c[places] for c in ends))


def learned(examples: int) -> int:
    """How many examples of a file, the first ones, are learned from."""
    return int(LEARNED * examples)


def learned_examples(file: DataFile) -> FlatChannels:
    """The examples that estimators may learn from; see `flat_channels`."""
    found = flat_channels(file)
    return found.at(slice(0, learned(len(found.h))))


def held_out_examples(file: DataFile) -> FlatChannels:
    """The other examples, which no estimator has seen; see `flat_channels`."""
    found = flat_channels(file)
    return found.at(slice(learned(len(found.h)), None))


@lru_cache(maxsize=2)
def flat_channels(file: DataFile) -> FlatChannels:
    """The response at the carrier and the first time step of each example of a file.

    file : with arrays as `save_channels` writes them: of paths, the sum of their gains
        `a`; of responses, `h` at subcarrier n // 2 of n. It may hold the arrays of
        `ENDS` as well.

    Raises `ScenarioError`, one sentence, if it is none of these.
    """
    path = file.path
    try:
        with file.arrays() as arrays:
            name = "a" if "a" in arrays else "h"
            h = arrays[name]
            ends = [arrays[end] for end in ENDS if end in arrays]
    except Exception as error:
        raise ScenarioError(
            f"estimation.file = '{path}' is not an .npz with arrays a and tau, or h "
            f"and spacing: {error}; `link-sim channels` makes one of others"
        ) from None
    if h.ndim != 5 or not h.size or not np.iscomplexobj(h):
        raise ScenarioError(
            f"the array {name} in {path} has shape {h.shape} and type {h.dtype}: it "
            "must be complex [examples, receive, transmit, paths or subcarriers, time "
            "steps], as `link-sim channels` makes it"
        )
    if len(h) < FEWEST:
        raise ScenarioError(
            f"{path} has {len(h)} examples: supply {FEWEST} or more, for estimators "
            "learn from some and are tested on others"
        )
    h = at_the_carrier(h, None) if name == "a" else at_the_carrier(None, h)
    energy = np.mean(np.abs(h.astype("complex128")) ** 2)
    if not np.isfinite(energy) or energy <= 0:
        raise ScenarioError(
            f"{path} holds NaN or infinite values, or no energy at the carrier: remove "
            "such examples"
        )
    h = (h / np.sqrt(energy)).astype("complex64")
    return FlatChannels(h, _covariances(path, h, ends, energy))


def at_the_carrier(a: Any, h: Any) -> np.ndarray:
    """The response there at the first time step: [examples, receive, transmit].

    a : gains of paths, complex [examples, receive, transmit, paths, time steps], or
        `None`
    h : in place of them, responses [examples, receive, transmit, subcarriers, time
        steps]
    """
    if a is not None:
        return a[..., 0].sum(axis=-1)
    return h[..., h.shape[-2] // 2, 0]


def _covariances(path: str, h: np.ndarray, ends: list, energy: float) -> Any:
    if not ends:
        return None
    wanted = [(len(h), n, n) for n in h.shape[1:]]
    finite = all(np.isfinite(end).all() for end in ends)
    if [end.shape for end in ends] != wanted or not finite:
        raise ScenarioError(
            f"{path} has {' and '.join(ENDS)} of shapes "
            f"{', '.join(str(end.shape) for end in ends)}: give both, finite, of "
            f"shapes {wanted[0]} and {wanted[1]}, or neither"
        )
    receive, transmit = (end.astype("complex128") for end in ends)
    return receive / energy, transmit
