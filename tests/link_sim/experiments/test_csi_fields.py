"""Channel estimation on a site: its channels, seeds and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import LiveExperiment, run_batch
from link_sim.experiments.csi_fields import CsiFields, World
from link_sim.metrics.rates import estimate
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario
from link_sim.scenarios.sites import load_site


def small(*settings):
    return load_scenario("site", ["batch_size=40", "sweep.points=[0, 20]", *settings])


def test_least_squares_has_the_error_of_the_noise_and_the_genie_states_its_own():
    toml = small('receivers=["ls", "genie"]').to_toml()
    first, again = (run_batch(toml, 20.0, 0)["counts"] for _ in range(2))
    assert first == again != run_batch(toml, 20.0, 1)["counts"]
    ls = first["ls"]
    # |error|^2 / no is a mean of 40 x 1024 exponentials
    assert ls["normalised_error"] / ls["frames"] == pytest.approx(1, abs=4 / 40960**0.5)
    calibration = estimate(first["genie"], "calibration")
    assert abs(calibration.value - 1) < 2 * (calibration.high - calibration.value)


def test_users_learned_from_are_not_those_tested_and_channels_have_power_one():
    scenario = small('receivers=["ls"]')
    world = World(scenario.cell, scenario.estimation.trained_on)
    site = load_site("munich")
    (h,) = world.learned()
    assert h.shape == ((~site.test).sum(), 16, 64)
    power = np.mean(np.abs(h) ** 2, axis=(1, 2))
    assert abs(power.mean() - 1) < 4 * power.std() / len(h) ** 0.5
    delays = {tuple(row[row != 0]) for row in site.users(True).delay}
    drawn = world.users(np.random.default_rng(0), 50, test=True).delay
    assert all(tuple(row[row != 0]) in delays for row in drawn)


def test_sparse_pilots_and_more_antennas():
    scenario = small(
        "site.antennas=8", "site.subcarriers=32", "estimation.alpha=0.25",
        "site.diffuse=0.3", "batch_size=20",
        'receivers=["ls", "lmmse", "nomp", "genie"]',
    )  # fmt: skip
    live = LiveExperiment(scenario)
    world = live.experiment.draw(scenario.at(20.0), 0)
    assert world.y.shape == (20, 8, 8) and list(world.pilots[0]) == [*range(0, 32, 4)]
    found = {
        n: estimate(c, "nmse").value
        for n, c in live.count(scenario.at(20.0), 0).items()
    }
    assert found["genie"] < found["nomp"] < found["ls"] < 0
    assert found["genie"] < found["lmmse"] < found["ls"]


@pytest.mark.slow
def test_a_site_takes_the_same_numbers_of_subcarriers_with_umi():
    own = 'receivers=["ls"]', "estimation.ensemble=umi", "site.subcarriers=4"
    at = small(*own)
    world = World(at.cell, at.estimation.trained_on)
    assert world.drops(1, 2).shape == (2, 16, 4)


@pytest.mark.parametrize(
    "settings, words",
    [
        (['receivers=["sparse"]'], "'sparse' is not for estimation.ensemble = 'site'"),
        (['receivers=["genie"]', "estimation.ensemble=umi"], "leave genie out"),
        (['receivers=["neural"]', "estimation.alpha=0.5"], "pilots on all subcarriers"),
        (['receivers=["neural"]', "site.antennas=8"], "leave site.antennas"),
        (
            ['receivers=["neural-located"]', "estimation.ensemble=umi"],
            "knows places of the site munich alone",
        ),
        (['receivers=["mixture-900"]'], "ask for fewer"),
        (['receivers=["lmmse-few-900"]'], "learns from 900 users, and there are 630"),
    ],
)
def test_what_is_not_possible_gets_one_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words):
        CsiFields(small(*settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    "ensemble, diffuse, ahead",
    [("site", 0.0, 3.5), ("site", 0.3, 2.5), ("umi", 0.0, 1.5)],
)
def test_paths_and_spectra_together_are_best_of_both(ensemble, diffuse, ahead):
    """With 100 channels a point."""
    names = ["lmmse", "nomp", "score", "score-paths"]
    kind = [f"estimation.ensemble={ensemble}", f"site.diffuse={diffuse}"]
    scenario = load_scenario("site", [*kind, f"receivers={names}"])
    live = LiveExperiment(scenario)
    for snr in (0.0, 10.0, 20.0):
        counts = live.count(scenario.at(snr), 0)
        found = {name: estimate(counts[name], "nmse").value for name in names}
        assert found["score-paths"] < min(found["nomp"], found["score"]) + 0.5
        assert found["score"] < found["lmmse"] - ahead
        assert 0.5 < estimate(counts["score-paths"], "calibration").value < 2


@pytest.mark.slow
def test_sixteen_users_and_umi_are_almost_worth_all_users():
    """Of the receiver's own draw, with 200 channels; more draws: docs/few_users.py."""
    names = ["lmmse", "lmmse-few"]
    scenario = small("batch_size=200", f"receivers={names}")
    counts = LiveExperiment(scenario).count(scenario.at(20.0), 0)
    found = [estimate(counts[name], "nmse").value for name in names]
    assert found[1] < found[0] + 1


@pytest.mark.slow
def test_a_network_of_the_site_is_better_than_its_covariance_and_states_its_error():
    """With 100 channels a point, three decibels below its lead over 200."""
    names = ["lmmse", "neural", "neural-located"]
    scenario = load_scenario("site", [f"receivers={names}"])
    live = LiveExperiment(scenario)
    for snr in (0.0, 10.0, 20.0):
        counts = live.count(scenario.at(snr), 0)
        found = {name: estimate(counts[name], "nmse").value for name in names}
        assert max(found["neural"], found["neural-located"]) < found["lmmse"] - 1
        assert 0.5 < estimate(counts["neural"], "calibration").value < 2
