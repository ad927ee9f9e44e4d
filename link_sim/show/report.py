"""A results folder as one HTML page that needs nothing else: plots, numbers, origin.

Where plotly is installed the plots can be pointed at and clicked.
"""

import base64
import io
import json
from pathlib import Path

import jinja2
import matplotlib
from matplotlib.figure import Figure

from link_sim.engine import results, versions
from link_sim.engine.montecarlo import Tally
from link_sim.metrics.rates import METRICS
from link_sim.scenarios.base import Scenario
from link_sim.show import display, plots
from link_sim.show.interactive import interactive

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(folder: Path, scenario: Scenario, tallies: dict[float, Tally]) -> Path:
    """Writes report.html into a results folder and returns its path."""
    rows = results.rows(scenario, tallies)
    measured = {row["metric"] for row in rows}
    strip = folder / "strip.png"
    clickable = interactive(rows)
    still = [row for row in rows if row["metric"] not in clickable]
    page = _template().render(
        scenario=scenario,
        metrics={m: METRICS[m].label for m in METRICS if m in measured},
        points=[_point(scenario, rows, *item) for item in tallies.items()],
        left_out=list(display.left_out(scenario, tallies)),
        plots={metric: _svg(figure) for metric, figure in plots.figures(still).items()},
        interactive=clickable.values(),
        strip=_data("image/png", strip.read_bytes()) if strip.is_file() else None,
        versions=[json.dumps(v, indent=1) for v in versions.load(folder)],
    )
    path = folder / "report.html"
    with results.replacing(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def _point(scenario: Scenario, rows: list[dict], point: float, tally: Tally) -> dict:
    found = {(r["receiver"], r["metric"]): r for r in rows if r["point"] == point}
    keys = [(name, metric) for name in scenario.receivers for metric in METRICS]
    return {
        "name": display.point_name(scenario.sweep.axis, point),
        "cells": {key: display.cell(found.get(key)) for key in keys},
        "seeds": [line["seed"] for line in tally.lines],
    }


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _svg(figure: Figure) -> str:
    """A figure as the address of an image, apart from the names of other figures."""
    file = io.BytesIO()
    with matplotlib.rc_context(plots.STYLE):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return _data("image/svg+xml", file.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
