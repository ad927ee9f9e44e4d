"""Plots of a report to point at and to click, where plotly is installed."""

from link_sim.metrics.rates import METRICS
from link_sim.scenarios.axes import axis_label
from link_sim.show.styles import receiver_styles

HOVER = "%{fullData.name}<br>at %{x}: %{y:.4g} [%{customdata[0]}, %{customdata[1]}]"
BELOW = "%{fullData.name}<br>at %{x}: no error seen, below %{customdata[1]}"
HEIGHT = 420
SYMBOLS = "circle", "square", "diamond", "triangle-up", "star", "x", "cross", "hexagon"


def interactive(rows: list[dict]) -> dict[str, str]:
    """HTML of each main metric that has values, by its name; none without plotly.

    Hovering shows value, 95 % interval and count; a click on a receiver hides it. The
    first brings the script that all use, so that the page needs no network.
    """
    try:
        from plotly import graph_objects
    except ImportError:
        return {}
    measured = {row["metric"] for row in rows}
    drawn: dict[str, str] = {}
    for metric, definition in METRICS.items():
        if not definition.plotted or metric not in measured:
            continue
        figure = graph_objects.Figure(_traces(rows, metric), _layout(rows, metric))
        drawn[metric] = figure.to_html(
            full_html=False,
            include_plotlyjs=not drawn,
            config={"responsive": True, "displaylogo": False},
        )
    return drawn


def _traces(rows: list[dict], metric: str) -> list[dict]:
    """A curve a receiver; it is broken where no error was seen, marked below all."""
    traces, log = [], METRICS[metric].scale == "log"
    styles = receiver_styles(row["receiver"] for row in rows)
    every = [row for row in rows if row["metric"] == metric]
    lowest = min((r["value"] for r in every if r["value"]), default=1.0)
    for index, (name, style) in enumerate(styles.items()):
        own = [r for r in rows if r["receiver"] == name and r["metric"] == metric]
        own = [r for r in own if r["value"] is not None]
        empty = [r for r in own if log and r["value"] == 0 and r["high"]]
        seen = [r if r not in empty else r | {"value": None} for r in own]
        seen = [r for r in seen if not log or r["value"] != 0]
        shared = {"type": "scatter", "legendgroup": name}
        colour = {"color": style["color"]}
        traces.append(
            shared
            | {
                "name": style["label"],
                "mode": "lines+markers",
                "x": [row["point"] for row in seen],
                "y": [row["value"] for row in seen],
                "error_y": _ends(seen) | colour,
                "customdata": [_told(row) for row in seen],
                "hovertemplate": HOVER + "<br>of %{customdata[2]}<extra></extra>",
                "line": colour | {"dash": _dash(style)},
                "marker": {"symbol": SYMBOLS[index % len(SYMBOLS)], "size": 7},
            }
        )
        limits = {
            "name": style["label"],
            "showlegend": False,
            "mode": "markers",
            "x": [row["point"] for row in empty],
            "y": [lowest / 2] * len(empty),
            "customdata": [_told(row) for row in empty],
            "hovertemplate": BELOW + "<br>of %{customdata[2]}<extra></extra>",
            "marker": colour | {"symbol": "circle-open", "size": 9},
        }
        traces += [shared | limits] if empty else []
    return traces


def _dash(style: dict) -> str:
    return "dash" if style["linestyle"] == "--" else "solid"


def _ends(rows: list[dict]) -> dict:
    values = [0.0 if r["value"] is None else r["value"] for r in rows]
    above = [(r["high"] or x) - x for r, x in zip(rows, values, strict=True)]
    below = [x - (r["low"] or x) for r, x in zip(rows, values, strict=True)]
    return {"array": above, "arrayminus": below, "thickness": 1, "width": 2}


def _told(row: dict) -> list:
    ends = (f"{x:.4g}" if x is not None else "-" for x in (row["low"], row["high"]))
    return [*ends, row["count"]]


def _layout(rows: list[dict], metric: str) -> dict:
    axis = rows[0]["axis"]
    log = axis in ("bandwidth_ratio", "num_steps")
    return {
        "template": "plotly_white",
        "height": HEIGHT,
        "margin": {"l": 60, "r": 10, "t": 10, "b": 50},
        "xaxis": {"title": axis_label(axis), "type": "log" if log else "linear"},
        "yaxis": {
            "title": METRICS[metric].label,
            "type": METRICS[metric].scale,
            "exponentformat": "power",
        },
        "legend": {"orientation": "h", "y": -0.2},
    }
