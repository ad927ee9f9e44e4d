"""What commands print: tables of a run, of differences between receivers, of speed.

Tables keep to a width: names never wrap, and columns that do not fit go below.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from link_sim.engine.montecarlo import Tally
from link_sim.metrics.rates import METRICS
from link_sim.scenarios.axes import axis_label, point_value
from link_sim.scenarios.base import Scenario

GAP = 2  # blanks between columns

Column = tuple[str, Sequence[str]]  # its heading and its cells


def final_table(
    scenario: Scenario,
    rows: Iterable[dict],
    tallies: dict[float, Tally],
    width: int = 80,
    intervals: bool = False,
) -> Group:
    """A table for each main metric: a row a receiver, a column a point.

    width: of the terminal. intervals: shows 95 % intervals too. A rate without errors
    is shown as below its upper limit.
    """
    numbers = [len(tally.lines) for tally in tallies.values() if tally.lines] or [0]
    batches = " to ".join(map(str, sorted({min(numbers), max(numbers)})))
    batches += " batch" if batches == "1" else " batches"
    frames = scenario.batch_size
    heading = f"{scenario.name}: {batches} of {frames} frames at each point"
    points = [point for point, tally in tallies.items() if tally.lines]
    parts = _tables(list(rows), points, width, cell if intervals else short)
    return Group(Text(heading, "bold"), *parts)


def tables(
    rows: list[dict], width: int = 80, intervals: bool = False
) -> Iterator[RenderableType]:
    """Of each main metric of rows a title and its table; see `final_table`."""
    return _tables(rows, _points(rows), width, cell if intervals else short)


def difference_table(
    scenario: Scenario, rows: Iterable[dict], reference: str, width: int = 80
) -> Group:
    """Tables of `differences.difference_rows`: values and half their 95 % intervals."""
    heading = f"{scenario.name}: receiver minus {reference}, on the same batches"
    rows, what = list(rows), f" minus {reference}"
    parts = _tables(rows, _points(rows), width, difference, what)
    return Group(Text(heading, "bold"), *parts)


def _points(rows: Iterable[dict]) -> list[float]:
    return sorted({row["point"] for row in rows})


def _tables(
    rows: list[dict], points: list[float], width: int, write: Callable, what: str = ""
) -> Iterator[RenderableType]:
    """Of each main metric a title and its table, in parts that fit the width."""
    found = {(r["receiver"], r["point"], r["metric"]): r for r in rows}
    names = list(dict.fromkeys(row["receiver"] for row in rows))
    axis = rows[0]["axis"] if rows else ""
    for metric in main_metrics({metric for *_, metric in found}):
        shown = METRICS[metric]
        yield Text(
            f"\n{shown.column}{what} over {axis_label(axis)} ({shown.better} is better)"
        )
        yield from grid(
            ("", names),
            [
                (
                    point_value(axis, point),
                    [write(found.get((name, point, metric))) for name in names],
                )
                for point in points
            ],
            width,
        )


def main_metrics(measured: set[str]) -> list[str]:
    """Those that have a column.

    Of what a classifier tells: accuracy and the Fréchet distance where labels are
    known, class flips elsewhere.
    """
    hidden = "class_flips" if "accuracy" in measured else "fcd"
    return [m for m in METRICS if METRICS[m].column and m in measured - {hidden}]


def grid(names: Column, columns: Iterable[Column], width: int) -> list[Table]:
    """Tables with these names in front: one, or several of which each fits."""
    groups: list[list[Column]] = [[]]
    taken = _wide(names)
    for column in columns:
        if groups[-1] and taken + GAP + _wide(column) > width:
            groups.append([])
            taken = _wide(names)
        groups[-1].append(column)
        taken += GAP + _wide(column)
    return [_table(names, group) for group in groups if group]


def _wide(column: Column) -> int:
    heading, cells = column
    return max(map(cell_len, [heading, *cells]))


def _table(names: Column, columns: list[Column]) -> Table:
    """The rows in which any column says something."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column(names[0], no_wrap=True)
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, *cells in zip(names[1], *(cells for _, cells in columns), strict=True):
        if any(cells):
            table.add_row(name, *cells)
    return table


def point_name(axis: str, point: float) -> str:
    """A point in words, such as `Eb/N0 [dB] = 3` or `bandwidth ratio k/n = 1/12`."""
    return f"{axis_label(axis)} = {point_value(axis, point)}"


def left_out(scenario: Scenario, tallies: dict[float, Tally]) -> Iterator[str]:
    """Sentences on the receivers and the batches that are not shown, and why."""
    for point, tally in tallies.items():
        where = point_name(scenario.sweep.axis, point)
        for name in sorted(tally.excluded):
            yield f"{name} is left out at {where}: it gave values that are not finite"
    reached = next((p for p, tally in tallies.items() if tally.on_target), None)
    if reached is not None and not all(tally.lines for tally in tallies.values()):
        where = point_name(scenario.sweep.axis, reached)
        yield f"the sweep ends at {where}, where stop.target_bler is reached"
    waiting = sum(len(t.waiting) for t in tallies.values() if not t.finished)
    if waiting:
        yield (
            f"{waiting} batches are not shown, as earlier ones or receivers of them "
            "are missing: add up all shards with link-sim merge, or continue the run"
        )


def facts_table(title: str, facts: dict) -> Table:
    """A fact a row; numbers with three digits."""
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    for name, value in facts.items():
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        table.add_row(f"  {name}", shown)
    return table


def bench_table(title: str, rows: list[dict], width: int = 80) -> RenderableType:
    """The rows with one column for each value and its spread: `226 [210, 233]`.

    What all rows share stands in the title, what tells them apart in front.
    """
    folded = [_with_spread(row) for row in rows]
    keys = list(dict.fromkeys(key for row in folded for key in row))
    first = next((k for k in keys if isinstance(rows[0].get(k), float)), None)
    ahead = keys[: keys.index(first)] if first else keys
    ahead += [k for k in keys if k not in ahead and isinstance(rows[0].get(k), str)]
    shared = [k for k in keys if len(rows) > 1 and len({r.get(k) for r in folded}) == 1]
    ahead = [key for key in ahead if key not in shared]
    names = [" ".join(row[key] for key in ahead) for row in folded]
    columns = [
        (key, [row.get(key, "") for row in folded])
        for key in keys
        if key not in ahead + shared
    ]
    heading = ", ".join([title, *(f"{key} {folded[0][key]}" for key in shared)])
    return Group(Text(heading, "bold"), *grid((" ".join(ahead), names), columns, width))


def _with_spread(row: dict) -> dict[str, str]:
    cells: dict[str, str] = {}
    last = ""
    for key, value in row.items():
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        if key == "fastest" or key.endswith("_low"):
            cells[last] += f" [{text}, "
        elif key == "slowest" or key.endswith("_high"):
            cells[last] += f"{text}]"
        else:
            cells[key], last = text, key
    return cells


def short(row: dict | None) -> str:
    """A value alone, such as `24.1` or `1.2e-3`; `<3.1e-2` where no error was seen."""
    if row is None or row["value"] is None:
        return "-"
    limit = METRICS[row["metric"]].form is None and row["value"] == 0 and row["high"]
    return (
        f"<{value_text(row['metric'], limit)}"
        if limit
        else value_text(row["metric"], row["value"])
    )


def value_text(metric: str, value: float) -> str:
    """A value of a metric in at most seven characters."""
    form = METRICS[metric].form or (".3f" if value >= 0.01 else ".1e")
    return format(value, form).replace("e-0", "e-") if value else "0"


def cell(row: dict | None) -> str:
    """A value with its 95 % interval, in short.

    Such as `24.1 [23.9, 24.3]`; in `1.2 [0.9, 1.6] e-3` the power is common.
    """
    if row is None:
        return "-"
    values = row["value"], row["low"], row["high"]
    texts, ending = _common_power(row["metric"], values, values[0] or values[2])
    return "{} [{}, {}]".format(*texts) + ending


def difference(row: dict | None) -> str:
    """A difference and half its 95 % interval: `+0.8 ±0.1` or `-1.2 ±0.3 e-3`."""
    if row is None or row["value"] is None:
        return "-"
    value, low, high = row["value"], row["low"], row["high"]
    half = None if high is None else (high - low) / 2
    texts, ending = _common_power(
        row["metric"], (value, half), max(abs(value), half or 0)
    )
    sign = "+" if value > 0 else ""
    return f"{sign}{texts[0]} ±{texts[1]}{ending}"


def _common_power(
    metric: str, values: Iterable[float | None], largest: float | None
) -> tuple[list, str]:
    """Values as text, in units of a power of ten, and that power where it is not 1."""
    form, power, ending = METRICS[metric].form or ".3f", 0, ""
    if METRICS[metric].form is None and largest is not None and 0 < largest < 0.01:
        power = math.floor(math.log10(largest))
        form, ending = ".1f", f" e{power}"
    texts = ["-" if x is None else format(x / 10.0**power, f"z{form}") for x in values]
    return texts, ending
