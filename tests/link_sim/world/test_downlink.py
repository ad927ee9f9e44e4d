"""Near-field downlink channels: against slow formulas, energies and geometry."""

import numpy as np
import pytest

from link_sim.scenarios.radio import SPEED_OF_LIGHT
from link_sim.world import downlink
from link_sim.world.downlink import (
    draw_downlink,
    estimated,
    focused_subarrays,
    noise_variance,
    spherical_wave,
)


def test_waves_are_spherical():
    """Distances between points of the plane, in long double."""
    distance, angle = np.array([3.0, 55.5]), np.array([-0.9, 0.4])
    wavelength = np.longdouble(SPEED_OF_LIGHT) / np.longdouble(downlink.CARRIER)
    x = (np.arange(1024, dtype="longdouble") - 511.5) * wavelength / 2
    h = spherical_wave(distance, angle, 1024)
    for r, a, found in zip(distance, angle, h, strict=True):
        ahead, aside = r * np.cos(np.longdouble(a)), r * np.sin(np.longdouble(a))
        turns = (np.hypot(ahead, aside - x) - r) / wavelength
        exact = np.exp(-2j * np.pi * (turns % 1).astype("float64"))
        np.testing.assert_allclose(found, exact, atol=2e-6)


def test_far_away_they_are_plane():
    plane = np.exp(1j * np.pi * (np.arange(64) - 31.5) * np.sin(0.3))
    np.testing.assert_allclose(spherical_wave(1e7, 0.3, 64), plane, atol=1e-4)


def test_energies_are_those_of_the_geometry():
    rng = np.random.default_rng(0)
    energy = np.sum(np.abs(draw_downlink(rng, 4, 50, 64, "uniform")) ** 2, -1) / 64
    np.testing.assert_allclose(energy, 1, rtol=1e-5)
    energy = np.sum(np.abs(draw_downlink(rng, 40, 50, 64, "clustered")) ** 2, -1) / 64
    gain_db = 10 * np.log10(energy)
    assert np.abs(gain_db).max() < 10.001
    # 2,000 uniform gains: their mean has a standard deviation of 5.77 / 45 dB
    assert abs(gain_db.mean()) < 4 * 5.77 / 2000**0.5


def test_clustered_users_are_correlated_within_their_group_only():
    h = draw_downlink(np.random.default_rng(1), 8, 16, 1024, "clustered")
    h = h / np.linalg.norm(h, axis=-1, keepdims=True)
    shared = np.abs(h @ np.conj(np.swapaxes(h, 1, 2))) ** 2
    group = np.arange(16) // downlink.CLUSTER
    same = (group[:, None] == group) & ~np.eye(16, dtype=bool)
    assert shared[:, same].mean() > 10 * shared[:, group[:, None] != group].mean()


def test_estimates_have_the_variance_they_are_given():
    h = np.zeros((4, 50, 64), "complex64")
    error = estimated(np.random.default_rng(0), h, 0.3)
    # 12,800 exponentials of mean 0.3
    assert abs(np.mean(np.abs(error) ** 2) - 0.3) < 4 * 0.3 / 12800**0.5
    assert error.dtype == "complex64"


def test_subarrays_focus_on_one_user_each():
    h = draw_downlink(np.random.default_rng(0), 2, 3, 32, "uniform")
    beams = focused_subarrays(h, 4)
    eye = np.conj(np.swapaxes(beams, 1, 2)) @ beams
    np.testing.assert_allclose(eye, np.broadcast_to(np.eye(8), eye.shape), atol=1e-6)
    assert np.count_nonzero(beams) == beams.size / 8
    seen = (h @ beams)[1]
    for chain in range(8):
        part = h[1, chain % 3, 4 * chain : 4 * chain + 4]
        assert seen[chain % 3, chain] == pytest.approx(np.abs(part).sum() / 2, rel=1e-4)
    with pytest.raises(ValueError, match="subarrays of 5 antennas do not fill"):
        focused_subarrays(h, 5)


def test_single_antennas_are_the_fully_digital_array():
    h = draw_downlink(np.random.default_rng(0), 2, 3, 32, "uniform")
    power = np.sum(np.abs(h @ focused_subarrays(h, 1)) ** 2, -1)
    np.testing.assert_allclose(power, 32, rtol=1e-4)


def test_noise_gives_the_snr_of_a_focused_user():
    assert 1 / 75 * 1024 / noise_variance(7.0, 75, 1024) == pytest.approx(10**0.7)
