"""A spectrum learned from noisy, compressed observations alone."""

import numpy as np
import pytest

from link_sim.models.wavenumber_spectrum import (
    learn_spectrum,
    noise_floor,
    responses,
    wavenumbers,
)

SHAPE, NO = (6, 6), 0.1
F = responses(SHAPE, wavenumbers(SHAPE, 0.25))


def observe(snapshots, measurements=None, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(F.shape[1]) ** 4
    p /= p.sum()
    w = rng.standard_normal((2, snapshots, len(p)))
    h = (w[0] + 1j * w[1]) * np.sqrt(p / 2) @ F.T
    m = np.eye(36)[None]
    if measurements:
        m = rng.standard_normal((snapshots, measurements, 36)) / 6
    y = (m @ h[..., None])[..., 0]
    n = rng.standard_normal((2, *y.shape)) * np.sqrt(NO / 2)
    a = F if measurements is None else m @ F
    return p, a, y + n[0] + 1j * n[1]


def log_likelihood(a, y, p, no):
    total = 0.0
    for seen, row in zip(np.broadcast_to(a, (len(y), *a.shape[-2:])), y, strict=True):
        r = (seen * p) @ seen.conj().T + no * np.eye(len(seen))
        total -= np.linalg.slogdet(r)[1] + np.vdot(row, np.linalg.solve(r, row)).real
    return total


@pytest.mark.parametrize("measurements", [None, 12])
@pytest.mark.parametrize("no", [NO, pytest.param(None, marks=pytest.mark.slow)])
def test_likelihood_rises_above_that_of_the_truth(measurements, no):
    p, a, y = observe(40, measurements)
    levels = []
    for iterations in (1, 2, 3):  # exponent 1/2: each one is an ascent
        learned, level = learn_spectrum(a, y, no, iterations)
        levels.append(log_likelihood(a, y, learned, level))
    assert levels[0] <= levels[1] <= levels[2]
    learned, level = learn_spectrum(a, y, no, 30)
    assert log_likelihood(a, y, learned, level) > log_likelihood(a, y, p, NO)


def test_covariance_is_learned():
    p, a, y = observe(2000)
    learned, no = learn_spectrum(a, y, None, 30)
    exact, found = ((F * q) @ F.conj().T for q in (p, learned))
    assert np.max(np.abs(found - exact)) < 5 / np.sqrt(2000)
    assert no == pytest.approx(NO, rel=0.05)  # 36 x 2000 values, a third of them quiet


def test_noise_is_told_from_waves_where_none_arrive():
    _, a, y = observe(500)
    assert noise_floor(a, y) == pytest.approx(NO, rel=0.08)
    full = responses(SHAPE, wavenumbers(SHAPE, 0.5))
    with pytest.raises(ValueError, match="state the noise variance"):
        noise_floor(full, y, level=1e-9)


def test_only_visible_directions_are_kept():
    f = wavenumbers((16, 16), 0.25)
    assert np.max(np.linalg.norm(f, axis=1)) <= 0.25 + 0.5 / 32
    assert len(f) == pytest.approx(np.pi * (8 + 0.5) ** 2, rel=0.03)
