"""The map of streams to transmit antennas, and what it gains."""

import numpy as np

from link_sim.scenarios.sections import Antennas


def precoder(antennas: Antennas) -> np.ndarray:
    """The map of streams to antennas: complex64 [transmit, streams], total power 1.

    Streams share a transmit energy of 1 through orthogonal columns; see `columns`.
    """
    streams = antennas.streams
    found = columns(antennas.transmit, streams) / np.sqrt(streams)
    return found.astype("complex64")


def columns(antennas: int, streams: int) -> np.ndarray:
    """Orthonormal columns [antennas, streams] whose rows have the same energy.

    Those of the identity for as many antennas as streams, else of a DFT matrix.
    """
    if antennas == streams:
        return np.eye(streams)
    phase = np.outer(np.arange(antennas), np.arange(streams)) / antennas
    return np.exp(-2j * np.pi * phase) / np.sqrt(antennas)


def gain_in_common(antennas: Antennas) -> float:
    """Energy that all streams bring over a path which all antennas have in common."""
    return float(np.sum(np.abs(precoder(antennas).sum(axis=0)) ** 2))
