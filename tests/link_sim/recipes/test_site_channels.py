"""What `csi-site` learns from."""

import numpy as np

from link_sim.recipes.site_channels import moved, site_batch
from link_sim.scenarios.radio import SPEED_OF_LIGHT
from link_sim.scenarios.sites import Paths


def test_a_batch_is_of_fields_of_power_one_in_the_noise_that_it_states():
    (x, sigma, told), target, _ = site_batch(3, 1, 64)
    assert x.shape == (64, 16, 64, 2) and target.shape == (64, 16, 64, 3)
    noise = (x - target[..., :2]) / sigma
    # a mean of 64 x 2048 squares of variance 2
    assert abs(np.mean(noise**2) - 1) < 4 * (2 / noise.size) ** 0.5
    power = np.sum(target[..., :2] ** 2, axis=-1).mean(axis=(1, 2))
    assert abs(power.mean() - 1) < 4 * power.std() / 8
    known = told[:, 2] == 1
    assert 0 < known.sum() < 64 and not told[~known, :2].any()
    assert set(np.unique(told[:, 3])) == {-1, 0, 1}
    again = site_batch(3, 1, 64)[0][0]
    np.testing.assert_array_equal(x, again)


def test_paths_of_a_user_who_moved_change_by_the_way_and_begin_where_they_did():
    angles = np.zeros((1, 2, 4))
    angles[..., 2] = np.pi / 2  # along the ground, towards +x and -x
    angles[..., 3] = 0, np.pi
    paths = Paths(np.ones((1, 2), complex), np.array([[0.0, 1e-7]]), angles)
    found = moved(
        np.random.default_rng(0), paths, np.array([[2.0, 1.0]]), np.ones((1, 1))
    )
    later = 4 / SPEED_OF_LIGHT
    np.testing.assert_allclose(found.delay, [[0, 1e-7 + later]], rtol=1e-9)
    assert np.abs(found.angles - angles)[..., 1].max() > 0
