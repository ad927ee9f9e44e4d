"""A results folder: the scenario, its counts line by line, and what follows from them.

    scenario.toml   the scenario as resolved
    counts.jsonl    one line a batch, append-only, each with its point and seed
    versions.json   the software and the weight files that made the counts
    summary.csv     the metrics with their intervals

A line is on the disk before the next batch is taken, so a run that is killed at any
instant loses the batch in flight and nothing else.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from link_sim.engine import count_lines, identity, versions
from link_sim.engine.count_lines import ResultsError
from link_sim.engine.montecarlo import Line, Tally, joined
from link_sim.metrics.pairs import jackknife
from link_sim.metrics.rates import METRICS, estimate
from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.loading import parse_scenario


class Results:
    """A results folder opened for writing: the lines that are there, and `append`.

    scenario: as asked for, with the receivers that are there too.
    """

    def __init__(self, scenario: Scenario, lines: list[Line], file: BinaryIO):
        self.scenario, self.lines = scenario, lines
        self._file = file

    def append(self, line: Line) -> None:
        """Puts the line on the disk before it returns."""
        self._file.write(count_lines.encode(line))
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def open_results(
    folder: Path, scenario: Scenario, makers: list[dict] | None = None
) -> Iterator[Results]:
    """Opens a folder to add batches of the scenario, alone, or makes it.

    A folder takes more receivers and more points; one without a batch, anything.
    makers: the versions that made these batches, if not those of today. A last line
    that was cut short or garbled by a crash is removed. Raises `ResultsError` for a
    folder that holds another scenario, that other weights made or that another process
    writes to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), open(folder / "counts.jsonl", "ab") as file:
        lines, length = count_lines.read(folder / "counts.jsonl")
        runs, known = [scenario], []
        if lines:
            _refuse_another(folder, scenario, lines)
            runs.insert(0, load_results(folder)[0])
            known = versions.load(folder)
        whole = identity.together(scenario, runs)
        scenario = whole.model_copy(update={"sweep": scenario.sweep})
        more = [versions.of_today(scenario)] if makers is None else makers
        made = versions.join(known, more, folder)
        file.truncate(length)
        _replace(folder / "scenario.toml", whole.to_toml())
        if made != known:
            _replace(folder / "versions.json", json.dumps(made, indent=2) + "\n")
        if identity.adds(whole, runs[0]):
            for strip in folder.glob("strip.*"):
                strip.unlink()
        yield Results(scenario, lines, file)


def load_results(folder: Path) -> tuple[Scenario, list[Line]]:
    """The scenario and the lines of a results folder; `ResultsError` if it is none."""
    path = folder / "scenario.toml"
    if not path.is_file():
        raise ResultsError(
            f"{folder} is not a results folder: it has no scenario.toml; "
            f"make one with `link-sim run --out {folder}`"
        )
    try:
        scenario = parse_scenario(path.read_text(encoding="utf-8"))
    except (ScenarioError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is damaged: {error}") from None
    return scenario, count_lines.read(folder / "counts.jsonl")[0]


def merge(folders: list[Path], out: Path) -> None:
    """Adds up the batches of several folders of one run, such as shards, in another.

    A batch that several folders have counts once. Receivers and points add up, the stop
    rules are those of the first folder. Raises `ResultsError` if the folders hold
    different runs, were made with different weights or contradict each other.
    """
    parts = [load_results(folder) for folder in folders]
    scenario = parts[0][0]
    lines: dict[tuple[float, int], Line] = {}
    makers: list[dict] = []
    for folder, (_, found) in zip(folders, parts, strict=True):
        _refuse_another(folder, scenario, found, "leave it out")
        made = versions.load(folder)
        makers = versions.join(makers, made, folder, "leave it out")
        for line in found:
            key = line["point"], line["batch"]
            known = lines.get(key, line)
            if not count_lines.agree(known, line):
                raise ResultsError(
                    f"{folder} has other counts than another folder for batch {key[1]} "
                    f"at {key[0]:g}: merge folders that the same software made"
                )
            lines[key] = joined(known, line)
    scenario = identity.together(scenario, [run for run, _ in parts])
    with open_results(out, scenario, makers) as stored:
        there = {(line["point"], line["batch"]): line for line in stored.lines}
        for key in sorted(lines):
            if lines[key]["counts"].keys() - there.get(key, {"counts": {}})["counts"]:
                stored.append(lines[key])


def rows(scenario: Scenario, tallies: dict[float, Tally]) -> list[dict]:
    """One row for each point, receiver and metric that was measured.

    Keys: scenario, receiver, axis, point, metric, value, low, high (the ends of the
    95 % interval, None where there is none), count (the trials behind the value:
    bits, blocks, images or frames).
    """
    table = []
    for point, tally in tallies.items():
        for receiver in scenario.receivers:
            counts = tally.counts.get(receiver, {})
            for metric, definition in METRICS.items():
                found = estimate(counts, metric)
                if found is None:
                    continue
                if math.isnan(found.low):  # no interval from sums over frames
                    batches = [line["counts"][receiver] for line in tally.lines]
                    found = jackknife(batches, metric) or found
                table.append(
                    {
                        "scenario": scenario.name,
                        "receiver": receiver,
                        "axis": scenario.sweep.axis,
                        "point": point,
                        "metric": metric,
                        "value": _finite(found.value),
                        "low": _finite(found.low),
                        "high": _finite(found.high),
                        "count": counts[definition.trials],
                    }
                )
    return table


def write_summary(folder: Path, table: list[dict]) -> None:
    """Writes the rows to summary.csv."""
    import pandas as pd

    _replace(folder / "summary.csv", pd.DataFrame(table).to_csv(index=False))


def _refuse_another(
    folder: Path,
    scenario: Scenario,
    lines: list[Line],
    remedy: str = "choose another folder with --out",
) -> None:
    if (folder / "scenario.toml").is_file():
        identity.refuse_another(folder, scenario, remedy)
    elif lines:
        raise ResultsError(f"{folder} has counts but no scenario.toml: {remedy}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ResultsError(
            f"another run is writing to {folder}: wait for it, "
            "or choose another folder with --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _replace(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which replaces the file once it is whole and on the disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    yield draft
    with open(draft, "rb+") as file:  # Windows syncs no file that is only read
        os.fsync(file.fileno())
    os.replace(draft, path)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
