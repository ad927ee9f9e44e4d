"""Prediction over slots: channels that move, seeds and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import LiveExperiment, run_batch
from link_sim.experiments.prediction import PredictionOfChannels
from link_sim.metrics.rates import estimate
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario

SMALL = "batch_size=30", "site.antennas=8", "site.subcarriers=32", "sweep.points=[0, 5]"
UMI = "prediction.ensemble=umi"


def small(*settings):
    return load_scenario("prediction", [*SMALL, *settings])


def test_points_share_their_worlds_and_receivers_stand_in_order():
    names = ["genie", "nomp", "lmmse", "kalman"]
    scenario = small(f"receivers={names}")
    live = LiveExperiment(scenario)
    now, then = (live.experiment.draw(scenario.at(p), 0) for p in (0, 5))
    np.testing.assert_array_equal(now.y, then.y)
    # the wanted channel is that of the last slot with noise of a tenth, or far from it
    error = np.mean(np.abs(now.y[:, -1] - now.h) ** 2)
    assert error == pytest.approx(0.1, abs=4 * 0.1 / now.h.size**0.5)
    assert np.mean(np.abs(now.y[:, -1] - then.h) ** 2) > 0.5
    counts = run_batch(scenario.to_toml(), 5.0, 0)["counts"]
    assert counts == live.count(scenario.at(5), 0)
    found = [estimate(counts[name], "nmse").value for name in names]
    assert found == sorted(found)


@pytest.mark.slow
def test_drops_of_umi_fade_as_their_speed_says():
    scenario = small(UMI, 'receivers=["hold"]', "prediction.speed=30", "batch_size=200")
    experiment = PredictionOfChannels(scenario)
    world = experiment.draw(scenario.at(5), 0)
    assert world.h.shape == (200, 8, 32) and world.y.shape == (200, 8, 8, 32)
    assert world.paths is None
    assert world.doppler == pytest.approx(30 * 3.5e9 / 299792458 * 0.5e-3)
    power = np.mean(np.abs(world.y) ** 2)
    assert power == pytest.approx(1.1, abs=0.02)
    still = small(UMI, 'receivers=["hold"]', "prediction.speed=1e-3", "batch_size=20")
    world = experiment.draw(still.at(5), 0)
    assert np.mean(np.abs(world.y[:, -1] - world.h) ** 2) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    "settings, words",
    [
        ([UMI], "leave genie out"),
        ([UMI, 'receivers=["nomp"]', "site.diffuse=0.3"], "say nothing of umi"),
        (["sweep={axis='snr_db', points=[0]}"], "prediction.ahead is not set"),
        (["prediction.observed=1"], "prediction.observed = 1"),
        (["sweep.points=[-1]"], "prediction.ahead = -1"),
        (["site={antennas=256, subcarriers=1024}"], "not fit the memory: lower batch"),
    ],
)
def test_what_is_not_possible_gets_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words):
        load_scenario("prediction", settings)


def test_an_unknown_receiver_gets_one_sentence():
    with pytest.raises(ScenarioError, match="there is no 'ls'"):
        PredictionOfChannels(small('receivers=["ls"]'))
