"""Plots of result rows, in one style; each `plot_…` takes an axes and returns it.

`with matplotlib.rc_context(STYLE):` gives figures of your own the same look.
"""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from link_sim.engine.results import replacing
from link_sim.metrics.rates import METRICS
from link_sim.scenarios.axes import axis_label, point_value

COLUMN = 3.5  # inch: the width of a column of a two-column page
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.2,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "savefig.dpi": 300,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.03,
    "pdf.fonttype": 42,  # text stays text
    "svg.hashsalt": "link-sim",  # the same file each time
}
BOUNDS = "perfect-csi", "genie"  # blocks that know what no receiver can
# Paul Tol's colour-blind safe "muted" scheme
COLOURS = (
    "#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#777777", "#661100", "#000000",
)  # fmt: skip
MARKERS = "osD^<P*Xhd>p"
LIMIT = {"marker": "v", "facecolors": "none"}


def plot_metric(ax: Axes, rows: Iterable[dict], metric: str) -> Axes:
    """Curves of one metric with 95 % bands, a curve a receiver.

    Receivers that coincide, such as two that differ in the image restorer only, share
    a curve. Receivers that know the channel are bounds, and dashed. On a logarithmic
    axis a point without errors is an open triangle at its upper limit. The legend is
    below the axes.
    """
    rows = list(rows)
    names = list(dict.fromkeys(row["receiver"] for row in rows))
    curves = {}
    for name in names:
        own = [r for r in rows if r["receiver"] == name and r["metric"] == metric]
        if own:
            own.sort(key=lambda row: row["point"])
            curve = tuple((r["point"], r["value"], r["low"], r["high"]) for r in own)
            curves.setdefault(curve, []).append(name)
    scale = METRICS[metric].scale
    for curve, sharers in curves.items():
        _draw(ax, np.array(curve, float), names.index(sharers[0]), sharers, scale)
    if scale == "log" and any(value == 0 for curve in curves for _, value, *_ in curve):
        label = "no error seen:\n95 % upper limit"
        ax.scatter([], [], edgecolors="black", label=label, **LIMIT)
    ax.set_yscale(scale)
    if rows and rows[0]["axis"] == "num_steps":
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    if rows and rows[0]["axis"] == "bandwidth_ratio":
        points = sorted({row["point"] for row in rows})
        ax.set_xscale("log")
        labels = [point_value("bandwidth_ratio", point) for point in points]
        ax.set_xticks(points, labels)
        ax.minorticks_off()
    ax.set_xlabel(axis_label(rows[0]["axis"]) if rows else "")
    ax.set_ylabel(METRICS[metric].label)
    ax.set_title(f"{rows[0]['scenario']}, with 95 % intervals" if rows else "")
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=2)
    return ax


def _draw(ax: Axes, curve: np.ndarray, index: int, names: list[str], scale: str):
    point, value, low, high = curve.T
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    bound = all(any(part in BOUNDS for part in name.split("+")) for name in names)
    shown = (value > 0) | (scale != "log")
    ax.plot(
        point[shown],
        value[shown],
        color=colour,
        marker=marker,
        linestyle="--" if bound else "-",
        label="\n".join(names),
    )
    ax.fill_between(
        point[shown], low[shown], high[shown], color=colour, alpha=0.18, linewidth=0
    )
    size = (9 - index % len(COLOURS) / 2) ** 2  # nested where the limits coincide
    ax.scatter(point[~shown], high[~shown], size, edgecolors=colour, **LIMIT)


def plot_convergence(ax: Axes, paths: dict[float, np.ndarray]) -> Axes:
    """EXIT chart of joint decoding: the staircase of each Es/N0 in dB.

    paths: results of `receivers.decoding.convergence.trajectory`, [rounds, 2] by Es/N0.
    A staircase that climbs to 1 decodes; one that gets stuck does not.
    """
    for index, (point, path) in enumerate(sorted(paths.items())):
        code, source = path.T
        x = np.repeat(np.concatenate([[0], source]), 2)[1:-1]
        colour = COLOURS[index % len(COLOURS)]
        ax.plot(x, np.repeat(code, 2), color=colour, label=f"Es/N0 = {point:g} dB")
    ax.set_xlabel("information from the image model [bit]")
    ax.set_ylabel("information from channel and code [bit]")
    ax.set_xlim(0, None)
    ax.set_ylim(None, 1.02)
    ax.legend()
    return ax


def plot_strip(
    ax: Axes,
    image: np.ndarray,
    received: dict[tuple[str, float], np.ndarray],
    axis: str,
) -> Axes:
    """The images as sent, and below them as each receiver recovers them at each point.

    image: float [number, height, width, channels] in [0, 1]; received: the same shape
    by (receiver, point). A row a receiver, a group of columns a point.
    """
    receivers = list(dict.fromkeys(receiver for receiver, _ in received))
    points = sorted({point for _, point in received})
    blank = np.ones_like(image)
    grid = [[_side_by_side(image) for _ in points]]
    for receiver in receivers:
        pictures = (received.get((receiver, point), blank) for point in points)
        grid.append([_side_by_side(picture) for picture in pictures])
    height, width = grid[0][0].shape[:2]
    gap = height // 4
    spread = [[np.pad(p, ((0, 2), (0, gap), (0, 0)), constant_values=1) for p in row]
              for row in grid]  # fmt: skip
    mosaic = np.concatenate([np.concatenate(row, axis=1) for row in spread])
    ax.imshow(np.broadcast_to(mosaic, (*mosaic.shape[:2], 3)), interpolation="nearest")
    ax.set_xticks([(width + gap) * i + width / 2 for i in range(len(points))])
    ax.set_xticklabels([point_value(axis, point) for point in points])
    ax.set_yticks([(height + 2) * i + height / 2 for i in range(len(grid))])
    ax.set_yticklabels(["sent", *receivers])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(axis_label(axis))
    return ax


def _side_by_side(images: np.ndarray) -> np.ndarray:
    framed = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=1)
    return np.concatenate(list(framed), axis=1)


def figures(rows: list[dict]) -> dict[str, Figure]:
    """A figure, one column wide, of each main metric that has values."""
    measured, drawn = {row["metric"] for row in rows}, {}
    with matplotlib.rc_context(STYLE):
        for metric, definition in METRICS.items():
            if definition.plotted and metric in measured:
                drawn[metric] = Figure(figsize=(COLUMN, 0.72 * COLUMN))
                plot_metric(drawn[metric].subplots(), rows, metric)
    return drawn


def save_plots(folder: Path, rows: list[dict], form: str = "png") -> None:
    """Writes ber.png, bler.png, … (or .pdf, .svg), those that have values."""
    for metric, figure in figures(rows).items():
        _save(figure, folder / f"{metric}.{form}")


def save_strip(folder: Path, pictures: dict, axis: str, form: str = "png") -> None:
    """Writes strip.png (or …) from `image` and the images by (receiver, point)."""
    received = {key: value for key, value in pictures.items() if key != "image"}
    rows, groups = (len({key[i] for key in received}) for i in (0, 1))
    number, height, width, _ = pictures["image"].shape
    wide = groups * (number * (width + 1) + height // 4) / height
    tall = (rows + 1) * (1 + 2 / height)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.35 * wide, 0.35 * tall))
        plot_strip(figure.subplots(), pictures["image"], received, axis)
    _save(figure, folder / f"strip.{form}")


def _save(figure: Figure, path: Path) -> None:
    with matplotlib.rc_context(STYLE), replacing(path) as draft:
        figure.savefig(draft, format=path.suffix[1:])
