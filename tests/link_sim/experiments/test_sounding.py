"""The kind `sounding`: one linear picture from scenario to counts."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario, parse_scenario

pytestmark = pytest.mark.usefixtures("eager")

SMALL = "array.antennas=[32]", "batch_size=4", "stop.max_batches=1"
GAUSSIAN = "array.antennas=[6, 6]", "batch_size=20", "prior.snapshots=8"


def counts(scenario):
    return run_batch(scenario.to_toml(), scenario.sweep.points[0], 0)["counts"]


def test_receivers_of_paths_are_counted():
    names = "crb", "crb-delays", "genie", "ls", "lmmse", "off-grid"
    scenario = load_scenario(
        "near-field", (*SMALL, f"receivers={list(names)}", "waves.paths=1",
                       "combiner.chains=4"),
    )  # fmt: skip
    found = counts(scenario)
    assert set(found) == set(names)
    assert all(c["frames"] == 4 and np.isfinite(c["nmse"]) for c in found.values())
    assert found["crb"]["nmse"] < found["ls"]["nmse"]


def test_learned_spectrum_lies_between_oracle_and_least_squares():
    names = "receivers=['genie', 'spectrum', 'score', 'ls']"
    scenario = load_scenario("um-mimo-learning", (*GAUSSIAN, "sweep.points=[8]", names))
    found = counts(scenario)
    for learned in ("spectrum", "score"):
        order = [found[n]["nmse"] for n in ("genie", learned, "ls")]
        assert order == sorted(order)


def test_a_prior_follows_clusters_that_moved():
    scenario = load_scenario(
        "um-mimo-change", (*GAUSSIAN[:2], "receivers=['spectrum']")
    )
    found = [
        run_batch(scenario.to_toml(), since, 0)["counts"] for since in (0.0, 2.0, 8.0)
    ]
    errors = [c["spectrum"]["nmse"] for c in found]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]


def test_a_batch_is_the_same_alone():
    scenario = load_scenario("um-mimo", (*GAUSSIAN, "combiner.chains=12"))
    text = scenario.to_toml()
    assert parse_scenario(text) == scenario
    assert run_batch(text, 5.0, 3)["counts"] == run_batch(text, 5.0, 3)["counts"]


@pytest.mark.parametrize(
    "name, override, sentence",
    [
        ("near-field", "combiner.chains=100", "more than 256 antennas"),
        ("near-field", "array.antennas=[1]", "at least 2 along each axis"),
        ("near-field", "waves.ranges=[30.0, 5.0]", "put the smaller first"),
        ("near-field", "waves.scattering='isotropic'", "waves.subcarriers=1"),
        ("near-field", "stop.block_errors=3", "no receiver here has any"),
        ("um-mimo-change", "prior.since=17", "more than snapshots = 16"),
        ("um-mimo-change", "waves.scattering='isotropic'", "clusters that move"),
    ],
)
def test_bad_scenarios_are_refused(name, override, sentence):
    with pytest.raises(ScenarioError, match=sentence):
        load_scenario(name, (override,))


@pytest.mark.parametrize(
    "name, receiver, sentence",
    [
        ("um-mimo", "p-sigw", "no paths to find"),
        ("um-mimo", "crb-delays", "at least two subcarriers"),
        ("near-field", "spectrum", "a plane of antennas"),
    ],
)
def test_receivers_that_do_not_fit_are_refused(name, receiver, sentence):
    scenario = load_scenario(name, (*GAUSSIAN[1:], f"receivers=['{receiver}']"))
    with pytest.raises(ScenarioError, match=sentence):
        counts(scenario)
