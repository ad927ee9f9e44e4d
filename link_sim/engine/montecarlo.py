"""The Monte-Carlo engine: batches at points until the stop rule says enough.

It knows an experiment only as an axis of points and a function
`run_batch(point, batch_index)` that returns `{"seed": …, "seconds": …, "counts":
{receiver: counts}}`. Any batch can be computed alone, anywhere, with the same
result, so batches may arrive in any order from any executor: the result of a point
is that of batches 0 … n-1, with the smallest n at which the stop rule fires.
Of a batch that lacks receivers, `run_batch(point, batch_index, receivers)` makes these.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from link_sim.metrics.rates import METRICS, USERS, Counts, add_counts, relative_width
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.sections import Stop

Line = dict[str, Any]  # {"point", "batch", "seed", "seconds", "counts"}


@dataclass
class Tally:
    """One point's totals over the batches that count, batches 0 … n-1.

    The first rule of `stop` that is met stops the point. receivers: those that a batch
    must have to count; whatever it has, if none are named.
    """

    stop: Stop
    receivers: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    waiting: dict[int, Line] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Takes a batch, or more receivers of it; it counts once all before it do."""
        batch = line["batch"]
        if batch < len(self.lines):
            return
        known = self.waiting.get(batch)
        self.waiting[batch] = joined(known, line) if known else line
        while not self.finished and self.knows(len(self.lines)):
            self._count(self.waiting.pop(len(self.lines)))

    def knows(self, batch: int) -> bool:
        """Whether that batch has been computed already, for all receivers."""
        there = batch < len(self.lines) or batch in self.waiting
        return there and not self.lacks(batch)

    def lacks(self, batch: int) -> tuple[str, ...]:
        """The receivers that are missing of a batch that has been computed."""
        found = self.waiting.get(batch, {}).get("counts", self.receivers)
        return tuple(name for name in self.receivers if name not in found)

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

    @property
    def on_target(self) -> bool:
        """Whether the block error rates of all receivers are at `stop.target_bler`."""
        target = self.stop.target_bler
        coded = [c for c in self.counts.values() if "block_errors" in c]
        return (
            target is not None
            and bool(coded)
            and all(c["block_errors"] <= target * c["blocks"] for c in coded)
        )

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
        for receiver in self.receivers or line["counts"]:
            counts = line["counts"][receiver]
            if counts is None or receiver in self.excluded:
                self.excluded.add(receiver)
                self.counts.pop(receiver, None)
            else:
                total = self.counts.get(receiver, {})
                self.counts[receiver] = add_counts(total, counts)


def joined(line: Line, more: Line) -> Line:
    """One line of two of the same batch, with the receivers of both."""
    if more["counts"].keys() <= line["counts"].keys():
        return line
    seconds = line["seconds"] + more["seconds"]
    counts = more["counts"] | line["counts"]
    return more | line | {"seconds": seconds, "counts": counts}


def tally(
    points: Iterable[float],
    stop: Stop,
    lines: Iterable[Line] = (),
    receivers: tuple[str, ...] = (),
) -> dict[float, Tally]:
    """Tallies of the points, from the batches that are there already.

    receivers: those that a batch must have to count; what it has, if none are named.
    Raises `ScenarioError` if a stop rule names no metric.
    """
    if stop.metric not in METRICS:
        known = ", ".join(name for name in METRICS if name not in USERS)
        raise ScenarioError(
            f"stop.metric = '{stop.metric}' is not known: use {known}, or of one of "
            "several users, ber_user_1 or bler_user_1"
        )
    tallies = {point: Tally(stop, receivers) for point in points}
    for line in lines:
        if line["point"] in tallies:
            tallies[line["point"]].add(line)
    return tallies


def unfinished(tallies: dict[float, Tally]) -> list[float]:
    """Points that take more batches now; with `stop.target_bler`, one at a time."""
    found = []
    for point, state in tallies.items():
        if not state.finished:
            found.append(point)
        in_turn = state.stop.target_bler is not None
        if in_turn and (found or state.on_target):
            break
    return found


def sweep(
    run_batch: Callable[..., dict],
    tallies: dict[float, Tally],
    executor: Executor,
    workers: int,
) -> Iterator[Line]:
    """Runs batches until every point has finished; yields each as a line.

    `workers + 1` batches are kept in flight. The tallies are updated before a line
    is yielded. On Ctrl-C the batches that are finished are yielded first; then,
    and where a batch failed, the exception goes on to the caller.
    """
    flying: dict[Future, tuple] = {}
    while unfinished(tallies):
        while len(flying) <= workers and (job := _next_job(tallies, flying.values())):
            flying[executor.submit(run_batch, *job)] = job
        interruption = None
        try:
            wait(flying, return_when=FIRST_COMPLETED)
        except KeyboardInterrupt as interrupt:
            interruption = interrupt
        landed = [future for future in flying if future.done()]
        for future in sorted(landed, key=lambda future: bool(future.exception())):
            point, batch = flying.pop(future)[:2]
            line = {"point": point, "batch": batch, **_checked(future.result())}
            tallies[point].add(line)
            yield line
        if interruption:
            raise interruption
    for future in flying:
        future.cancel()


def _next_job(tallies: dict[float, Tally], flying: Iterable) -> tuple | None:
    """The first batch missing, of the unfinished point that is furthest behind.

    Its point and its number, and the receivers that it lacks if it has some.
    """
    taken, jobs = {job[:2] for job in flying}, []
    for point in unfinished(tallies):
        state = tallies[point]
        batch = len(state.lines)
        while state.knows(batch) or (point, batch) in taken:
            batch += 1
        if batch < state.stop.max_batches:
            lacks = state.lacks(batch)
            jobs.append((point, batch, lacks) if lacks else (point, batch))
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
