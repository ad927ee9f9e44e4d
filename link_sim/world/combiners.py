"""What a hybrid array measures of its antennas: y = M h + n with known M.

Every function returns M of a batch, complex64 [size, measurements, antennas], with rows
of unit norm, so that noise keeps its variance.
"""

import numpy as np


def signs(rng, size: int, measurements: int, antennas: int) -> np.ndarray:
    """Every chain sees every antenna with a sign at random."""
    m = rng.integers(0, 2, (size, measurements, antennas)) * 2 - 1
    return _unit(m, "signs")


def phase_shifters(rng, size: int, measurements: int, antennas: int, bits: int):
    """Every chain sees every antenna through a phase shifter of `bits` bits."""
    if bits < 1:
        raise ValueError(f"bits = {bits}: a phase shifter has at least 1 bit")
    turns = rng.integers(0, 2**bits, (size, measurements, antennas)) / 2**bits
    return _unit(np.exp(2j * np.pi * turns), "phase_shifters")


def subarrays(rng, size: int, measurements: int, groups) -> np.ndarray:
    """Every chain sees the antennas of one subarray alone, with signs at random.

    groups: the subarray that each antenna belongs to, integers [antennas] from 0.
    Measurements are shared evenly; the chains of a subarray come one after the other.
    """
    groups = np.asarray(groups)
    number = int(groups.max()) + 1
    if measurements < number:
        unseen = int(np.sum(groups >= measurements))
        raise ValueError(
            f"{measurements} measurements leave {unseen} antennas of {number} "
            "subarrays unseen: use at least one measurement a subarray"
        )
    chain = np.sort(np.arange(measurements) % number)
    own = groups == chain[:, None]
    m = rng.integers(0, 2, (size, measurements, len(groups))) * 2 - 1
    return _unit(m * own, "subarrays")


def everything(size: int, antennas: int) -> np.ndarray:
    """A receiver behind every antenna: M = I."""
    m = np.eye(antennas, dtype="complex64")
    return np.broadcast_to(m, (size, *m.shape))


def _unit(m, name: str) -> np.ndarray:
    if 0 in m.shape:
        raise ValueError(f"{name} needs at least one measurement and one antenna")
    return (m / np.linalg.norm(m, axis=-1, keepdims=True)).astype("complex64")
