"""What is shown while a sweep runs: a live table on a terminal, lines elsewhere."""

import math
import statistics
import time
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from link_sim.engine.montecarlo import Line, Tally
from link_sim.metrics.rates import METRICS, estimate
from link_sim.scenarios.axes import axis_label, point_value
from link_sim.scenarios.base import Scenario
from link_sim.show.display import grid, value_text


class Progress:
    """Follows a sweep: a live table where it can move, else a line a batch."""

    def __init__(
        self,
        console: Console,
        scenario: Scenario,
        tallies: dict[float, Tally],
        workers: int,
    ):
        self._console, self._scenario, self._tallies = console, scenario, tallies
        self._workers = max(1, workers)
        self._lines: list[Line] = []
        self._start = time.monotonic()
        self._doing = "building and compiling the link"
        self._frames_at_once = scenario.batch_size
        self._moves = console.is_terminal or console.is_jupyter
        self._live = Live(self, console=console, transient=True)

    def __enter__(self) -> Self:
        if self._moves:
            self._live.start()
        else:
            self._console.print(f"{self._scenario.name}: {self._doing}")
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, line: Line) -> None:
        """Takes note of a batch that has finished."""
        self._lines.append(line)
        self._warn_of_memory(line.get("frames_at_once", self._frames_at_once))
        done = sum(len(tally.lines) for tally in self._tallies.values())
        where = f"{self._scenario.sweep.axis} = {line['point']:g}"
        if self._moves:
            self._doing = f"batch {done + 1} of {self._total()}"
        else:
            self._console.print(
                f"batch {done} of {self._total()}, {where}: {self._range(line)}; "
                f"{self._time()}",
                soft_wrap=True,
            )

    def _warn_of_memory(self, frames: int) -> None:
        if frames < self._frames_at_once:
            self._frames_at_once = frames
            self._console.print(
                f"the memory does not hold the {self._scenario.batch_size} frames of a "
                f"batch at once: going on with {frames} at a time, the counts are the "
                "same",
                style="yellow",
                soft_wrap=True,
            )

    def _total(self) -> str:
        """How many batches the run takes, if it goes on as so far."""
        total = sum(len(t.lines) + _batches_left(t) for t in self._tallies.values())
        return f"{total:.0f}"

    def _range(self, line: Line) -> str:
        """The best and the worst receiver at the point of a batch."""
        metric, tally = self._scenario.watched, self._tallies[line["point"]]
        found = (estimate(counts, metric) for counts in tally.counts.values())
        values = [x.value for x in found if x and math.isfinite(x.value)]
        if not values:
            return "no values"
        low, high = (value_text(metric, x) for x in (min(values), max(values)))
        span = low if low == high else f"{low} to {high}"
        return f"{watched_name(metric)} {span}"

    def _time(self) -> str:
        """Time spent, and time left once a batch was seen that nothing was built for.

        The first batch of each worker compiles, and on some axes that of each point.
        """
        spent = _duration(time.monotonic() - self._start)
        warm = self._lines[self._workers :]
        if not warm:
            return spent
        settled = [line for line in warm if line["batch"]] or warm
        left = sum(_batches_left(tally) for tally in self._tallies.values())
        seconds = left * statistics.median(x["seconds"] for x in settled)
        return f"{spent}, about {_duration(seconds / self._workers)} left"

    def __rich__(self) -> Group:
        """What is watched, a row a receiver and a column a point; progress below."""
        watched, axis = watched_name(self._scenario.watched), self._scenario.sweep.axis
        names = [*self._scenario.receivers, "batches"]
        columns = [
            (
                point_value(axis, point).rjust(7),
                [self._watched(tally, name) for name in names[:-1]]
                + [str(len(tally.lines))],
            )
            for point, tally in self._tallies.items()
        ]
        done = statistics.mean(min(1, t.progress) for t in self._tallies.values())
        return Group(
            Text(f"{self._scenario.name}: {watched} so far over {axis_label(axis)}"),
            *grid(("", names), columns, self._console.width),
            Text(f"{self._doing}; {self._time()}"),
            ProgressBar(total=1.0, completed=done, width=40),
        )

    def _watched(self, tally: Tally, receiver: str) -> str:
        if receiver in tally.excluded:
            return "out"
        metric = self._scenario.watched
        found = estimate(tally.counts.get(receiver, {}), metric)
        if found is None or not math.isfinite(found.value):
            return "-"
        return value_text(metric, found.value)


def watched_name(metric: str) -> str:
    """The heading of its column, or its whole name where it has none."""
    return METRICS[metric].column or METRICS[metric].label


def _batches_left(tally: Tally) -> float:
    """How many more batches the point needs, if it goes on as so far."""
    most = tally.stop.max_batches - len(tally.lines)
    if tally.finished:
        return 0
    if not tally.lines:
        return most
    return min(most, len(tally.lines) * (1 / tally.progress - 1))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
