"""Means of sparse estimates: chances of the draws, and errors beside one set's."""

import numpy as np
import pytest

from link_sim.receivers.estimation import near_field as off
from link_sim.receivers.estimation.path_averages import Drawn, off_grid_averaged
from link_sim.world import combiners, near_field

ARRAY = near_field.line(64, 3e-3)
SIZE, NEAREST = 100, 0.5


def observe(measurements: int, no: float):
    """Three paths, four snapshots."""
    rng = np.random.default_rng(0)
    places = near_field.draw_sources(rng, SIZE, 3, 1, (1, 8))
    h = near_field.field(rng, ARRAY, places, np.arange(4) * 25e6).h
    m = combiners.signs(rng, 1, measurements, 64)[0].astype(complex)
    n = rng.standard_normal((2, SIZE, measurements, 4)) * np.sqrt(no / 2)
    return h, m @ h + n[0] + 1j * n[1], m


def test_cells_are_drawn_with_the_chances_of_the_evidence():
    model = Drawn(ARRAY, np.eye(64), NEAREST, np.random.default_rng(0))
    times, f, columns = 4000, np.array([0.5, 1.5, 2.0]), 4
    drawn = model.chosen(np.tile(f, (times, 1)), columns)
    more = np.maximum(f, 1)  # f^T exp(-T (f - 1)) is the ratio of likelihoods
    chance = np.exp(columns * (more - 1)) / more**columns
    chance /= np.sum(chance)
    share = np.bincount(drawn, minlength=3) / times
    assert np.all(abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / times))


@pytest.mark.slow
def test_a_mean_errs_less_where_measurements_are_few_and_noisy():
    h, y, m = observe(16, 1.0)
    one, _ = off.off_grid(ARRAY, y, m, 1.0, NEAREST)
    mean, err_var = off_grid_averaged(ARRAY, y, m, 1.0, NEAREST)
    before, after = (np.mean(np.abs(x - h) ** 2, axis=(1, 2)) for x in (one, mean))
    gained = before - after
    assert np.mean(gained) > 2 * np.std(gained) / np.sqrt(SIZE)
    assert np.mean(after) / np.mean(err_var) == pytest.approx(1, abs=0.3)


def test_a_mean_is_the_one_set_where_noise_is_weak():
    h, y, m = observe(32, 1e-3)
    mean, err_var = off_grid_averaged(ARRAY, y, m, 1e-3, NEAREST)
    one, _ = off.off_grid(ARRAY, y, m, 1e-3, NEAREST)
    before, after = (
        np.median(np.mean(np.abs(x - h) ** 2, (1, 2))) for x in (one, mean)
    )
    assert after == pytest.approx(before, rel=0.1)


def test_no_noise_level_is_refused():
    with pytest.raises(ValueError, match="state the noise variance"):
        off_grid_averaged(ARRAY, np.ones((1, 4, 1)), np.ones((4, 64)), None, NEAREST)
