import numpy as np

from link_sim.receivers.estimation.field_network import turned_back, turned_to_grid


def test_a_path_on_the_grid_is_one_place_and_the_way_back_is_exact():
    n, k = np.arange(16), np.arange(64) - 32
    h = np.exp(2j * np.pi * (3 / 16 * (n - 8)[:, None] - 5 / 64 * k))[None]
    x = turned_to_grid(h)
    assert x.dtype == np.float32 and x.shape == (1, 16, 64, 2)
    expected = np.zeros((16, 64, 2))
    expected[3, 5, 0] = 32  # of norm sqrt(16 64)
    np.testing.assert_allclose(x[0], expected, atol=1e-4)
    np.testing.assert_allclose(turned_back(x), h, atol=1e-5)
