"""Large arrays, spherical waves, visibility and combiners against plain geometry."""

import numpy as np
import pytest

from link_sim.receivers.estimation.spherical_waves import Aperture, path_of, range_of
from link_sim.world import combiners, near_field

WAVELENGTH = 3e-3
LINE = near_field.line(64, WAVELENGTH)
PLANE = near_field.plane(4, 8, WAVELENGTH, 0.25)


@pytest.mark.parametrize("array", [LINE, PLANE])
def test_ways_are_distances(array):
    rng = np.random.default_rng(1)
    s = rng.uniform(-0.6, 0.6, (5, array.axes))
    r = rng.uniform(0.5, 20, 5)
    height = np.sqrt(1 - np.sum(s**2, axis=1))
    source = np.concatenate([s, height[:, None]], axis=1) * r[:, None]
    x = np.zeros((len(array), array.axes + 1))
    x[:, : array.axes] = array.positions
    way = np.linalg.norm(source[:, None] - x, axis=2) - r[:, None]
    path = path_of(s, r)
    np.testing.assert_allclose(array.ways(path), way, atol=1e-13)
    np.testing.assert_allclose(range_of(path), r)


def test_plane_wave_is_the_limit_of_any_range():
    s = np.array([0.3])
    plane = LINE.ways(path_of(s, np.inf))
    np.testing.assert_allclose(plane, -0.3 * LINE.positions[:, 0], atol=1e-16)
    square = np.max(LINE.positions**2)
    for r in (1e3, 1e6, 1e12):
        gap = np.max(np.abs(LINE.ways(path_of(s, r)) - plane))
        assert gap < square / r  # the second order, (1 - s^2) x^2 / 2r, and no noise


@pytest.mark.parametrize("array", [LINE, PLANE])
def test_slopes_are_derivatives(array):
    path = path_of(np.full(array.axes, 0.4), 0.3)
    for i, slope in enumerate(array.slopes(path)):
        step = np.eye(array.axes + 1)[i] * 1e-6
        difference = (array.ways(path + step) - array.ways(path - step)) / 2e-6
        np.testing.assert_allclose(slope, difference, atol=1e-8)


def test_rayleigh_distance_is_an_eighth_of_a_turn_of_curvature():
    path = path_of([0.0], LINE.rayleigh_distance)
    edge = LINE.ways(path)[0] / WAVELENGTH
    assert edge == pytest.approx(1 / 16, rel=0.01)  # of a turn: pi / 8


def test_channels_have_the_stated_power_and_squint_bends_them():
    rng = np.random.default_rng(2)
    paths = near_field.draw_sources(rng, 8, 3, 1, (1, 10))
    f = np.array([-2e9, 0, 2e9])
    field = near_field.field(rng, LINE, paths, f, squint=True)
    power = np.sum(np.abs(field.h) ** 2, axis=(1, 2))
    np.testing.assert_allclose(power, 64 * 3)
    waves = LINE.waves(paths[:1, :1], 1 + 2e9 * WAVELENGTH / near_field.LIGHT)
    flat = LINE.waves(paths[:1, :1])
    turn = 2 * np.pi * 2e9 / near_field.LIGHT * LINE.ways(paths[:1, :1])
    np.testing.assert_allclose(waves, flat * np.exp(-1j * turn))


def test_each_carrier_has_phases_of_its_own_wavelength():
    rng = np.random.default_rng(6)
    s, r = np.array([[[0.6], [-0.4]]]), np.array([[2.0, np.inf]])
    f = np.array([-6e9, -2e9, 2e9, 6e9])
    paths = path_of(s, r)
    field = near_field.field(rng, LINE, paths, f, squint=True)
    x, carrier = LINE.positions[:, 0], near_field.LIGHT / WAVELENGTH
    height = 2 * np.sqrt(1 - 0.6**2)
    ways = np.stack([np.hypot(x - 2 * 0.6, height) - 2, 0.4 * x])
    late = np.exp(-2j * np.pi * f * field.delays[0][:, None])
    times = ways / near_field.LIGHT
    waves = np.exp(-2j * np.pi * (carrier + f) * times[..., None])
    h = np.einsum("l,lt,lnt->nt", field.gains[0], late, waves)
    np.testing.assert_allclose(field.h[0], h, atol=1e-9)


def test_windows_are_contiguous_and_fade():
    rng = np.random.default_rng(3)
    hard = near_field.intervals(rng, (50,), 64)
    changes = np.sum(np.abs(np.diff(hard, axis=1, prepend=0, append=0)), axis=1)
    np.testing.assert_array_equal(changes, 2)
    share = hard.mean(axis=1)
    assert share.min() >= 0.24 and share.max() <= 0.51
    soft = near_field.boxes(rng, (50,), PLANE, (0.5, 0.5), 1.0, edge=3.0)
    assert np.any(soft == 0) and np.any((soft > 0) & (soft < 1))


def test_soft_edges_are_raised_cosines_about_the_hard_ones():
    hard, soft = (
        near_field.intervals(np.random.default_rng(5), (50,), 64, (0.5, 0.5), edge)
        for edge in (0, 8)
    )
    low = np.argmax(hard, axis=1)
    inner = (low >= 4) & (low <= 28)
    rise = np.sin(np.pi / 32 * np.arange(1, 16, 2)) ** 2  # 8 antennas, half at the edge
    window = np.concatenate([rise, np.ones(24), rise[::-1]])
    for start, row in zip(low[inner], soft[inner], strict=True):
        padded = np.pad(window, (start - 4, 28 - start))
        np.testing.assert_allclose(row, padded, atol=1e-15)


def test_isotropic_waves_are_clusters_of_everything():
    exact = near_field.isotropic(PLANE)
    rng = np.random.default_rng(4)
    u = rng.standard_normal((3, 40_000))
    u = u[:2] / np.linalg.norm(u, axis=0)
    waves = np.exp(2j * np.pi / WAVELENGTH * PLANE.positions @ u)
    measured = (waves @ waves.conj().T).real / 40_000
    assert np.max(np.abs(measured - exact)) < 5 / np.sqrt(2 * 40_000)
    h = near_field.fading(rng, 20_000, exact)[..., 0]
    error = np.abs(h.T @ h.conj() / 20_000 - exact)
    assert np.max(error) < 5 / np.sqrt(20_000)


@pytest.mark.parametrize(
    "m",
    [
        combiners.signs(np.random.default_rng(0), 2, 6, 12),
        combiners.phase_shifters(np.random.default_rng(0), 2, 6, 12, 2),
        combiners.subarrays(np.random.default_rng(0), 2, 6, np.arange(12) // 4),
        combiners.everything(2, 12),
    ],
)
def test_combiners_keep_the_noise(m):
    np.testing.assert_allclose(np.linalg.norm(m, axis=-1), 1, rtol=1e-6)
    assert np.all(np.any(m != 0, axis=1))


def test_bad_arrays_and_combiners_are_refused():
    with pytest.raises(ValueError, match="both in metres"):
        Aperture(np.arange(8.0)[:, None], WAVELENGTH)
    with pytest.raises(ValueError, match="one measurement a subarray"):
        combiners.subarrays(np.random.default_rng(0), 1, 2, np.arange(12) // 4)
    with pytest.raises(ValueError, match="at least 1 bit"):
        combiners.phase_shifters(np.random.default_rng(0), 1, 2, 4, 0)


def test_subarrays_keep_their_gap():
    array, groups = near_field.array_of_subarrays((2, 2), (3, 3), WAVELENGTH, 0.5, 5)
    x = array.positions[:, 0] / WAVELENGTH
    assert np.min(x[groups == 2]) - np.max(x[groups == 0]) == pytest.approx(5)
    assert near_field.absorption(10.0, 0.2) == pytest.approx(np.exp(-1))
