import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.detection.phase_smoothing import PhaseSmoother
from link_sim.scenarios.sections import Grid
from link_sim.world.hardware.oscillators import (
    SPECTRA,
    intercarrier_share,
    phase_lines,
)

SIZE, NO = 256, 0.01
GRID = Grid(fft_size=SIZE, subcarrier_spacing=120e3)
LINES = phase_lines(GRID, SPECTRA["tr38803-45ghz"])


def gaussian(rng, *shape):
    parts = rng.standard_normal((2, *shape)) / np.sqrt(2)
    return parts[0] + 1j * parts[1]


def grids(samples):
    return np.fft.fftshift(np.fft.fft(samples), axes=-1) / np.sqrt(SIZE)


def turned():
    """Phases, what was sent to two antennas, and what is received, 24 OFDM symbols."""
    rng = np.random.default_rng(1)
    lines = np.sqrt(LINES) * SIZE * np.fft.fft(rng.standard_normal((24, SIZE)))
    phase = np.fft.ifft(lines / np.sqrt(SIZE)).real
    sent = gaussian(rng, 2, 24, SIZE)
    samples = sent * np.exp(1j * phase) + np.sqrt(NO) * gaussian(rng, *sent.shape)
    y, s = (tf.constant(grids(z)[None, None], tf.complex64) for z in (samples, sent))
    return phase, y, s


def test_lines_hold_the_energy_that_is_spread():
    share = intercarrier_share(GRID, SPECTRA["tr38803-45ghz"])
    assert LINES.sum() == pytest.approx(share) and LINES[0] == 0
    np.testing.assert_allclose(LINES[1:], LINES[:0:-1])


def seen(y, s):
    """Samples of s, and what is seen of the phase with its weight."""
    received, sent = (np.fft.ifft(np.fft.ifftshift(z, axes=-1))[0, 0] for z in (y, s))
    weight = 2 * SIZE / NO * np.sum(np.abs(sent) ** 2, 0)
    u = 2 * SIZE / NO * np.imag(np.sum(sent.conj() * received, 0))
    return u, weight


def test_what_is_left_of_the_phase_is_what_is_stated():
    """Phases of 24 symbols, each some 60 independent numbers: standard error 4 %.

    What is stated takes the power of samples for their mean: a sixth too little here.
    """
    phase, y, s = turned()
    made, left = PhaseSmoother(LINES)(y, s, tf.constant([NO]))
    u, weight = (tf.constant(z[None], tf.float32) for z in seen(y, s))
    found = np.asarray(PhaseSmoother(LINES)._estimate(u, weight))[0]
    assert np.mean((found - phase) ** 2) == pytest.approx(float(left[0]), rel=0.3)
    assert float(left[0]) < 0.4 * LINES.sum()
    assert np.mean(np.abs(made - s) ** 2) < NO + float(left[0])


def test_estimates_are_those_of_matrices():
    """LMMSE by the inverse of covariances, of one symbol."""
    _, y, s = turned()
    r = np.fft.ifft(LINES * SIZE).real[np.subtract.outer(np.arange(SIZE), range(SIZE))]
    u, weight = (z[0] for z in seen(y, s))
    expected = r @ np.linalg.solve(np.eye(SIZE) + weight[:, None] * r, u)
    u, weight = (tf.constant(z[None, None], tf.float32) for z in (u, weight))
    found = np.asarray(PhaseSmoother(LINES)._estimate(u, weight))[0, 0]
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 0.02
