"""What every kind of experiment shares: names, seed, receivers, sweep, stop rules."""

import json
import math
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from link_sim.scenarios.sections import Section, Stop


class Experiment(Section):
    """A comparison of receivers at the points of a sweep.

    A kind of experiment adds its own sections and `sweep` (with `axis` and `points`).
    The module `runs_in` computes it: `run_batch(toml, point, batch_index)` returns
    seed, seconds and counts of one batch, and `picture_strip(experiment, number)` the
    pictures to show, or None. `watched` is the metric to show on the way, `remark` a
    sentence to end with, or None.
    """

    runs_in: ClassVar[str]
    watched: ClassVar[str] = "ber"
    remark: ClassVar[str | None] = None

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 32
    receivers: tuple[str, ...] = Field(min_length=1)
    sweep: Any
    stop: Stop = Stop()

    @model_validator(mode="after")
    def check_names(self):
        if len(set(self.receivers)) != len(self.receivers):
            raise ValueError("receivers repeat a name: list each once")
        return self

    def pinned(self) -> "Experiment":
        """The same with the SHA-256 of the files it takes from folders that it names.

        Raises `ValueError` if there is no such folder.
        """
        return self

    def to_toml(self) -> str:
        """TOML text that `load_scenario` reads back to an equal experiment."""
        lines, sections = [], []
        for key, value in self.model_dump(exclude_none=True).items():
            if isinstance(value, dict):
                body = [f"{name} = {_toml(item)}" for name, item in value.items()]
                sections += ["", f"[{key}]", *body]
            else:
                lines.append(f"{key} = {_toml(value)}")
        return "\n".join(lines + sections) + "\n"


def _toml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
