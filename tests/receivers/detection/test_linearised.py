from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from link_sim.receivers.detection import linearised
from link_sim.receivers.detection.linearised import Linearised
from link_sim.scenarios.loading import load_scenario
from link_sim.world.transmitter import Transmitter

pytestmark = pytest.mark.usefixtures("eager")

NO, DOUBT, ROWS = 0.05, 0.05, 3
WITH = tf.fill([ROWS], DOUBT)
"""Doubt of decisions in as much noise, scaled by what their energy is too large."""


@cache
def transmitter(hardware="{amplifier='3gpp-polynomial', back_off_db=2}"):
    settings = "grid={fft_size=26, symbols=4, pilot_symbols=[1]}", "code.rate=0.3"
    own = load_scenario("image-awgn", [*settings, f"hardware={hardware}"])
    return Transmitter(own, (4, 4, 1))


def noise(shape, variance, seed):
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return ((parts[0] + 1j * parts[1]) * np.sqrt(variance / 2)).astype("complex64")


def decided(link):
    """Symbols x, decisions, and x + e(x) in noise."""
    shape = ROWS, 1, 1, int(link.resource_grid.num_data_symbols)
    rng = np.random.default_rng(1)
    signs = rng.choice([-1, 1], (2, *shape)) / np.sqrt(2)
    x = (signs[0] + 1j * signs[1]).astype("complex64")
    decisions = (x + noise(shape, DOUBT / (1 - DOUBT), 2)) * np.float32(1 - DOUBT)
    z = np.asarray(Linearised(link).amplified(tf.constant(x)))
    return x, tf.constant(decisions), z + noise(shape, NO, 3)


def columns(link, x):
    """M in real and imaginary parts, by differences: [2 data symbols, 2 of them]."""
    block, size = Linearised(link), x.shape[-1]
    steps = np.concatenate([np.eye(size), 1j * np.eye(size)]).astype("complex64")
    steps = 1e-2 * steps[:, None, None]
    ends = (block.amplified(x + tf.constant(sign * steps)) for sign in (1, -1))
    change = np.subtract(*(np.asarray(end)[:, 0, 0] for end in ends)) / 2e-2
    return np.concatenate([change.real, change.imag], 1).T


def test_derivatives_are_those_of_differences_and_each_others_transposes():
    link = transmitter()
    block, (_, x, _) = Linearised(link), decided(link)
    d, u = (tf.constant(noise(x.shape, 1, seed)) for seed in (4, 5))
    forward, back = block._forward(x, d), block.amplified.transpose(x, u)
    np.testing.assert_allclose(
        np.vdot(u, forward).real, np.vdot(back, d).real, rtol=1e-4
    )
    m, (step,) = columns(link, x[:1]), np.asarray(d)[0, 0]
    expected = m @ np.concatenate([step.real, step.imag])
    found = np.asarray(forward)[0, 0, 0]
    np.testing.assert_allclose(
        expected, np.concatenate([found.real, found.imag]), atol=0.02
    )


@pytest.mark.slow
def test_estimates_are_those_of_matrices(monkeypatch):
    """With true traces in place of those of a random vector of 108 signs."""
    monkeypatch.setattr(linearised, "ITERATIONS", 40)
    link = transmitter()
    _, x, z = decided(link)
    block, variance = Linearised(link), tf.fill(z.shape, NO)
    x_hat, no_eff = (np.asarray(part)[0, 0, 0] for part in block(z, variance, x, WITH))
    m, q = columns(link, x[:1]), DOUBT
    rest = (z - np.asarray(block.amplified(x)))[0, 0, 0]
    c = q / 2 * m @ m.T + NO / 2 * np.eye(len(m))
    step = m.T @ np.linalg.solve(c, np.concatenate([rest.real, rest.imag]))
    g = np.mean(np.diag(m.T @ np.linalg.solve(c, m))) / 2
    assert no_eff == pytest.approx(1 / g - q, rel=0.2)
    found = (x_hat - np.asarray(x)[0, 0, 0]) / (no_eff + q)
    expected = (step[: len(found)] + 1j * step[len(found) :]) / 2
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 0.02


@pytest.mark.slow
def test_stated_variances_are_those_of_errors():
    """Over 162 symbols: standard error 8 %. Distortion as noise would be twice it."""
    link = transmitter()
    x, decisions, z = decided(link)
    x_hat, no_eff = Linearised(link)(z, tf.fill(z.shape, NO), decisions, WITH)
    error = np.mean(np.abs(x_hat - x) ** 2)
    assert error == pytest.approx(np.mean(no_eff), rel=0.24)
    assert error < 0.7 * (NO + link.hardware.amplified_share.mean())


def test_faint_signals_stay_as_they_are():
    link = transmitter("{amplifier='rapp', back_off_db=40}")
    _, x, z = decided(link)
    x_hat, no_eff = Linearised(link)(z, tf.fill(z.shape, NO), x, WITH)
    np.testing.assert_allclose(x_hat, z, atol=0.01)
    np.testing.assert_allclose(no_eff, NO, rtol=0.02)
