"""`link-sim` with a stand-in for its link alone, while the wall clock is set back.

The program itself measures how long a batch takes; in each, `time.time` falls by up to
a day.
"""

import random
import time

from fake_link import FakeLink

from link_sim import cli
from link_sim.cli import terminal
from link_sim.engine import versions
from link_sim.scenarios.link import LinkScenario


class LateLink(FakeLink):
    def draw(self, at, batch_index):
        set_clock_back(batch_index)
        return super().draw(at, batch_index)


def set_clock_back(seed: int) -> None:
    """Makes the wall clock say that it is earlier than it said before."""
    ago, earlier = random.Random(seed).uniform(1, 86400), time.time
    time.time = lambda: earlier() - ago
    time.time_ns = lambda: int(time.time() * 1e9)


if __name__ == "__main__":
    LinkScenario.opens = "__main__:LateLink"
    versions.of_today = lambda scenario: {}
    terminal.load_tensorflow = lambda console: None
    cli.main()
