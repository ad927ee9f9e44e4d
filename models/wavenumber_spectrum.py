"""The power spectrum of a Gaussian field, learned from noisy, incomplete observations.

    y_i = M_i h_i + n_i,   h_i ~ CN(0, F diag(p) F^H),   n_i ~ CN(0, no I)

Maximum likelihood of p by multiplicative updates,

    p_g <- p_g (q_g / t_g)^e,   q_g = sum_i |a_ig^H R_i^-1 y_i|^2,
    t_g = sum_i a_ig^H R_i^-1 a_ig,   a_ig = M_i f_g,   R_i = A_i diag(p) A_i^H + no I,

which never lower the likelihood for e = 1/2 (minorisation: Sun, Breloy, Babu, Palomar,
Pascal, Ginolhac, "Low-complexity algorithms for low rank clutter parameters estimation
in radar systems", IEEE TSP 2016). No clean field is needed at any time.
"""

import numpy as np
from scipy.linalg import cho_factor, solve_triangular

WARM, STEADY = 0.5, 0.75
"""Exponents of the first updates and of the rest."""
FIRST = 3


def wavenumbers(shape, spacing: float, oversampling: int = 2) -> np.ndarray:
    """Visible spatial frequencies of a planar array, [points, 2] in turns per antenna.

    A grid of `oversampling` points an antenna; waves arrive with |f| <= spacing (in
    wavelengths), half a cell more for the edge of the grid.
    """
    axes = [np.fft.fftfreq(oversampling * n) for n in shape]
    f = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = max(1 / (oversampling * n) for n in shape)
    return f[np.sqrt(np.sum(f**2, axis=1)) <= spacing + cell / 2]


def responses(shape, f) -> np.ndarray:
    """F, complex64 [antennas, points], the antennas row by row."""
    x = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    turns = x.reshape(-1, 2) @ np.asarray(f).T
    return np.exp(2j * np.pi * turns).astype("complex64")


def learn_spectrum(a, y, no=None, iterations: int = 6):
    """The spectrum p [points] and the noise variance, from observations alone.

    a: responses as observed, complex64 [size, points] for all or [snapshots, size,
    points]. y: [snapshots, size]. no: the noise variance; estimated with the spectrum
    if not given, as a spectrum's line whose response is white.
    """
    a, y = np.asarray(a, "complex64"), np.asarray(y, "complex64")
    if a.ndim == 2:
        a, groups = a[None], [y]
    else:
        groups = [row[None] for row in y]
    power = float(np.mean(np.abs(y) ** 2))
    known, no = no is not None, power / 4 if no is None else float(no)
    per_line = np.mean(np.sum(np.abs(a) ** 2, axis=2))
    p = np.full(a.shape[2], max(power - no, 0.1 * power) / per_line, "float32")
    for i in range(iterations):
        q, t, white = np.zeros_like(p), np.zeros_like(p), np.zeros(2)
        for seen, rows in zip(a, groups, strict=True):
            parts = _slopes(seen, rows, p, no)
            for total, part in zip((q, t, white), parts, strict=True):
                total += part
        step = WARM if i < FIRST else STEADY
        p *= (q / np.maximum(t, 1e-30)) ** step
        if not known:
            no *= float(white[0] / white[1]) ** step
    return p, no


def noise_floor(a, y, level: float = 1e-3):
    """Noise variance from the directions that no wave of the grid reaches.

    level: share of a white field's power that counts as not reached. Raises ValueError
    where every direction is reached.
    """
    a = np.asarray(a, "complex64")
    pairs = [(a, y)] if a.ndim == 2 else list(zip(a, y[:, None], strict=True))
    energy, number = 0.0, 0
    for seen, rows in pairs:
        values, vectors = np.linalg.eigh(seen @ seen.conj().T / seen.shape[1])
        quiet = vectors[:, values < level]
        energy += float(np.sum(np.abs(rows @ quiet.conj()) ** 2))
        number += quiet.shape[1] * len(rows)
    if not number:
        raise ValueError(
            "waves reach every direction that is measured, so that noise cannot be "
            "told from them: state the noise variance"
        )
    return energy / number


def _slopes(a, y, p, no):
    """Contributions to q, t, and to those of the noise, of snapshots [number, size]."""
    root = a * np.sqrt(p)
    r = root @ root.conj().T
    r[np.diag_indices(len(r))] += np.float32(no)
    factor = cho_factor(r, lower=True, check_finite=False)[0]
    both = np.concatenate([a, y.T, np.eye(len(r), dtype="complex64")], axis=1)
    white = solve_triangular(factor, both, lower=True, check_finite=False)
    lines, number = a.shape[1], len(y)
    half, seen, inverse = np.split(white, [lines, lines + number], axis=1)
    q = np.sum(np.abs(half.conj().T @ seen) ** 2, axis=1)
    t = number * np.sum(np.abs(half) ** 2, axis=0)
    full = inverse.conj().T @ seen
    noise = np.sum(np.abs(full) ** 2), number * np.sum(np.abs(inverse) ** 2)
    return q, t, np.array(noise, float)
