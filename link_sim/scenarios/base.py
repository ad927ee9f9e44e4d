"""What every kind of experiment asks: receivers, a sweep, a seed, stop rules."""

import html
import json
import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, ValidationError, ValidationInfo, model_validator

from link_sim.scenarios.axes import AXES, LEVELS, Axis, find_axis
from link_sim.scenarios.data_files import DataFile, DataFolder
from link_sim.scenarios.errors import ScenarioError, sentence
from link_sim.scenarios.sections import Section, Stop, Sweep

NO_AXES = "sweep", "stop", "seed", "batch_size"
"""Keys that are numbers but no property of a link."""


class Scenario(Section):
    """A comparison of receivers at the points of a sweep.

    A kind adds its own sections. `opens` names what computes it, an `Experiment`;
    `levels` the fixed values of `sweep` that it needs, one of each group, unless its
    axis is among them; `short_axes` the short names of its axes; `watched` the metric
    to show on the way; `pictures` whether there are images to show.

    weights: a folder of weights, such as `link-sim train` writes, to take instead of
    those shipped of the same names.
    """

    opens: ClassVar[str]
    levels: ClassVar[tuple[tuple[str, ...], ...]]
    short_axes: ClassVar[tuple[str, ...]]
    watched: ClassVar[str] = "ber"
    pictures: ClassVar[bool] = False

    kind: str
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 32
    receivers: tuple[str, ...] = Field(min_length=1)
    weights: DataFolder | None = None
    sweep: Sweep
    stop: Stop = Stop()

    @property
    def axis(self) -> Axis:
        """The axis of the sweep."""
        return find_axis(self.sweep.axis)

    @model_validator(mode="before")
    @classmethod
    def set_what_is_swept(cls, values: Any) -> Any:
        """Gives a swept key that is left out the value of the first point."""
        sweep = values.get("sweep") if isinstance(values, dict) else None
        if not isinstance(sweep, dict) or not isinstance(sweep.get("axis"), str):
            return values
        section, dot, key = find_axis(sweep["axis"]).key.partition(".")
        points, inside = sweep.get("points"), values.get(section, {})
        known = getattr(_section(cls, section), "model_fields", {})
        absent = isinstance(inside, dict) and inside.get(key) is None
        if section == "sweep" or not absent or not points or key not in known:
            return values
        if known[key].is_required() or known[key].default is not None:
            return values
        return values | {section: inside | {key: points[0]}}

    @model_validator(mode="after")
    def check_names(self) -> Self:
        if len(set(self.receivers)) != len(self.receivers):
            raise ValueError("receivers repeat a name: list each once")
        return self

    @model_validator(mode="after")
    def check_sweep(self, info: ValidationInfo) -> Self:
        name, sweep = self.sweep.axis, self.sweep
        if name not in self.short_axes and (name in AXES or not self._is_number(name)):
            raise ValueError(
                f"sweep.axis = '{name}' is no axis here: use one of "
                f"{', '.join(self.short_axes)}, or a key with a number, such as "
                "grid.fft_size"
            )
        given = {n for n in AXES if getattr(sweep, n, None) is not None}
        if name in given and sweep.points != (getattr(sweep, name),):
            raise ValueError(f"{name} is swept: leave out sweep.{name}")
        given.discard(name)
        for group in self.levels:
            one = given.intersection(group)
            if len(one) + (name in group) != 1:
                raise ValueError(
                    f"sweep.axis = '{name}' needs {'no' if name in group else 'one'} "
                    f"fixed {' or '.join(group)}: set or leave out sweep.{group[0]}"
                )
            given -= one
        if given - set(self.short_axes):
            key = min(given - set(self.short_axes))
            raise ValueError(f"sweep.{key} has no meaning here: leave it out")
        for point in () if info.context else sweep.points:
            self.at(point)
        return self

    def at(self, point: float) -> Self:
        """This scenario at one point of its sweep: with the swept key set to it.

        Raises `ScenarioError` if the key cannot have that value.
        """
        data, key = self.model_dump(exclude_none=True), self.axis.key
        value = int(point) if float(point).is_integer() else point
        data["sweep"]["points"] = [point]
        *parents, last = key.split(".")
        section = data
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
        try:
            return self.model_validate_json(json.dumps(data), context="one point")
        except ValidationError as error:
            raise ScenarioError(sentence(error)) from None

    def built_for(self, point: float) -> Self:
        """The scenario that an experiment for a point is built from.

        It is the same for all points of an axis that does not rebuild.
        """
        one = self.at(point) if self.axis.rebuilds else self
        return one.model_copy(update={"stop": Stop()})

    @property
    def is_point(self) -> bool:
        """Whether the swept key has the value of the only point, as `at` leaves it."""
        value: Any = self
        for part in self.axis.key.split("."):
            value = getattr(value, part, None)
        return self.sweep.points == (value,)

    @property
    def level(self) -> str:
        """The name of the level of noise, swept or fixed; empty if there is none."""
        if self.sweep.axis in LEVELS:
            return self.sweep.axis
        return next((n for n in LEVELS if getattr(self.sweep, n) is not None), "")

    @property
    def level_db(self) -> float:
        """The level of noise of a scenario at one point [dB]."""
        found = (getattr(self.sweep, name) for name in LEVELS)
        return next(level for level in found if level is not None)

    def world_seed(self, batch_index: int) -> int:
        """Seed of a batch's bits, channel and noise at one point, for all receivers."""
        point = self.sweep.points[0] if self.axis.own_worlds else self.level_db
        return batch_seed(self.seed, point, batch_index)

    @property
    def remark(self) -> str | None:
        """A sentence to end with."""
        return None

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the weights that serve others than receivers, such as judges."""
        return ()

    def weights_name(self, role: str) -> str:
        """The name of the weights that a block of the catalog asks for."""
        return role

    def block_weights(self, role: str) -> str:
        """Where the weights are that a block of the catalog asks for."""
        return self.weights_file(self.weights_name(role))

    def weights_file(self, name: str) -> str:
        """Where the weights `name` are: the path of an `.npz` file or, shipped, a name.

        Raises `ValueError` if the file is not the one the scenario was read with.
        """
        if self.weights is None:
            return name
        path = Path(self.weights.path) / f"{name}.npz"
        if not path.is_file():
            return name
        DataFile(path=str(path), sha256=self.weights.sha256.get(name)).checked()
        return str(path)

    def check_files(self) -> None:
        """Raises `ScenarioError` if a file that it names does not fit; quick."""

    def to_toml(self) -> str:
        """TOML text that `load_scenario` reads back to an equal scenario."""
        lines, sections = [], []
        for key, value in self.model_dump(exclude_none=True).items():
            if isinstance(value, dict) and "path" not in value:
                body = [f"{name} = {_toml(item)}" for name, item in value.items()]
                sections += ["", f"[{key}]", *body]
            else:
                lines.append(f"{key} = {_toml(value)}")
        return "\n".join(lines + sections) + "\n"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.to_toml())}</pre>"

    def _is_number(self, key: str) -> bool:
        """Whether a key of this scenario is a number that a sweep may set."""
        value: Any = self.model_dump()
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and key.partition(".")[0] not in NO_AXES


def _section(scenario: type[Scenario], name: str) -> Any:
    field = scenario.model_fields.get(name)
    return field and field.annotation


def batch_seed(seed: int, point: float, batch_index: int) -> int:
    """Seed of the bits, channel and noise of a batch, the same for all receivers."""
    key = [seed, round(point * 1000) % 2**32, batch_index]
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        items = (f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
