"""The recipe of measured amplifiers: generalised memory polynomials."""

import json
from importlib import metadata
from pathlib import Path

import numpy as np

from link_sim.scenarios.hardware import MEASURED
from link_sim.world.hardware.measurements import fitted


def fit_amplifiers(folder: Path) -> None:
    """Fits `measured.json` from the measurements that the package `opendpd` carries.

    Raises `ValueError` if the package is not there.
    """
    found = {
        name: fitted(*(read_measurement(name, part) for part in ("train", "test")))
        for name in MEASURED
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1)
    (folder / "measured.json").write_text(text + "\n", "utf-8")


def read_measurement(name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Input and output of an amplifier, complex [samples]; part: `train` or `test`."""
    sets = name.upper().replace("-", "_").replace("MHZ", "MHz").replace("_B", "_b")
    try:
        listed = metadata.files("opendpd") or []
    except metadata.PackageNotFoundError:
        raise ValueError(
            "measurements of amplifiers come with the package opendpd: install "
            "link-sim[hardware]"
        ) from None
    signals = []
    for end in ("input", "output"):
        wanted = f"datasets/{sets}/{part}_{end}.csv"
        path = next(f for f in listed if f.as_posix().endswith(wanted)).locate()
        i, q = np.loadtxt(str(path), delimiter=",", skiprows=1).T
        signals.append(i + 1j * q)
    return signals[0], signals[1]
