"""The Monte-Carlo engine: batches at points until the stop rule says enough.

It knows an experiment only as an axis of points and a function
`run_batch(point, batch_index)` that returns `{"seed": …, "seconds": …, "counts":
{receiver: counts}}`. Any batch can be computed alone, anywhere, with the same
result, so batches may arrive in any order from any executor: the result of a point
is that of batches 0 … n-1, with the smallest n at which the stop rule fires.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from link_sim.metrics.rates import Counts, add_counts, estimate

Line = dict[str, Any]  # {"point", "batch", "seed", "seconds", "counts"}


@dataclass
class Tally:
    """One point's totals over the batches that count, batches 0 … n-1.

    `stop` holds `max_batches` and, or None, `block_errors` (every receiver has at
    least so many), `relative_width` (of every receiver's BLER interval, over the
    value) and `seconds` (of computing). The first rule that is met stops the point.
    """

    stop: Any
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
        if coded and stop.relative_width:
            widest = max(_relative_width(c) for c in coded)
            rules.append((stop.relative_width / widest) ** 2)
        return max(rules)

    def _count(self, line: Line) -> None:
        self.lines.append(line)
        for receiver, counts in line["counts"].items():
            if counts is None or receiver in self.excluded:
                self.excluded.add(receiver)
                self.counts.pop(receiver, None)
            else:
                total = self.counts.get(receiver, {})
                self.counts[receiver] = add_counts(total, counts)


class Shard(NamedTuple):
    """Every `count`-th batch of each point, from `index` on, for jobs that share a run.

    A shard numbers its batches 0, 1, … and knows no stop rule but the number of
    batches: the others apply to all shards together.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that `I/N` names, with I from 1 to N; `ValueError` if none."""
        i, _, n = text.partition("/")
        if not (i.isdecimal() and n.isdecimal() and 0 < int(i) <= int(n)):
            raise ValueError(
                f"--shard {text} is not known: use I/N, such as 1/4 to 4/4"
            )
        return cls(int(i) - 1, int(n))

    def stop(self, stop: Any) -> Any:
        """The stop rules of the shard; `ValueError` if it has no batch."""
        own = len(range(self.index, stop.max_batches, self.count))
        if not own:
            raise ValueError(
                f"--shard {self.index + 1}/{self.count} has no batch: "
                f"use at most {stop.max_batches} shards"
            )
        if self.count == 1:
            return stop
        rules = {"block_errors": None, "relative_width": None, "seconds": None}
        return stop.model_copy(update=rules | {"max_batches": own})

    def own(self, lines: Iterable[Line]) -> list[Line]:
        """Those of the run's lines that belong to the shard, in its numbers."""
        return [
            line | {"batch": line["batch"] // self.count}
            for line in lines
            if line["batch"] % self.count == self.index
        ]

    def whole(self, line: Line) -> Line:
        """A line of the shard in the numbers of the run."""
        return line | {"batch": self._number(line["batch"])}

    def run(self, run_batch: Callable, point: float, batch: int) -> dict:
        """`run_batch` for a batch in the shard's numbers."""
        return run_batch(point, self._number(batch))

    def _number(self, batch: int) -> int:
        return self.index + batch * self.count


def batch_seed(seed: int, point: float, batch_index: int) -> int:
    """Seed of the bits, channel and noise of a batch, the same for all receivers."""
    key = [seed, round(point * 1000) % 2**32, batch_index]
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)


def tally(
    points: Iterable[float], stop: Any, lines: Iterable[Line] = ()
) -> dict[float, Tally]:
    """Tallies of the points, from the batches that are there already."""
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
    flying = {}
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


def _relative_width(counts: Counts) -> float:
    value, low, high = estimate(counts, "bler")
    return (high - low) / value if value else math.inf
