"""Amplifiers from what was measured at their input and output."""

from pathlib import Path

import numpy as np

from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.errors import ScenarioError

ORDERS, TAPS = 5, 12
"""Of terms x[n - m] |x[n - m]|^k."""
CROSSED_ORDERS, CROSSED_TAPS = 3, 3
"""Of terms x[n - m] |x[n - m - l]|^k for l = 1 and -1, k from 1, m + l from 0."""
RIDGE = 1e-5
"""Over the energy of a term: a narrow band alone leaves gains beyond it open."""
FEWEST = 5000
"""Samples for a fit."""
LEAST_PEAK = 1.2
"""Largest amplitude over the rms of a signal that tells of an amplifier."""
LEAST_NMSE_DB = -10.0
"""Of the test part: a worse fit tells of signals that do not belong together."""


def terms() -> list[tuple[int, int, int]]:
    """(l, m, k) of the generalised memory polynomial's terms, no future in them."""
    own = [(0, m, k) for m in range(TAPS) for k in range(ORDERS)]
    crossed = [
        (lag, m, k)
        for lag in (1, -1)
        for m in range(max(0, -lag), CROSSED_TAPS)
        for k in range(1, CROSSED_ORDERS)
    ]
    return own + crossed


def regressors(x: np.ndarray) -> np.ndarray:
    """x[n - m] |x[n - m - l]|^k (Morgan et al. 2006): complex [samples, terms]."""
    amplitude = np.abs(x)
    return np.stack(
        [np.roll(x * np.roll(amplitude, lag) ** k, m) for lag, m, k in terms()], 1
    )


def fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients [terms] from x to y, by ridge least squares."""
    matrix, rest = regressors(x)[TAPS:], y[TAPS:]
    scales = np.linalg.norm(matrix, axis=0)
    matrix = matrix / scales
    gram = matrix.conj().T @ matrix + RIDGE * np.eye(len(scales))
    return np.linalg.solve(gram, matrix.conj().T @ rest) / scales


def fitted(train: tuple, test: tuple) -> dict:
    """A measured amplifier: `coefficients` by lag, `peak`, `nmse_db` and `samples`.

    train, test : input and output, complex [samples]. The fit is to the training part,
    after which its mean power is 1 at both ends; `nmse_db` is that of the test part,
    `peak` the largest amplitude. Coefficients are real and imaginary parts [2, taps,
    orders].
    """
    scale, gain = (np.sqrt(np.mean(np.abs(z) ** 2)) for z in train)
    c = fit(train[0] / scale, train[1] / gain).round(7)
    x, y = test[0] / scale, test[1] / gain
    error = (y - regressors(x) @ c)[TAPS:]
    nmse = np.mean(np.abs(error) ** 2) / np.mean(np.abs(y[TAPS:]) ** 2)
    shapes = {0: (TAPS, ORDERS), 1: (CROSSED_TAPS, CROSSED_ORDERS)}
    found = {lag: np.zeros((2, *shapes[abs(lag)])) for lag in (0, 1, -1)}
    for (lag, m, k), value in zip(terms(), c, strict=True):
        found[lag][:, m, k] = value.real, value.imag
    return {
        "coefficients": {str(lag): z.tolist() for lag, z in found.items()},
        "peak": round(float(np.abs(train[0]).max() / scale), 4),
        "nmse_db": round(10 * float(np.log10(nmse)), 2),
        "samples": len(train[0]),
    }


def read(file: DataFile) -> dict:
    """As `fitted`: of arrays `x` and `y` in an `.npz`, their last fifth the test part.

    x, y : input and output, complex [samples], at `hardware.oversampling` samples for
    each of the signal's bandwidth, aligned in time

    Raises `ScenarioError` for files that have not that form, and for y that are no
    function of x.
    """
    if not Path(file.path).is_file():
        raise ScenarioError(
            f"hardware.amplifier = '{file.path}' is not a file: use the path of one, "
            "or the name of an amplifier, such as rapp"
        )
    file.checked()
    try:
        arrays = file.arrays()
        x, y = (np.asarray(arrays[key], complex) for key in ("x", "y"))
    except Exception:
        raise ScenarioError(
            f"{file.path} is not an .npz with the input x and the output y of an "
            "amplifier, complex samples: save it by numpy.savez(path, x=x, y=y)"
        ) from None
    if x.ndim != 1 or x.shape != y.shape or len(x) < FEWEST:
        raise ScenarioError(
            f"x and y in {file.path} have shapes {x.shape} and {y.shape}: give as many "
            f"samples of either, {FEWEST} at least, in one dimension"
        )
    cut = len(x) * 4 // 5
    parts = x[:cut], x[cut:], y[:cut], y[cut:]
    if not all(np.isfinite(z).all() and z.any() for z in parts):
        raise ScenarioError(
            f"x and y in {file.path} must be finite, and not 0 in their last fifth, "
            "which tests the fit"
        )
    level = np.abs(x) / np.sqrt(np.mean(np.abs(x) ** 2))
    if not x.imag.any() or level.max() < LEAST_PEAK:
        raise ScenarioError(
            f"x in {file.path} is real or of one amplitude, which tells little of an "
            "amplifier: measure it with a modulated signal, both branches"
        )
    found = fitted((x[:cut], y[:cut]), (x[cut:], y[cut:]))
    if not found["nmse_db"] < LEAST_NMSE_DB:
        raise ScenarioError(
            f"y in {file.path} is no function of x: a memory polynomial leaves "
            f"{found['nmse_db']:.1f} dB of it; align them in time"
        )
    return found
