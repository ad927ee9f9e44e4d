"""What makes two runs one: all of their scenarios but receivers, points, stop rules.

Bits, channels and noise of a batch do not depend on receivers, so a folder takes more
of them, and more points.
"""

import hashlib
import operator
import re
from pathlib import Path
from typing import Any

from link_sim.engine.count_lines import ResultsError
from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.loading import parse_scenario

FREE = "receivers", "stop"
"""Keys in which the runs of a folder may differ, with `sweep.points`."""
LONGEST_NAME = 60
"""Characters of the name of a folder, unless the scenario's is longer."""


def refuse_another(folder: Path, scenario: Scenario, remedy: str) -> None:
    """Raises `ResultsError` if the folder holds a run of another scenario."""
    text = (folder / "scenario.toml").read_text("utf-8", errors="replace")
    there, ours = _identity(text), _identity(scenario.to_toml())
    for key in there | ours:
        same = _agree if key == "weights" else operator.eq
        if not same(there.get(key), ours.get(key)):
            raise ResultsError(
                f"{folder} holds another run, with {key} = {there.get(key)} instead of "
                f"{ours.get(key)}: {remedy}"
            )


def together(scenario: Scenario, runs: list[Scenario]) -> Scenario:
    """The scenario with the receivers and the points of all runs, its own too."""
    names = dict.fromkeys(name for run in runs for name in run.receivers)
    points = {point for run in runs for point in run.sweep.points}
    wider = points > set(scenario.sweep.points)
    kept = tuple(sorted(points)) if wider else scenario.sweep.points
    sweep = scenario.sweep.model_copy(update={"points": kept})
    weights = scenario.weights
    if weights is not None:
        hashes = [run.weights.sha256 for run in runs if run.weights]
        known = {name: value for each in hashes for name, value in each.items()}
        weights = weights.model_copy(update={"sha256": known})
    update = {"receivers": tuple(names), "sweep": sweep, "weights": weights}
    return scenario.model_copy(update=update)


def adds(whole: Scenario, run: Scenario) -> bool:
    """Whether one scenario has receivers or points that the other has not."""
    receivers = set(whole.receivers) - set(run.receivers)
    return bool(receivers or set(whole.sweep.points) - set(run.sweep.points))


def folder_name(scenario: Scenario, plain: Scenario) -> str:
    """The scenario's name, and the settings in which it differs from the plain one.

    Such as `csi-link-speed-70`; receivers, points and stop rules are not told.
    """
    ours, theirs = _identity(scenario.to_toml()), _identity(plain.to_toml())
    other = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
    told = [f"{key.rpartition('.')[2]}-{ours.get(key)}" for key in other]
    words = re.sub(r"[^a-z0-9._]+", "-", " ".join(told).lower()).strip("-")
    name = f"{scenario.name}-{words}" if words else scenario.name
    if len(name) <= max(LONGEST_NAME, len(scenario.name)):
        return name
    return f"{scenario.name}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _identity(toml: str) -> dict:
    swept = ""
    try:
        scenario = parse_scenario(toml)
        sections, swept = scenario.model_dump(exclude_none=True), scenario.axis.key
    except ScenarioError:
        sections = {"scenario.toml": "not a scenario"}
    for key in FREE:
        sections.pop(key, None)
    flat: dict = {}
    for key, value in sections.items():
        inner = value if isinstance(value, dict) and "path" not in value else None
        named = {f"{key}.{name}": item for name, item in (inner or {}).items()}
        flat |= {key: value} if inner is None else named
    for key in "sweep.points", swept:  # each point sets the latter
        flat.pop(key, None)
    return {key: _content(value) for key, value in flat.items()}


def _content(value: Any) -> Any:
    """Of a file, what it holds: it may lie elsewhere."""
    known = isinstance(value, dict) and value.get("sha256")
    return known or value


def _agree(one: Any, other: Any) -> bool:
    """Whether two folders of weights agree, on files that both runs use."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(one[name] == other[name] for name in one.keys() & other.keys())
    return one == other
