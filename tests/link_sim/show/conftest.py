from functools import partial

import pytest

from link_sim.engine import montecarlo
from link_sim.scenarios.loading import load_scenario


@pytest.fixture
def simulated(fake_link):
    """A function of a scenario's name and overrides: it, its tallies and its lines."""

    def run(name, overrides=(), batches=3):
        scenario = load_scenario(name, [*overrides, f"stop.max_batches={batches}"])
        run_batch = partial(fake_link.run_batch, scenario.to_toml())
        lines = [
            {"point": point, "batch": batch, **run_batch(point, batch)}
            for batch in range(batches)
            for point in scenario.sweep.points
        ]
        points = scenario.sweep.points
        return scenario, montecarlo.tally(points, scenario.stop, lines), lines

    return run
