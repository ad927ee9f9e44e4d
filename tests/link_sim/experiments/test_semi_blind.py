"""Short blocks: scenarios, counts and refusals."""

import numpy as np
import pytest

from link_sim.engine.batches import run_batch
from link_sim.experiments.semi_blind import SemiBlindBlocks
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario

pytestmark = pytest.mark.usefixtures("eager")

SMALL = (
    "block={receive=4, transmit=2, uses=8, pilots=2}",
    "batch_size=6",
    "receivers=['perfect-csi', 'spectrum-2']",
    "sweep.points=[0, 30]",
)


def test_a_batch_is_the_same_again_and_counts_its_blocks():
    toml = load_scenario("semi-blind", SMALL).to_toml()
    a, b = (run_batch(toml, 0.0, 0)["counts"] for _ in range(2))
    assert a == b
    for found in a.values():
        assert (found["blocks"], found["bits"]) == (6, 36)
    assert "normalised_error" in a["spectrum-2"]


def test_parts_of_a_batch_are_received_as_the_whole():
    scenario = load_scenario("semi-blind", SMALL)
    experiment = SemiBlindBlocks(scenario)
    world = experiment.draw(scenario.at(0.0), 0)
    whole = experiment.receive(world)["spectrum-2"][0]
    parts = [
        world._replace(
            **{
                name: getattr(world, name)[rows]
                for name in world._fields
                if name != "no"
            }
        )
        for rows in (slice(0, 2), slice(2, None))
    ]
    parts = [experiment.receive(part)["spectrum-2"][0] for part in parts]
    agree = (np.concatenate(parts) > 0) == (whole.numpy() > 0)
    assert np.all(agree)


def test_without_noise_no_block_is_lost():
    toml = load_scenario("semi-blind", SMALL).to_toml()
    for found in run_batch(toml, 30.0, 0)["counts"].values():
        assert found["block_errors"] == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["block.pilots=0"], "nothing tells the phase"),
        (["block.pilots=5"], "at most one per transmit antenna"),
        (["block.uses=3", "block.pilots=1"], "fewer observations than 4"),
        (["block.transmit=1", "block.pilots=1", "block.uses=7"], "no bit beside"),
        (["block.paths=[8, 3]"], "smaller number first"),
        (["receivers=['score']"], "there is no 'score'"),
        (["receivers=['spectrum-0']"], "a number of starts from 1"),
    ],
)
def test_what_cannot_be_told_is_refused_in_a_sentence(settings, words):
    with pytest.raises(ScenarioError, match=words) as error:
        SemiBlindBlocks(load_scenario("semi-blind", settings))
    assert "\n" not in str(error.value)
