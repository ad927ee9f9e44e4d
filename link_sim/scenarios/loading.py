"""Scenarios by name or file: TOML text with overrides, checked and made whole."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from link_sim.scenarios import data_files
from link_sim.scenarios.base import Scenario, ScenarioError, sentence
from link_sim.scenarios.csi import CsiScenario
from link_sim.scenarios.detection import DetectionScenario
from link_sim.scenarios.feedback import FeedbackScenario
from link_sim.scenarios.focusing import FocusingScenario
from link_sim.scenarios.link import LinkScenario
from link_sim.scenarios.prediction import PredictionScenario
from link_sim.scenarios.python_values import as_plain
from link_sim.scenarios.semantic import SemanticScenario
from link_sim.scenarios.semi_blind import SemiBlindScenario
from link_sim.scenarios.separation import SeparationScenario
from link_sim.scenarios.sounding import SoundingScenario

KINDS: dict[str, type[Scenario]] = {
    "link": LinkScenario,
    "csi": CsiScenario,
    "detection": DetectionScenario,
    "semantic": SemanticScenario,
    "separation": SeparationScenario,
    "sounding": SoundingScenario,
    "focusing": FocusingScenario,
    "semi-blind": SemiBlindScenario,
    "feedback": FeedbackScenario,
    "prediction": PredictionScenario,
}
"""The kinds of experiments; a scenario without `kind` is a link."""


def list_scenarios() -> dict[str, str]:
    """Names of the shipped scenarios, each with its one-line description."""
    return {
        name: tomllib.loads(path.read_text("utf-8"))["description"]
        for name, path in sorted(_shipped().items())
    }


def load_scenario(
    name: str | Path, overrides: Iterable[str] = (), **values: Any
) -> Scenario:
    """The scenario `name` (shipped, or the path of a TOML file) with overrides.

    overrides: such as `"sweep.points=[0, 2]"`; the value is TOML, or else text.
    values: keys of the scenario with lists, ranges, arrays, paths or names in any case;
    a section is a dict of its keys, or for `sweep` the points alone.
    Files that the scenario names: see `link_sim.scenarios.data_files`.
    Raises `ScenarioError` with one sentence.

    Example:
        >>> load_scenario("image", sweep=range(0, 6, 2), channel={"model": "CDL-C"})
    """
    path = _shipped().get(str(name).lower()) or Path(name)
    if path.suffix != ".toml" or not path.is_file():
        known = ", ".join(sorted(_shipped()))
        raise ScenarioError(
            f"there is no scenario '{name}': use one of {known}, or the path of a "
            ".toml file"
        )
    try:
        data = _read(path.read_text("utf-8"))
        data_files.place(data, _kind(data), path.parent)
        for override in overrides:
            _override(data, override)
        _enter(data, as_plain(values))
        data_files.identify(data, _kind(data))
        return _validated(data)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"the scenario file {name} is unreadable: {error}"
        ) from None
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def parse_scenario(text: str) -> Scenario:
    """The scenario in TOML `text`, as `to_toml` writes it; see `load_scenario`."""
    return _validated(_read(text))


def _enter(data: dict, values: dict) -> None:
    """Enters values into a scenario's raw `data`, those of sections key by key."""
    sweep = values.get("sweep")
    if sweep is not None and not isinstance(sweep, dict):
        points = sweep if isinstance(sweep, list) else [sweep]
        values = values | {"sweep": {"points": points}}
    for key, value in values.items():
        section = data.setdefault(key, {}) if isinstance(value, dict) else None
        if isinstance(section, dict):
            section |= value
        else:
            data[key] = value


def _read(text: str) -> dict:
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"the scenario is not valid TOML: {error}") from None
    data_files.modernise(data)
    return data


def _kind(data: dict) -> type[Scenario]:
    kind = data.get("kind", "link")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ScenarioError(f"kind = {kind!r} is not known: use {', '.join(KINDS)}")
    return KINDS[kind]


def _validated(data: dict) -> Scenario:
    try:
        return _kind(data).model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise ScenarioError(sentence(error)) from None


def _shipped() -> dict[str, Path]:
    folder = Path(__file__).parent
    return {path.stem: path for path in folder.glob("*.toml")}


def _override(data: dict, override: str) -> None:
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
