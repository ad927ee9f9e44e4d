import numpy as np
import pytest

from link_sim.receivers.detection.constellation import TrainableConstellation
from link_sim.recipes.constellations import (
    bit_metric_rate,
    needed_esno,
    train_constellation,
    white_noise,
)

pytestmark = pytest.mark.usefixtures("eager")


def test_the_noise_has_its_moments():
    noise, weight = white_noise(6)
    assert weight.sum() == pytest.approx(1)
    assert weight @ np.abs(noise) ** 2 == pytest.approx(1)
    assert weight @ noise**2 == pytest.approx(0, abs=1e-12)


def test_qam_carries_half_its_bits_where_it_is_known_to():
    qam = TrainableConstellation(6)
    assert bit_metric_rate(qam, 9.44) == pytest.approx(3, abs=2e-3)
    assert bit_metric_rate(qam, 40.0) == pytest.approx(6, abs=1e-6)
    shannon = np.log2(1 + 10**0.944)
    assert bit_metric_rate(qam, 9.44) < shannon


@pytest.mark.slow
def test_the_shipped_points_need_half_a_decibel_less():
    needed = needed_esno("constellation-64")
    assert needed["esno_db_of_qam"] == pytest.approx(9.44, abs=0.01)
    assert needed["esno_db"] < needed["esno_db_of_qam"] - 0.5


@pytest.mark.slow
def test_a_short_training_is_better_than_qam(tmp_path):
    train_constellation(tmp_path, steps=60)
    needed = needed_esno(str(tmp_path / "constellation-64.npz"))
    assert needed["esno_db"] < needed["esno_db_of_qam"] - 0.2
