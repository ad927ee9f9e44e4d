"""The recipe of measured amplifiers: memory polynomials, fitted by least squares."""

import json
from importlib import metadata
from pathlib import Path

import numpy as np

from link_sim.scenarios.hardware import MEASURED

RIDGE = 1e-5
"""Over the energy of a term: a narrow band alone leaves gains beyond it open."""


def fit_amplifiers(folder: Path, orders: int = 5, taps: int = 12) -> None:
    """Fits `measured.json` from the measurements that the package `opendpd` carries.

    A rated drive has a mean power of 1 at the input, and at the output. The fit is to
    the training part, `nmse_db` of the test part.

    Raises `ValueError` if the package is not there.
    """
    found = {}
    for name in MEASURED:
        x, y = read_measurement(name, "train")
        scale, gain = (np.sqrt(np.mean(np.abs(z) ** 2)) for z in (x, y))
        c = fit(x / scale, y / gain, orders, taps)
        x_test, y_test = read_measurement(name, "test")
        y_hat = regressors(x_test / scale, orders, taps) @ c.reshape(-1)
        error = (y_test / gain - y_hat)[taps:]
        nmse = np.mean(np.abs(error) ** 2) / np.mean(np.abs(y_test[taps:] / gain) ** 2)
        rounded = c.reshape(taps, orders).round(7)
        found[name] = {
            "coefficients": [rounded.real.tolist(), rounded.imag.tolist()],
            "peak": round(float(np.abs(x).max() / scale), 4),
            "nmse_db": round(10 * float(np.log10(nmse)), 2),
            "samples": len(x),
        }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1)
    (folder / "measured.json").write_text(text + "\n", "utf-8")


def fit(x: np.ndarray, y: np.ndarray, orders: int, taps: int) -> np.ndarray:
    """Coefficients [taps * orders] of a memory polynomial from x to y."""
    matrix, rest = regressors(x, orders, taps)[taps:], y[taps:]
    scales = np.linalg.norm(matrix, axis=0)
    matrix = matrix / scales
    gram = matrix.conj().T @ matrix + RIDGE * np.eye(len(scales))
    return np.linalg.solve(gram, matrix.conj().T @ rest) / scales


def regressors(x: np.ndarray, orders: int, taps: int) -> np.ndarray:
    """x[n - m] |x[n - m]|^k: complex [samples, taps * orders]."""
    powers = np.stack([x * np.abs(x) ** k for k in range(orders)], 1)
    return np.concatenate([np.roll(powers, m, axis=0) for m in range(taps)], 1)


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
