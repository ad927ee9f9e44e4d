import numpy as np
import pytest

from link_sim.recipes.noise_levels import log_uniform, uniform_db


def test_levels_are_uniform_in_log_between_their_ends():
    u = np.linspace(0, 1, 5)
    expected = [0.01, 0.01 * 200**0.25, 0.01 * 200**0.5, 0.01 * 200**0.75, 2.0]
    assert log_uniform(u, 0.01, 2.0) == pytest.approx(expected)


def test_noise_has_an_snr_in_each_stratum():
    no = uniform_db(np.random.default_rng(0), 8, -12.0, 28.0)
    snr_db = np.sort(-10 * np.log10(no))
    assert np.array_equal((snr_db + 12) // 5, np.arange(8))
