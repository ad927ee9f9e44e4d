"""What a comparison left: a scenario, the counts of its batches, and what follows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from link_sim.engine import montecarlo, results
from link_sim.metrics.intervals import Estimate
from link_sim.metrics.pairs import paired_difference
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
        return montecarlo.tally(points, stop, self.lines, self.scenario.receivers)

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
