"""Tables for papers and programs: Markdown, LaTeX, MATLAB, JSON."""

import json
import math
import re
from collections.abc import Iterator

from link_sim.metrics.rates import METRICS
from link_sim.scenarios.axes import axis_label, point_value
from link_sim.show.display import cell, main_metrics, short


def markdown(rows: list[dict], intervals: bool = False) -> str:
    """A table for each main metric, a row a receiver and a column a point."""
    return "\n\n".join(
        "\n".join(
            f"| {' | '.join(line)} |" for line in [top, ["---"] * len(top), *body]
        )
        for _, top, body in _texts(rows, intervals)
    )


def latex(rows: list[dict], intervals: bool = False) -> str:
    """The same for LaTeX with the package booktabs."""
    return "\n\n".join(
        "\n".join(
            [
                f"% {METRICS[metric].label}",
                rf"\begin{{tabular}}{{l{'r' * (len(top) - 1)}}}",
                r"\toprule",
                _latex_row(top),
                r"\midrule",
                *map(_latex_row, body),
                r"\bottomrule",
                r"\end{tabular}",
            ]
        )
        for metric, top, body in _texts(rows, intervals)
    )


def matlab(rows: list[dict], intervals: bool = False) -> str:
    """A struct for each main metric: names, points, and a row of values a receiver.

    intervals: with the fields `low` and `high`; NaN is what is not known.
    """
    written = []
    for metric, names, points, found in _tables(rows):
        labels = ", ".join(f"'{name}'" for name in names)
        written += [
            f"% {METRICS[metric].label} over {axis_label(rows[0]['axis'])}",
            f"{metric}.names = {{{labels}}};",
            f"{metric}.points = {_vector(points)};",
        ]
        for key in ("value", "low", "high") if intervals else ("value",):
            values = (
                _vector([found.get((name, point), {}).get(key) for point in points])
                for name in names
            )
            written.append(f"{metric}.{key} = [{'; '.join(values)}];")
    return "\n".join(written)


def rows_as_json(rows: list[dict], intervals: bool = False) -> str:
    """The rows of all metrics as they are, always with intervals."""
    return json.dumps(rows, indent=1)


WRITERS = {
    "json": rows_as_json,
    "latex": latex,
    "markdown": markdown,
    "matlab": matlab,
}


def _tables(rows: list[dict]) -> Iterator[tuple]:
    """Of each main metric its name, receivers, points, and rows by the latter two."""
    for metric in main_metrics({row["metric"] for row in rows}):
        own = [row for row in rows if row["metric"] == metric]
        names = list(dict.fromkeys(row["receiver"] for row in own))
        points = sorted({row["point"] for row in own})
        yield metric, names, points, {(r["receiver"], r["point"]): r for r in own}


def _texts(rows: list[dict], intervals: bool) -> Iterator[tuple]:
    """Of each main metric its name, the heading and the lines of its table."""
    write = cell if intervals else short
    for metric, names, points, found in _tables(rows):
        axis = rows[0]["axis"]
        head = f"{METRICS[metric].column} over {axis_label(axis)}"
        top = [head, *(point_value(axis, point) for point in points)]
        body = [
            [name, *(write(found.get((name, p))) for p in points)] for name in names
        ]
        yield metric, top, body


def _latex_row(cells: list[str]) -> str:
    first, *values = cells
    return " & ".join([_escaped(first), *map(_latex_value, values)]) + r" \\"


def _escaped(text: str) -> str:
    return re.sub(r"([_%&#$])", r"\\\1", text)


def _latex_value(text: str) -> str:
    power = re.sub(r" ?e(-?\d+)", r" \\cdot 10^{\1}", text)
    return "--" if text == "-" else f"${power}$"


def _vector(values: list[float | None]) -> str:
    numbers = ("NaN" if x is None or math.isnan(x) else json.dumps(x) for x in values)
    return f"[{' '.join(numbers)}]"
