"""A comparison from Python: the batches of a scenario in this process, as rows."""

import importlib
from functools import partial

from link_sim.engine import montecarlo, results
from link_sim.engine.executors import InProcessExecutor
from link_sim.scenarios.base import Experiment


def compare(scenario: Experiment) -> list[dict]:
    """Simulates all points of a scenario; the rows of `link_sim.engine.results.rows`.

    What `link-sim run` does, without a folder: the same batches, so the same numbers.
    Receivers that a script adds to the tables of `receivers.catalog` are known here.
    Raises `ScenarioError` if the scenario cannot be run.

    Example:
        >>> rows = compare(load_scenario("smoke", ["sweep.points=[2, 6]"]))
        >>> pandas.DataFrame(rows)
    """
    experiment = importlib.import_module(scenario.runs_in)
    run_batch = partial(experiment.run_batch, scenario.to_toml())
    tallies = montecarlo.tally(scenario.sweep.points, scenario.stop)
    for _ in montecarlo.sweep(run_batch, tallies, InProcessExecutor(), 0):
        pass
    return results.rows(scenario, tallies)
