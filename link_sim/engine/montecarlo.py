"""The Monte-Carlo engine: batches at points until the stop rule says enough.

It knows an experiment only as an axis of points and a function
`run_batch(point, batch_index)` that returns `{"seed": …, "seconds": …, "counts":
{receiver: counts}}`. Any batch can be computed alone, anywhere, with the same
result, so batches may arrive in any order from any executor: the result of a point
is that of batches 0 … n-1, with the smallest n at which the stop rule fires.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from link_sim.metrics.rates import METRICS, Counts, add_counts, relative_width
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.sections import Stop

Line = dict[str, Any]  # {"point", "batch", "seed", "seconds", "counts"}


@dataclass
class Tally:
    """One point's totals over the batches that count, batches 0 … n-1.

    The first rule of `stop` that is met stops the point.
    """

    stop: Stop
    lines: list[Line] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    waiting: dict[int, Line] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Takes a finished batch, which counts once all before it are there."""
        self.waiting.setdefault(line["batch"], line)
        while not self.finished and len(self.lines) in self.waiting:
            self._count(self.waiting.pop(len(self.lines)))

    def knows(self, batch: int) -> bool:
        """Whether that batch has been computed already."""
        return batch < len(self.lines) or batch in self.waiting

    @property
    def finished(self) -> bool:
        """Whether the stop rule has fired."""
        return self.progress >= 1

    @property
    def progress(self) -> float:
        """How much of the way to the nearest stop rule is done; 1 once it fires."""
        stop, rules = self.stop, [len(self.lines) / self.stop.max_batches]
        if self.excluded and not self.counts:
            return 1.0
        if stop.seconds:
            rules.append(sum(line["seconds"] for line in self.lines) / stop.seconds)
        coded = [c for c in self.counts.values() if "block_errors" in c]
        if coded and stop.block_errors:
            rules.append(min(c["block_errors"] for c in coded) / stop.block_errors)
        if stop.relative_width and self.lines:
            rules.append((stop.relative_width / self._widest(stop.metric)) ** 2)
        return max(rules)

    def _widest(self, metric: str) -> float:
        """Of the receivers' intervals of a metric, relative to its value."""
        quantity = METRICS[metric].quantity
        measured = [c for c in self.counts.values() if quantity in c]
        if not measured:
            raise ScenarioError(
                f"stop.metric = '{metric}' is measured of no receiver here: use one of "
                f"{', '.join(_measured(self.counts.values()))}"
            )
        return max(relative_width(counts, metric) for counts in measured)

    def _count(self, line: Line) -> None:
        self.lines.append(line)
        for receiver, counts in line["counts"].items():
            if counts is None or receiver in self.excluded:
                self.excluded.add(receiver)
                self.counts.pop(receiver, None)
            else:
                total = self.counts.get(receiver, {})
                self.counts[receiver] = add_counts(total, counts)


def tally(
    points: Iterable[float], stop: Stop, lines: Iterable[Line] = ()
) -> dict[float, Tally]:
    """Tallies of the points, from the batches that are there already.

    Raises `ScenarioError` if a stop rule names no metric.
    """
    if stop.metric not in METRICS:
        raise ScenarioError(
            f"stop.metric = '{stop.metric}' is not known: use {', '.join(METRICS)}"
        )
    tallies = {point: Tally(stop) for point in points}
    for line in lines:
        if line["point"] in tallies:
            tallies[line["point"]].add(line)
    return tallies


def sweep(
    run_batch: Callable[[float, int], dict],
    tallies: dict[float, Tally],
    executor: Executor,
    workers: int,
) -> Iterator[Line]:
    """Runs batches until every point has finished; yields each as a line.

    `workers + 1` batches are kept in flight. The tallies are updated before a line
    is yielded. On Ctrl-C the batches that are finished are yielded first; then,
    and where a batch failed, the exception goes on to the caller.
    """
    flying: dict[Future, tuple[float, int]] = {}
    while not all(point.finished for point in tallies.values()):
        while len(flying) <= workers and (job := _next_job(tallies, flying.values())):
            flying[executor.submit(run_batch, *job)] = job
        interruption = None
        try:
            wait(flying, return_when=FIRST_COMPLETED)
        except KeyboardInterrupt as interrupt:
            interruption = interrupt
        landed = [future for future in flying if future.done()]
        for future in sorted(landed, key=lambda future: bool(future.exception())):
            point, batch = flying.pop(future)
            line = {"point": point, "batch": batch, **_checked(future.result())}
            tallies[point].add(line)
            yield line
        if interruption:
            raise interruption
    for future in flying:
        future.cancel()


def _next_job(tallies: dict[float, Tally], flying: Iterable) -> tuple | None:
    """The first batch missing, of the unfinished point that is furthest behind."""
    taken, jobs = set(flying), []
    for point, state in tallies.items():
        batch = len(state.lines)
        while state.knows(batch) or (point, batch) in taken:
            batch += 1
        if not state.finished and batch < state.stop.max_batches:
            jobs.append((point, batch))
    return min(jobs, key=lambda job: job[1], default=None)


def _checked(result: dict) -> dict:
    """The result in plain numbers; None for a receiver with one that is not finite."""
    receivers = {}
    for receiver, counts in result["counts"].items():
        plain = {key: getattr(x, "item", lambda x=x: x)() for key, x in counts.items()}
        finite = all(map(math.isfinite, plain.values()))
        receivers[receiver] = plain if finite else None
    return {**result, "counts": receivers}


def _measured(counts: Iterable[Counts]) -> list[str]:
    known = set().union(*counts)
    return [name for name, metric in METRICS.items() if metric.quantity in known]
