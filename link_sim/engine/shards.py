"""Parts of a run, for jobs that share it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from link_sim.engine.montecarlo import Line
from link_sim.scenarios.sections import Stop


class Shard(NamedTuple):
    """Every `number`-th batch of a point, from `first` on, for jobs that share a run.

    A shard numbers its batches 0, 1, … and knows no stop rule but the number of
    batches: the others apply to all shards together.
    """

    first: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that `I/N` names, with I from 1 to N; `ValueError` if none."""
        i, _, n = text.partition("/")
        if not (i.isdecimal() and n.isdecimal() and 0 < int(i) <= int(n)):
            raise ValueError(
                f"--shard {text} is not known: use I/N, such as 1/4 to 4/4"
            )
        return cls(int(i) - 1, int(n))

    def stop(self, stop: Stop) -> Stop:
        """The stop rules of the shard; `ValueError` if it has no batch."""
        own = len(range(self.first, stop.max_batches, self.number))
        if not own:
            raise ValueError(
                f"--shard {self.first + 1}/{self.number} has no batch: "
                f"use at most {stop.max_batches} shards"
            )
        if self.number == 1:
            return stop
        others = "block_errors", "relative_width", "seconds", "target_bler"
        rules = dict.fromkeys(others) | {"max_batches": own}
        return stop.model_copy(update=rules)

    def own(self, lines: Iterable[Line]) -> list[Line]:
        """Those of the run's lines that belong to the shard, in its numbers."""
        return [
            line | {"batch": line["batch"] // self.number}
            for line in lines
            if line["batch"] % self.number == self.first
        ]

    def whole(self, line: Line) -> Line:
        """A line of the shard in the numbers of the run."""
        return line | {"batch": self._number(line["batch"])}

    def run(
        self, run_batch: Callable, point: float, batch: int, *receivers: tuple[str, ...]
    ) -> dict:
        """`run_batch` for a batch in the shard's numbers."""
        return run_batch(point, self._number(batch), *receivers)

    def _number(self, batch: int) -> int:
        return self.first + batch * self.number
