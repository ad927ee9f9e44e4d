"""Spherical waves of a link against exact distances, and their statistics."""

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.receivers.estimation.spherical_waves import path_of
from link_sim.scenarios.loading import load_scenario
from link_sim.world import near_field
from link_sim.world.spherical_paths import PATHS, _line, _waves, spherical_paths

pytestmark = pytest.mark.usefixtures("eager")


def drawn(*overrides, frames=400, steps=2, rate=1e4):
    scenario = load_scenario("image", ["channel.model=near-field", *overrides])
    config.seed = 1
    a, tau = spherical_paths(scenario)(tf.constant(frames), steps, rate)
    return a.numpy()[:, 0, :, 0], tau.numpy()[:, 0, 0]


def test_waves_are_spherical():
    wavelength, rng = 3e-3, np.random.default_rng(0)
    s, r = rng.uniform(-0.8, 0.8, (4, PATHS)), rng.uniform(2, 30, (4, PATHS))
    exact = near_field.line(64, wavelength).waves(path_of(s[..., None], r))
    ours = _waves(2 * np.pi / wavelength, _line(64, wavelength), *map(tf.constant, (s, 1 / r)))  # noqa: E501  # fmt: skip
    np.testing.assert_allclose(ours, np.swapaxes(exact, 1, 2), atol=2e-4)


def test_paths_have_the_energy_delays_and_shifts_that_are_asked_for():
    a, tau = drawn(
        "antennas={transmit=1, streams=1, receive=3}",
        "channel.delay_spread=1e-7",
        "channel.speed=30.0",
        "channel.carrier_frequency=1e10",
    )
    frames = len(a)
    energy = np.sum(np.abs(a[..., 0]) ** 2, axis=3)
    np.testing.assert_allclose(energy[:, 0], energy[:, 2], rtol=1e-4)  # one amplitude
    # of PATHS exponential energies each
    assert abs(energy[:, 0].mean() - 1) < 4 / np.sqrt(PATHS * frames)
    # the least of exponential delays taken off leaves the others exponential
    assert np.all(tau.min(axis=1) == 0)
    others = np.sum(tau) / frames / (PATHS - 1)
    assert abs(others / 1e-7 - 1) < 4 / np.sqrt((PATHS - 1) * frames)
    turn = np.angle(a[..., 1] / a[..., 0])[:, 0, 0] / (2 * np.pi) * 1e4
    assert np.abs(turn).max() < 1001 and np.sqrt(np.mean(turn**2)) == pytest.approx(
        1000.7 / np.sqrt(2), rel=0.1
    )


def test_polarisations_fade_apart_at_one_place():
    a, _ = drawn("antennas={transmit=2, streams=2, receive=4, polarisation='dual'}")
    a = a[..., 0]
    for pair in (a[:, :2, :1], a[:, :1]):
        first, second = pair[:, 0, 0], pair[:, -1, -1]
        match = np.vdot(first, second) / np.vdot(first, first).real
        assert abs(match) < 4 / np.sqrt(first.size)
    same = a[:, 0] * np.conj(a[:, 2])  # one polarisation, the next place
    assert np.allclose(np.abs(same), np.abs(a[:, 0]) ** 2, rtol=1e-3)
