"""Estimators of sparse near fields against bounds, brute force and derivatives."""

import numpy as np
import pytest

from link_sim.receivers.estimation import near_field as off
from link_sim.receivers.estimation import near_field_baselines as baselines
from link_sim.receivers.estimation import off_grid, path_bounds, path_models
from link_sim.receivers.estimation.linear_soundings import (
    least_squares,
    lmmse,
    sample_covariance,
    stated_error,
)
from link_sim.receivers.estimation.spherical_waves import path_of
from link_sim.receivers.estimation.squint import WithSquint
from link_sim.receivers.estimation.visibility import Windowed, off_grid_visible
from link_sim.world import combiners, near_field

ARRAY = near_field.line(64, 3e-3)
FREQUENCIES = np.array([-1.5, -0.5, 0.5, 1.5]) * 25e6
STRETCH = 1 + np.array([-0.15, -0.05, 0.05, 0.15])
"""Of frequencies so far apart that squint is most of a channel."""
SIZE, NO, NEAREST = 30, 0.03, 0.5


def observe(paths=2, measurements=40, windows=None, seed=0):
    rng = np.random.default_rng(seed)
    places = near_field.draw_sources(rng, SIZE, paths, 1, (1, 8))
    if windows:
        windows = near_field.boxes(rng, places.shape[:2], ARRAY, windows)
    field = near_field.field(rng, ARRAY, places, FREQUENCIES, windows)
    m = combiners.signs(rng, 1, measurements, 64)[0].astype(complex)
    y = m @ field.h
    n = rng.standard_normal((2, *y.shape)) * np.sqrt(NO / 2)
    turns = np.exp(-2j * np.pi * field.delays[..., None] * FREQUENCIES)
    return field, field.gains[..., None] * turns, y + n[0] + 1j * n[1], m


def error(h, h_hat):
    return np.mean(np.abs(h_hat - h) ** 2, axis=(1, 2))


@pytest.mark.parametrize("delays", [False, True])
def test_bound_has_the_error_it_states(delays):
    field, gains, y, m = observe()
    seen = field.h, field.paths, gains, FREQUENCIES if delays else None
    h_hat, err_var = path_bounds.efficient(ARRAY, y, m, NO, *seen)
    ratio = np.mean(error(field.h, h_hat) / err_var[:, 0, 0])
    numbers = 2 * (5 if delays else 10)  # real ones; chi-square over each channel
    assert ratio == pytest.approx(1, abs=4 * np.sqrt(2 / numbers / SIZE))


@pytest.mark.parametrize("delays", [False, True])
def test_bounds_know_the_phases_of_each_carrier(delays):
    """Without noise, of channels a small step away, the linear step is all of it."""
    f = np.array([-6e9, -2e9, 2e9, 6e9])
    stretch = 1 + f * ARRAY.wavelength / near_field.LIGHT
    field, moved = (
        near_field.field(
            np.random.default_rng(7), ARRAY, path_of([[[s], [-0.3]]], [[3.0, 5.0]]),
            f, squint=True,
        )
        for s in (0.5, 0.5 + 1e-6)
    )  # fmt: skip
    m = combiners.signs(np.random.default_rng(8), 1, 32, 64)[0].astype(complex)
    gains = field.gains[..., None] * np.exp(-2j * np.pi * field.delays[..., None] * f)
    h_hat = path_bounds.efficient(
        ARRAY, m @ moved.h, m, NO, field.h, field.paths, gains, f if delays else None,
        stretch=stretch,
    )[0]  # fmt: skip
    step = np.max(np.abs(moved.h - field.h))
    assert np.max(np.abs(h_hat - moved.h)) < 1e-3 * step
    h_hat, err_var = path_bounds.known_geometry(
        ARRAY, m @ field.h, m, 1e-9, field.paths, stretch=stretch
    )
    np.testing.assert_allclose(h_hat, field.h, atol=1e-6)
    assert np.all(err_var < 1e-9)


@pytest.mark.parametrize("delays", [False, True])
def test_off_grid_reaches_the_bound(delays):
    field, gains, y, m = observe()
    frequencies = FREQUENCIES if delays else None
    h_hat, err_var = off.off_grid(ARRAY, y, m, NO, NEAREST, frequencies)
    bound = path_bounds.efficient(
        ARRAY, y, m, NO, field.h, field.paths, gains, frequencies
    )[0]
    found, least = error(field.h, h_hat), error(field.h, bound)
    # one path of a channel in thirty may be too weak to be found
    assert np.median(found) < 1.2 * np.median(least)
    assert np.median(found / err_var[:, 0, 0]) == pytest.approx(1, abs=0.4)


@pytest.mark.slow
def test_paths_of_a_wide_band_are_found_with_its_squint():
    f = (STRETCH - 1) * near_field.LIGHT / ARRAY.wavelength
    rng = np.random.default_rng(9)
    places = near_field.draw_sources(rng, SIZE, 1, 1, (1, 8))
    h = near_field.field(rng, ARRAY, places, f, squint=True).h
    m = combiners.signs(rng, 1, 40, 64)[0].astype(complex)
    n = rng.standard_normal((2, SIZE, 40, 4)) * np.sqrt(NO / 2)
    known = ARRAY, m @ h + n[0] + 1j * n[1], m, NO, NEAREST, f
    blind, aware = (
        np.median(error(h, off.off_grid(*known, x)[0])) for x in (1.0, STRETCH)
    )
    # five real numbers of the path, chi-square over each channel
    expected = 5 * NO / 2 / 40 / 4
    assert aware < 3 * expected
    assert blind > 10 * aware
    same = [off.off_grid(*known, x)[0] for x in (1.0, np.ones(4))]
    np.testing.assert_allclose(*same, atol=1e-5)


def test_a_misfit_is_told_from_noise():
    """Waves that a part of the array sees, found as if all of it did."""
    field, _, y, m = observe(2, 48, (0.4, 0.6), seed=2)
    h_hat, err_var = off.off_grid(ARRAY, y, m, NO, NEAREST)
    assert 0.6 < np.mean(error(field.h, h_hat) / err_var[:, 0, 0]) < 1.5
    for misfit, chance in ((None, off.MISFIT), ((0.4, 0.6), 0.9)):
        _, _, y, m = observe(2, 48, misfit, seed=4)
        model = path_models.FreeGains(ARRAY, m, NEAREST)
        paths = off_grid.find_paths(model, y, NO)
        gains = off_grid.explained(y, NO, paths)[1] @ (np.conj(paths.atoms) @ y)
        doubted = np.mean(off.unexplained(model, y, NO, paths, gains) > 0)
        assert abs(doubted - chance) <= 3 * np.sqrt(chance * (1 - chance) / SIZE)


@pytest.mark.slow
def test_estimators_fall_in_order():
    field, _, y, m = observe(seed=1)
    estimates = {
        "grid": baselines.polar_somp(ARRAY, y, m, NO, 2, NEAREST),
        "moved": baselines.polar_sigw(ARRAY, y, m, NO, 2, NEAREST),
        "sbl": baselines.on_grid(ARRAY, y, m, NO, NEAREST),
        "off": off.off_grid(ARRAY, y, m, NO, NEAREST),
        "genie": path_bounds.known_geometry(ARRAY, y, m, NO, field.paths),
    }
    errors = {k: np.median(error(field.h, h)) for k, (h, _) in estimates.items()}
    assert errors["genie"] < errors["off"] < errors["moved"] < errors["grid"]
    assert errors["off"] < errors["sbl"]


@pytest.mark.slow
def test_windows_are_found_and_left_out():
    field, _, y, m = observe(2, 48, (0.4, 0.6), seed=2)
    plain = error(field.h, off.off_grid(ARRAY, y, m, NO, NEAREST)[0])
    seen = error(field.h, off_grid_visible(ARRAY, y, m, NO, NEAREST)[0])
    assert np.mean(seen) < 0.5 * np.mean(plain)
    field, _, y, m = observe(seed=3)
    plain = off.off_grid(ARRAY, y, m, NO, NEAREST)[0]
    seen = off_grid_visible(ARRAY, y, m, NO, NEAREST)[0]
    same = np.all(plain == seen, axis=(1, 2))
    assert np.mean(same) > 0.6  # an array of this size shows little of a window


def test_soft_windows_are_those_of_the_world_and_are_found():
    rng = np.random.default_rng(10)
    places = near_field.draw_sources(rng, SIZE, 1, 1, (1, 8))
    low, high, width = 16, 48, 8
    model = Windowed(ARRAY, np.eye(64)[:48], NEAREST)
    hard = np.tile([low, high, 0], (SIZE, 1))
    soft = np.tile([low, high, width / 64], (SIZE, 1))
    n = np.arange(64) + 0.5
    inside = np.clip(np.minimum(n - low, high - n) / width + 0.5, 0, 1)
    window = (1 - np.cos(np.pi * inside)) / 2
    h = ARRAY.waves(places[:, 0]) * window
    path = np.concatenate([places[:, 0], soft], axis=1)
    np.testing.assert_allclose(model.seen(path), h, atol=1e-12)
    start = np.concatenate([places[:, 0], hard], axis=1)

    def judge(path):  # energy that a path explains, over its own
        v = model.seen(path)
        return 100 * np.abs(np.sum(v.conj() * h, 1)) ** 2 / np.sum(np.abs(v) ** 2, 1)

    found = model.reshaped(start, judge)
    np.testing.assert_allclose(found, path)


@pytest.mark.parametrize("antennas, measurements", [(32, 2), (16, 1), (4, 2), (2, 1)])
@pytest.mark.filterwarnings("error")
def test_atoms_that_a_combiner_cancels_are_no_paths(antennas, measurements):
    """Few signs over few antennas add up to nothing, and a small array has no parts."""
    array = near_field.line(antennas, 3e-3)
    rng = np.random.default_rng(0)
    m = combiners.signs(rng, 1, measurements, antennas)[0]
    h = array.waves(near_field.draw_sources(rng, 5, 1, 1, (1, 8)))[:, 0, :, None]
    y = m @ h + 0.1 * rng.standard_normal((5, measurements, 1))
    h_hat, err_var = off_grid_visible(array, y, m, NO, NEAREST)
    assert np.all(np.isfinite(h_hat)) and np.all(err_var > 0)
    assert Windowed(array, m, NEAREST).least.min() > 0


@pytest.mark.parametrize("kind", ["free", "delays", "squint", "windowed"])
def test_gradient_is_that_of_the_ratio(kind):
    _, _, y, m = observe()
    model = {
        "free": lambda: path_models.FreeGains(ARRAY, m, NEAREST),
        "delays": lambda: path_models.WithDelays(ARRAY, m, NEAREST, FREQUENCIES),
        "squint": lambda: WithSquint(ARRAY, m, NEAREST, FREQUENCIES, STRETCH),
        "windowed": lambda: Windowed(ARRAY, m, NEAREST),
    }[kind]()
    z = model.columns(y)
    paths = off_grid.find_paths(model, z, NO, most=1)
    rest, weights = off_grid.explained(z, NO, paths)
    path = model.search(rest, weights, paths.atoms, NO)
    path = model.moved(path, np.full((SIZE, len(model.cells)), 0.1))
    known = rest, weights, paths.atoms, NO
    here = off_grid.slope(model, path, *known)
    most = (1 - path[:, 0] ** 2) / (2 * NEAREST)
    inside = (path[:, 1] > 0.01) & (path[:, 1] < 0.99 * most)
    for i in range(len(model.cells)):
        step = 1e-4 * np.eye(len(model.cells))[i] * np.ones((SIZE, 1))
        up, down = (
            off_grid.slope(model, model.moved(path, d), *known).f for d in (step, -step)
        )
        difference = (np.log(up) - np.log(down)) / 2e-4
        np.testing.assert_allclose(
            here.gradient[inside, i], difference[inside], rtol=1e-3, atol=1e-3
        )


def test_lmmse_is_bayes_rule_and_states_its_error():
    rng = np.random.default_rng(5)
    array = near_field.plane(4, 4, 3e-3, 0.25)
    c = near_field.isotropic(array).astype(complex)
    m = combiners.signs(rng, 1, 8, 16)[0].astype(complex)
    h = near_field.fading(rng, 4000, c)
    y = m @ h + np.sqrt(0.05) * (
        rng.standard_normal((4000, 8, 1)) + 1j * rng.standard_normal((4000, 8, 1))
    )
    h_hat, err_var = lmmse(y, m, 0.1, c)
    inner = m @ c @ m.conj().T + 0.1 * np.eye(8)
    np.testing.assert_allclose(
        h_hat[0], c @ m.conj().T @ np.linalg.inv(inner) @ y[0], atol=1e-9
    )
    each = lmmse(y[:3], np.stack([m] * 3), 0.1, c)[0]
    np.testing.assert_allclose(each, h_hat[:3], atol=1e-9)
    assert stated_error(m, 0.1, c, c) == pytest.approx(err_var[0, 0, 0])
    measured = np.mean(error(h, h_hat))
    assert measured == pytest.approx(err_var[0, 0, 0], rel=4 / np.sqrt(4000))
    full = np.eye(16, dtype=complex)
    y = h + np.sqrt(0.05) * (
        rng.standard_normal(h.shape) + 1j * rng.standard_normal(h.shape)
    )
    learned = sample_covariance(y, full, 0.1)
    assert np.max(np.abs(learned - c)) < 6 / np.sqrt(4000)


def test_bad_input_is_refused():
    y, m = np.ones((1, 4, 1), complex), np.ones((4, 64), complex)
    with pytest.raises(ValueError, match="cannot tell 6 paths apart"):
        baselines.swomp(ARRAY, y, m, NO, 3)
    with pytest.raises(ValueError, match="leaves antenna 3 unseen"):
        least_squares(y, m * (np.arange(64) != 3), NO)
    with pytest.raises(ValueError, match="state the noise variance"):
        off.off_grid(ARRAY, y, m, None, NEAREST)
    with pytest.raises(ValueError, match="at least two frequencies"):
        off.off_grid(ARRAY, y, m, NO, NEAREST, (0.0,))
