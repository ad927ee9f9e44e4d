"""A U-Net that learns from received pilots, or from their channels."""

import numpy as np
import pytest

from link_sim.recipes import plain_planes as recipe


def test_pilots_are_received_once_and_channels_anew():
    (y, sigma, signs), target, _ = recipe.plain_batch(0, 1, 4, 8)
    assert y.shape == signs.shape == (4, 32, 32, 2) and not np.any(target)
    pilots = recipe.received(8, 1)
    inside = np.abs(y[..., 0] + 1j * y[..., 1])
    known = np.hypot(*np.moveaxis(pilots.y, -1, 0))
    gaps = np.abs(inside[:, None] - known).max(axis=(2, 3))
    assert np.all(gaps.min(axis=1) < 1e-5)  # turned phases alone
    (x, _), h, _ = recipe.plain_batch(0, 1, 40, 8, clean=1)
    noise = np.mean((x - h) ** 2) / sigma.mean() ** 2
    assert noise == pytest.approx(1, abs=4 * np.sqrt(2 / h.size))


@pytest.mark.slow
def test_least_squares_are_as_good_as_they_say():
    """What an untrained network begins with: quality knows channels, Stein does not."""
    found = recipe.quality(lambda y, sigma: y, channels=20)
    assert found["nmse_db"] == pytest.approx(-5, abs=0.2)
    assert found["nmse_db_of_oracle"] < -10
    assert found["error_over_stated"] == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("clean", [0, 1])
def test_training_looks_at_pilots_or_channels(clean, tmp_path):
    recipe.train_plain(tmp_path, snapshots=8, clean=clean, steps=2, size=2)
    assert (tmp_path / "csi-planes-plain.npz").is_file()
