"""Channels in the formats of others: NumPy, MATLAB and HDF5."""

from pathlib import Path

import numpy as np

from link_sim.scenarios.base import ScenarioError
from link_sim.world.channel_files import understand
from link_sim.world.channel_summary import Known

GAINS = "a", "gains", "cir", "channel", "channels"
DELAYS = "tau", "delays", "delay", "ToA", "toa"
RESPONSES = "h", "H", "cfr", "channel", "channels"
"""Names under which arrays are looked for, in order."""


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a file by name: `.npz`, `.npy` (as `h`), `.mat`, `.h5` or `.hdf5`.

    Raises `ScenarioError` if it is unreadable or of another kind.
    """
    try:
        if path.suffix == ".npy":
            return {"h": np.load(path, allow_pickle=False)}
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        if path.suffix in (".mat", ".h5", ".hdf5"):
            with open(path, "rb") as file:
                modern = b"MATLAB 7.3" in file.read(128) or path.suffix != ".mat"
            return _from_hdf5(path) if modern else _from_matlab(path)
    except ScenarioError:
        raise
    except Exception as error:
        raise ScenarioError(f"{path} is unreadable: {error}") from None
    raise ScenarioError(
        f"{path} is of no known kind: use .npz, .npy, .mat, .h5 or .hdf5"
    )


def _from_matlab(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    found = loadmat(path)
    return {k: v for k, v in found.items() if isinstance(v, np.ndarray) and k[0] != "_"}


def _from_hdf5(path: Path) -> dict[str, np.ndarray]:
    """Arrays of HDF5; those of MATLAB have their axes in reverse."""
    import h5py

    with h5py.File(path) as file:
        sets = {k: v for k, v in file.items() if isinstance(v, h5py.Dataset)}
        found = {name: np.asarray(item[()]) for name, item in sets.items()}
    for name, array in found.items():
        if array.dtype.names == ("real", "imag"):
            array = array["real"] + 1j * array["imag"]
        found[name] = array.T if path.suffix == ".mat" else array
    return found


def channels_of(path: Path, spacing: float | None = None) -> Known:
    """The channels in anybody's file, by the names of its arrays.

    spacing : of subcarriers [Hz], where the file does not say it
    """
    found = load_arrays(path)

    def first(names):
        return next((found[name] for name in names if name in found), None)

    a, tau = first(GAINS), first(DELAYS)
    if a is not None and tau is not None:
        return understand(a, tau)
    h = first(RESPONSES)
    if h is None:
        raise ScenarioError(
            f"{path} has arrays {', '.join(found) or 'none'}: name them a and tau, or "
            "h and spacing"
        )
    given = first(("spacing", "subcarrier_spacing"))
    return understand(h=h, spacing=spacing if spacing is not None else given)
