"""Scenarios: everything that defines a comparison, as strict models read from TOML."""

import json
import tomllib
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError, model_validator

from link_sim.experiments.csi import CsiScenario
from link_sim.scenarios import data_files
from link_sim.scenarios.base import Experiment
from link_sim.scenarios.sections import Antennas, Channel, Code, Grid, Payload, Sweep
from link_sim.scenarios.semantic import SemanticScenario


class ScenarioError(ValueError):
    """A scenario that cannot be run; the message is one sentence with the remedy."""


class Scenario(Experiment):
    """One comparison of receivers over a link; see the sections for each part."""

    runs_in: ClassVar = "link_sim.engine.batches"

    payload: Payload = Payload()
    code: Code = Code()
    grid: Grid = Grid()
    antennas: Antennas = Antennas()
    channel: Channel = Channel()
    sweep: Sweep

    @model_validator(mode="after")
    def check(self):
        carriers, streams = self.grid.effective_subcarriers, self.antennas.streams
        if carriers % streams:
            raise ValueError(
                f"antennas.streams = {streams} must divide the {carriers} usable "
                "subcarriers: change grid.guard_carriers"
            )
        return self

    def at(self, point: float) -> tuple["Scenario", float]:
        """The scenario of one point, and the point on the axis that this one sweeps."""
        if self.sweep.axis != "pilot_spacing":
            return self, point
        grid = self.grid.model_copy(update={"pilot_spacing": int(point)})
        sweep = Sweep(points=(self.sweep.ebno_db,))
        one = self.model_copy(update={"grid": grid, "sweep": sweep})
        return one, self.sweep.ebno_db


KINDS = {"link": Scenario, "csi": CsiScenario, "semantic": SemanticScenario}
"""The kinds of experiments; a scenario without `kind` is a link."""


def list_scenarios() -> dict[str, str]:
    """Names of the shipped scenarios, each with its one-line description."""
    return {
        name: tomllib.loads(path.read_text())["description"]
        for name, path in sorted(_shipped().items())
    }


def load_scenario(name: str, overrides: list[str] = ()) -> Experiment:
    """The scenario `name` (shipped, or the path of a TOML file) with dotted overrides.

    overrides: such as `"sweep.points=[0, 2]"`; the value is TOML, or else text.
    Files that the scenario names: see `link_sim.scenarios.data_files`.
    Raises `ScenarioError` with one sentence.
    """
    path = _shipped().get(name) or Path(name)
    if path.suffix != ".toml" or not path.is_file():
        known = ", ".join(sorted(_shipped()))
        raise ScenarioError(
            f"there is no scenario '{name}': use one of {known}, or the path of a "
            ".toml file"
        )
    try:
        data = _read(path.read_text())
        data_files.place(data, path.parent)
        for override in overrides:
            _override(data, override)
        data_files.identify(data)
        return _validated(data).pinned()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"the scenario file {name} is unreadable: {error}"
        ) from None
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def parse_scenario(text: str) -> Experiment:
    """The scenario in TOML `text`, as `to_toml` writes it; see `load_scenario`."""
    return _validated(_read(text))


def _read(text: str) -> dict:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"the scenario is not valid TOML: {error}") from None


def _validated(data: dict) -> Experiment:
    kind = data.get("kind", "link")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ScenarioError(f"kind = {kind!r} is not known: use {', '.join(KINDS)}")
    if kind == "link":
        data.pop("kind", None)
    try:
        return KINDS[kind].model_validate_json(_json(data))
    except ValidationError as error:
        raise ScenarioError(_sentence(error)) from None


def _shipped() -> dict[str, Path]:
    folder = Path(__file__).parent
    return {path.stem: path for path in folder.glob("*.toml")}


def _override(data: dict, override: str):
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ScenarioError(f"the override '{override}' needs the form key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text
    *parents, last = key.strip().split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ScenarioError(f"the key '{key}' goes into '{parent}', not a section")
    data[last] = value


def _json(data: dict) -> str:
    return json.dumps(data, default=str)


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"the scenario key '{key}' is unknown: remove it or check its spelling"
    if first["type"] == "missing":
        return f"the scenario key '{key}' is missing: add it"
    if first["type"] == "value_error":
        return f"{key}: {first['ctx']['error']}" if key else str(first["ctx"]["error"])
    return f"{key} = {first['input']!r} is not possible: {first['msg']}"
