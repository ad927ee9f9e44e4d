"""Several results folders and published curves as rows of one table and one plot."""

import csv
import math
from collections import Counter
from pathlib import Path

from link_sim.engine import results
from link_sim.metrics.rates import METRICS

NEEDED = "point", "value"
KNOWN = "receiver", "metric", "point", "value", "low", "high"


def rows_together(runs: dict[Path, tuple], references: list[Path]) -> list[dict]:
    """Rows as `results.rows` gives them, of all runs and then of all references.

    runs: scenario and tallies by their folder, whose name tells apart receivers that
    several have. references: see `read_reference`. Raises `ValueError` unless all
    runs sweep over the same axis.
    """
    first, *others = (scenario for scenario, _ in runs.values())
    for other in others:
        if other.sweep.axis != first.sweep.axis:
            raise ValueError(
                f"{other.name} sweeps over {other.sweep.axis}, {first.name} over "
                f"{first.sweep.axis}: show folders of the same axis together"
            )
    folders = Counter(folder.name for folder in runs)
    names = Counter(name for run, _ in runs.values() for name in run.receivers)
    table = []
    for folder, (scenario, tallies) in runs.items():
        for row in results.rows(scenario, tallies):
            name = row["receiver"]
            where = folder.name if folders[folder.name] == 1 else folder
            told = f"{name} ({where})" if names[name] > 1 else name
            table.append(row | {"receiver": told})
    for path in references:
        table += read_reference(path, first.sweep.axis, first.watched)
    return table


def read_reference(path: Path, axis: str, metric: str) -> list[dict]:
    """Curves of a CSV file, such as of a paper or of another summary.csv.

    Columns: `point` and `value`, and where they are known `receiver` (else the name of
    the file), `metric` (else `metric`), `low` and `high`; others are left out. Raises
    `ValueError` with one sentence.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--reference {path} is unreadable: {error}") from None
    missing = [key for key in NEEDED if not lines or key not in lines[0]]
    if missing:
        raise ValueError(
            f"--reference {path} has no column {' and '.join(missing)}: its first line "
            f"names columns among {', '.join(KNOWN)}"
        )
    return [
        {
            "scenario": path.stem,
            "receiver": line.get("receiver") or path.stem,
            "axis": axis,
            "point": _number(path, number, line, "point", needed=True),
            "metric": _metric(path, number, line.get("metric") or metric),
            "value": _number(path, number, line, "value", needed=True),
            "low": _number(path, number, line, "low"),
            "high": _number(path, number, line, "high"),
            "count": None,
        }
        for number, line in enumerate(lines, 2)
        if line.get("axis") in (None, "", axis)
    ]


def _metric(path: Path, number: int, name: str) -> str:
    if name not in METRICS:
        raise ValueError(
            f"line {number} of {path} has the metric '{name}': use one of "
            f"{', '.join(METRICS)}"
        )
    return name


def _number(
    path: Path, number: int, line: dict, key: str, needed: bool = False
) -> float | None:
    text = line.get(key) or ""
    if not text and not needed:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"line {number} of {path} has the {key} '{text}': use a finite number"
        )
    return value
