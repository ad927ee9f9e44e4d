"""What commands show: live progress, the final table of a run, tables of speed."""

import math
import statistics
import time
from collections.abc import Iterable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from link_sim.engine.montecarlo import Line, Tally
from link_sim.metrics.rates import METRICS, estimate
from link_sim.scenarios.axes import axis_label, point_value


class Progress:
    """Follows a sweep: a live table on a terminal, a line a batch elsewhere."""

    def __init__(
        self, console: Console, scenario, tallies: dict[float, Tally], workers
    ):
        self._console, self._scenario, self._tallies = console, scenario, tallies
        self._workers = max(1, workers)
        self._seconds: list[float] = []
        self._start = time.monotonic()
        self._last = "preparing the link"
        self._frames_at_once = scenario.batch_size
        self._live = Live(console=console, get_renderable=self._table, transient=True)

    def __enter__(self):
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(f"{self._scenario.name}: {self._last}")
        return self

    def __exit__(self, *_):
        self._live.stop()

    def show(self, line: Line) -> None:
        """Takes note of a batch that has finished."""
        self._seconds.append(line["seconds"])
        tally = self._tallies[line["point"]]
        frames = line.get("frames_at_once", self._frames_at_once)
        if frames < self._frames_at_once:
            self._frames_at_once = frames
            self._console.print(
                f"the memory does not hold the {self._scenario.batch_size} frames of a "
                f"batch at once: going on with {frames} at a time, the counts are the "
                "same",
                style="yellow",
                soft_wrap=True,
            )
        where = point_name(self._scenario.sweep.axis, line["point"])
        self._last = f"{where}, batch {line['batch'] + 1}"
        if not self._console.is_terminal:
            so_far = ", ".join(
                f"{name} {self._watched(tally, name)}"
                for name in self._scenario.receivers
            )
            what = METRICS[self._scenario.watched].column
            self._console.print(
                f"{self._last}: {what} so far {so_far}; {self._time()}",
                soft_wrap=True,
            )

    def _time(self) -> str:
        spent = _duration(time.monotonic() - self._start)
        if not self._seconds:
            return spent
        left = sum(_batches_left(tally) for tally in self._tallies.values())
        seconds = left * statistics.median(self._seconds) / self._workers
        return f"{spent}, about {_duration(seconds)} left"

    def _table(self) -> Group:
        """What is watched, a row a receiver and a column a point; progress below."""
        what = METRICS[self._scenario.watched].column
        table = Table(title=f"{self._scenario.name}: {what} so far", box=None)
        axis = self._scenario.sweep.axis
        table.add_column(axis_label(axis))
        for point in self._tallies:
            name = point_value(axis, point)
            table.add_column(name, justify="right", min_width=7)
        for name in self._scenario.receivers:
            cells = (self._watched(tally, name) for tally in self._tallies.values())
            table.add_row(name, *cells)
        batches = (len(tally.lines) for tally in self._tallies.values())
        table.add_row("batches", *map(str, batches), style="dim")
        done = statistics.mean(min(1, t.progress) for t in self._tallies.values())
        bar = ProgressBar(total=1.0, completed=done, width=40)
        return Group(table, bar, f"{self._last}; {self._time()}")

    def _watched(self, tally: Tally, receiver: str) -> str:
        if receiver in tally.excluded:
            return "excluded"
        metric = self._scenario.watched
        found = estimate(tally.counts.get(receiver, {}), metric)
        form = ".1e" if METRICS[metric].scale == "log" else ".1f"
        return "-" if found is None else format(found.value, form)


def point_name(axis: str, point: float) -> str:
    """A point in words, such as `Eb/N0 [dB] = 3` or `bandwidth ratio k/n = 1/12`."""
    return f"{axis_label(axis)} = {point_value(axis, point)}"


def left_out(scenario, tallies: dict[float, Tally]) -> Iterator[str]:
    """Sentences on the receivers and the batches that are not shown, and why."""
    for point, tally in tallies.items():
        where = point_name(scenario.sweep.axis, point)
        for name in sorted(tally.excluded):
            yield f"{name} is left out at {where}: it gave values that are not finite"
    waiting = sum(len(t.waiting) for t in tallies.values() if not t.finished)
    if waiting:
        yield (
            f"{waiting} batches are not shown, as earlier ones are missing: add up all "
            "shards with link-sim merge, or continue the run"
        )


def final_table(scenario, rows: Iterable[dict], tallies: dict[float, Tally]) -> Table:
    """The main metrics of each receiver at each point, with 95 % intervals."""
    cells = {(r["point"], r["receiver"], r["metric"]): r for r in rows}
    columns = _columns({metric for *_, metric in cells})
    table = Table(title=f"{scenario.name}: value [95 % interval]", box=None)
    table.add_column("receiver", overflow="fold")
    for metric in columns:
        table.add_column(METRICS[metric].column, no_wrap=True)
    for point, tally in tallies.items():
        if tally.lines:
            title = point_name(scenario.sweep.axis, point)
            table.add_section()
            table.add_row(f"{title} ({len(tally.lines)} batches)", style="bold")
            for name in scenario.receivers:
                values = (cells.get((point, name, metric)) for metric in columns)
                table.add_row(f"  {name}", *map(cell, values))
    return table


def _columns(measured: set[str]) -> list[str]:
    """The columns of the table, few enough for 120 characters in most cases.

    Of what the classifier tells: accuracy and the Fréchet distance where labels are
    known, class flips elsewhere.
    """
    hidden = "class_flips" if "accuracy" in measured else "fcd"
    return [m for m in METRICS if METRICS[m].column and m in measured - {hidden}]


def bench_table(title: str, rows: list[dict]) -> Table:
    """The rows with one column for each value and its spread: `226 [210, 233]`."""
    folded = [_with_spread(row) for row in rows]
    columns = list(dict.fromkeys(key for row in folded for key in row))
    table = Table(*columns, title=title, title_justify="left", box=None)
    for row in folded:
        table.add_row(*(row.get(column, "") for column in columns))
    return table


def _with_spread(row: dict) -> dict[str, str]:
    cells, last = {}, ""
    for key, value in row.items():
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        if key == "fastest" or key.endswith("_low"):
            cells[last] += f" [{text}, "
        elif key == "slowest" or key.endswith("_high"):
            cells[last] += f"{text}]"
        else:
            cells[key], last = text, key
    return cells


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


def cell(row: dict | None) -> str:
    """A value with its 95 % interval, in short.

    Such as `24.1 [23.9, 24.3]`; in `1.2 [0.9, 1.6] e-3` the power is common.
    """
    if row is None:
        return "-"
    value, low, high = row["value"], row["low"], row["high"]
    form, power, ending = METRICS[row["metric"]].form or ".3f", 0, ""
    if METRICS[row["metric"]].form is None:
        if (value or high) < 0.01:
            power = math.floor(math.log10(value or high))
            form, ending = ".1f", f" e{power}"
    numbers = [
        "-" if x is None else format(x / 10.0**power, form) for x in (value, low, high)
    ]
    return "{} [{}, {}]".format(*numbers) + ending
