"""Receivers against one of them on the same batches, surer than their intervals."""

import math

from link_sim.engine.montecarlo import Tally
from link_sim.metrics.pairs import paired_difference
from link_sim.metrics.rates import METRICS
from link_sim.scenarios.base import Scenario


def difference_rows(
    scenario: Scenario, tallies: dict[float, Tally], reference: str
) -> list[dict]:
    """One row for each receiver, metric and point: receiver minus `reference`.

    Keys as in `results.rows`: scenario, receiver, axis, point, metric, value, low, high
    (of the 95 % interval), and count, here of batches. Metrics that tables leave out
    are left out. Raises `ValueError` if `reference` was not compared.
    """
    if reference not in scenario.receivers:
        raise ValueError(
            f"--against {reference} is not in this run: use one of "
            f"{', '.join(scenario.receivers)}"
        )
    lines = [line for tally in tallies.values() for line in tally.lines]
    rows = []
    for receiver in scenario.receivers:
        for metric in (m for m in METRICS if METRICS[m].column):
            if receiver == reference:
                continue
            found = paired_difference(lines, receiver, reference, metric)
            for point, ends in found.items():
                numbers = (x if math.isfinite(x) else None for x in ends)
                rows.append(
                    {
                        "scenario": scenario.name,
                        "receiver": receiver,
                        "axis": scenario.sweep.axis,
                        "point": point,
                        "metric": metric,
                        **dict(zip(("value", "low", "high"), numbers, strict=True)),
                        "count": len(tallies[point].lines),
                    }
                )
    return rows
