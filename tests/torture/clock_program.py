"""`link-sim` with a stand-in for its link alone, while the wall clock is set back.

The program itself measures how long a batch takes; in each, `time.time` falls by up to
a day.
"""

import random
import sys
import time
from types import SimpleNamespace

import fake_link

from link_sim import cli
from link_sim.engine import versions


class Link:
    """What `link_batches` asks of a link."""

    def __init__(self, scenario):
        self.scenario, self.frames_at_once = scenario, scenario.batch_size

    def simulate(self, point: float, batch: int) -> dict:
        set_clock_back(batch)
        return fake_link.run_batch(self.scenario.to_toml(), point, batch)["counts"]

    def seed(self, point: float, batch: int) -> int:
        return batch


def set_clock_back(seed: int) -> None:
    """Makes the wall clock say that it is earlier than it said before."""
    ago, earlier = random.Random(seed).uniform(1, 86400), time.time
    time.time = lambda: earlier() - ago
    time.time_ns = lambda: int(time.time() * 1e9)


if __name__ == "__main__":
    sys.modules["link_sim.experiments.link"] = SimpleNamespace(Link=Link)
    from link_sim.engine import batches as link_batches

    link_batches.picture_strip = fake_link.picture_strip
    versions.of_today = dict
    cli._load_tensorflow = lambda console: None
    cli.main()
