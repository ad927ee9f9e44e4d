"""Comparisons from Python: what `link-sim run` does, and what it left."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from link_sim.engine import montecarlo, results
from link_sim.engine.batches import run_batch
from link_sim.engine.executors import open_executor, run_alone
from link_sim.engine.pins import pinned
from link_sim.metrics.intervals import Estimate
from link_sim.metrics.pairs import paired_difference
from link_sim.receivers.catalog import check_receivers
from link_sim.scenarios.base import Scenario

if TYPE_CHECKING:
    import pandas as pd


class Comparison:
    """Receivers as they were compared: a scenario, and the counts of its batches."""

    def __init__(self, scenario: Scenario, lines: list[montecarlo.Line]):
        self.scenario, self.lines = scenario, lines

    @cached_property
    def tallies(self) -> dict[float, montecarlo.Tally]:
        """What the batches add up to at each point."""
        points, stop = self.scenario.sweep.points, self.scenario.stop
        return montecarlo.tally(points, stop, self.lines)

    def rows(self) -> list[dict]:
        """One row for each point, receiver and metric; see `results.rows`."""
        return results.rows(self.scenario, self.tallies)

    def frame(self) -> pd.DataFrame:
        """The rows as a tidy table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def difference(
        self, receiver: str, reference: str, metric: str
    ) -> dict[float, Estimate]:
        """Receiver minus reference at each point, on the same batches."""
        return paired_difference(self.lines, receiver, reference, metric)


def compare(scenario: Scenario, executor: str = "in-process") -> Comparison:
    """Simulates all points of a scenario: the batches of `link-sim run`.

    executor : `in-process`, `processes:N` or `dask://host:port`
    Receivers that a script adds to the tables of `receivers.catalog` are known here.
    Raises `ScenarioError` if the scenario cannot be run.

    Example:
        >>> compared = compare(load_scenario("smoke", ["sweep.points=[2, 6]"]))
        >>> compared.frame()
    """
    check_receivers(scenario.kind, scenario.receivers)
    scenario = pinned(scenario)
    scenario.check_files()
    run = partial(run_alone, partial(run_batch, scenario.to_toml()))
    tallies = montecarlo.tally(scenario.sweep.points, scenario.stop)
    with open_executor(executor) as (place, workers):
        lines = list(montecarlo.sweep(run, tallies, place, workers))
    return Comparison(scenario, lines)


def read_results(folder: str | Path) -> Comparison:
    """What is in a results folder; `ResultsError` if it is none."""
    return Comparison(*results.load_results(Path(folder)))
