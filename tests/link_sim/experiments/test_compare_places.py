"""`compare` with the link itself: in worker processes, and with `Receiver` objects."""

import pytest

from link_sim import Link, ScenarioError, compare, load_scenario
from link_sim.receivers import LSChannelEstimator, Receiver


@pytest.mark.slow
def test_worker_processes_and_objects_compare_the_same():
    scenario = load_scenario("smoke", sweep=[2], stop={"max_batches": 1}, batch_size=4)
    sender = Link(scenario, ["perfect-csi"]).transmitter
    estimator = LSChannelEstimator(sender.resource_grid)
    mine = Receiver(sender, estimator, name="mine")
    with pytest.raises(ScenarioError, match="belongs to one link .* leave executor"):
        compare(scenario, ["ls", mine], executor="processes:1")
    alone = compare(scenario, ["ls", mine], progress=False).rows()
    spread = compare(scenario, ["ls"], executor="processes:1", progress=False).rows()
    of_ls = [row for row in alone if row["receiver"] == "ls"]
    of_mine = [row | {"receiver": "ls"} for row in alone if row["receiver"] == "mine"]
    assert spread == of_ls == of_mine
