"""Plots of result rows, in one style; each `plot_…` takes an axes and returns it.

`with matplotlib.rc_context(STYLE):` gives figures of your own the same look.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from link_sim.engine.results import replacing
from link_sim.metrics.rates import METRICS
from link_sim.scenarios.axes import axis_label, point_value
from link_sim.show.end_labels import label_ends
from link_sim.show.no_errors import NONE_SEEN, draw_unseen
from link_sim.show.styles import COLOURS, COLUMN, STYLE, receiver_styles, typeset

MOST_TICKS = 10
"""Up to so many points stand at the axis each."""
CROWD = 8
"""More receivers than this take a higher figure."""


def plot_metric(ax: Axes, rows: Iterable[dict], metric: str) -> Axes:
    """Curves of one metric with 95 % bands, a curve a receiver.

    Colours stand for estimators, markers and lines for the rest of a receiver; where
    receivers that know the channel stand beside others, they are bounds, and dashed.
    Receivers that coincide, such as two that differ in the image restorer only, share a
    curve. A curve breaks at points where there is no value. On a logarithmic axis a
    point without errors has a hollow marker in the strip below all values, with the
    upper limit of its interval, which counts frames: bits of a frame are not
    independent. Names stand at the ends of the curves where there is room for all, or
    else in a legend below the axes.
    """
    rows = list(rows)
    own = [row for row in rows if row["metric"] == metric]
    positive = any((row["value"] or row["high"] or 0) > 0 for row in own)
    scale = METRICS[metric].scale if positive else "linear"
    points = sorted({row["point"] for row in own})
    styles = receiver_styles(row["receiver"] for row in rows)
    curves: dict[bytes, list[str]] = {}
    arrays = {name: _curve(own, name, points) for name in styles}
    for name in dict.fromkeys(row["receiver"] for row in own):
        curves.setdefault(arrays[name].tobytes(), []).append(name)
    unseen, lines = [], []
    for sharers in curves.values():
        ends, style = arrays[sharers[0]], styles[sharers[0]]
        empty = (ends[:, 0] == 0) & (scale == "log")
        value, low, high = np.where(empty[:, None], np.nan, ends).T
        label = "\n".join(styles[sharer]["label"] for sharer in sharers)
        lines += ax.plot(points, value, **style | {"label": typeset(label)})
        alpha = 0.15 if len(curves) <= CROWD else 0.08
        colour = style["color"]
        ax.fill_between(points, low, high, color=colour, alpha=alpha, linewidth=0)
        unseen += [(points[i], ends[i, 2], style) for i in np.flatnonzero(empty)]
    ax.set_yscale(scale)
    # points where no curve is, but marks of no error, count too
    ax.update_datalim([(point, 1.0) for point in points], updatey=False)
    ax.autoscale_view()
    _set_labels(ax, rows, points)
    ax.set_ylabel(typeset(METRICS[metric].label))
    if unseen:
        values = (r["value"] for r in own)
        draw_unseen(ax, unseen, np.array([x for x in values if x]))
    named = len(lines) <= CROWD and label_ends(ax, lines, NONE_SEEN if unseen else 0)
    _add_legend(ax, lines if named else ())
    return ax


def plot_difference(
    ax: Axes, rows: Iterable[dict], metric: str, reference: str
) -> Axes:
    """Receivers minus the reference, from `differences.difference_rows`, 95 % bars."""
    rows = list(rows)
    own = [row for row in rows if row["metric"] == metric and row["value"] is not None]
    points = sorted({row["point"] for row in own})
    styles = receiver_styles([*(row["receiver"] for row in rows), reference])
    for name in dict.fromkeys(row["receiver"] for row in own):
        value, low, high = _curve(own, name, points).T
        half = np.nan_to_num(high - low) / 2
        style = styles[name] | {"label": typeset(styles[name]["label"])}
        ax.errorbar(points, value, half, capsize=1.5, elinewidth=0.6, **style)
    ax.axhline(0, color="black", linewidth=0.8)
    _set_labels(ax, rows, points)
    label, better = METRICS[metric].label, METRICS[metric].better
    text = f"{label},\nminus that of {reference} ({better} is better)"
    ax.set_ylabel(typeset(text))
    _add_legend(ax)
    return ax


def _curve(rows: list[dict], receiver: str, points: list[float]) -> np.ndarray:
    """Value and ends of a receiver at each point, [points, 3]; NaN where unknown."""
    own = (row for row in rows if row["receiver"] == receiver)
    found = {row["point"]: (row["value"], row["low"], row["high"]) for row in own}
    unknown = (None, None, None)
    return np.array([found.get(point, unknown) for point in points], float)


def _set_labels(ax: Axes, rows: list[dict], points: list[float]) -> None:
    if not rows:
        return
    axis = rows[0]["axis"]
    if axis == "num_steps":
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    if axis == "bandwidth_ratio":
        ax.set_xscale("log")
    if axis == "bandwidth_ratio" or len(points) <= MOST_TICKS:
        ax.set_xticks(points, [point_value(axis, point) for point in points])
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(typeset(axis_label(axis)))
    scenarios = ", ".join(dict.fromkeys(row["scenario"] for row in rows))
    ax.set_title(typeset(f"{scenarios}, with 95 % intervals"))


def _add_legend(ax: Axes, named: Sequence[Line2D] = ()) -> None:
    """Below the axes, in as many columns as fit, of all but what is named already."""
    handles, labels = ax.get_legend_handles_labels()
    handles = [handle for handle in handles if handle not in named]
    if not handles:
        return
    labels = [str(handle.get_label()) for handle in handles]
    longest = max((len(x) for label in labels for x in label.split("\n")), default=0)
    columns = 3 if longest <= 14 and len(labels) > 4 else 2
    place = (0.45, -0.16)
    ax.legend(handles, labels, loc="upper center", bbox_to_anchor=place, ncols=columns)


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
    ax.set_yticklabels(["sent", *map(typeset, receivers)])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(typeset(axis_label(axis)))
    return ax


def _side_by_side(images: np.ndarray) -> np.ndarray:
    framed = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=1)
    return np.concatenate(list(framed), axis=1)


def save_profile(path: Path, delays: np.ndarray, powers: np.ndarray) -> None:
    """Draws the power delay profile of channels: their mean energy over delay.

    delays : [examples, paths] [s]; powers : alike
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN, 0.72 * COLUMN))
        ax = figure.subplots()
        edges = np.linspace(0, max(delays[powers > 0].max(), 1e-9) * 1.01, 101)
        energy, _ = np.histogram(delays, edges, weights=powers / powers.sum())
        seen = energy > 0
        ax.plot(
            1e6 * edges[:-1][seen], 10 * np.log10(energy[seen]), ".", color=COLOURS[0]
        )
        ax.set_xlabel("delay after the first path [us]")
        ax.set_ylabel("share of the energy [dB]")
    _save(figure, path)


def figures(rows: list[dict]) -> dict[str, Figure]:
    """A figure, one column wide, of each main metric that has values."""
    return _figures(rows, plot_metric)


def save_plots(folder: Path, rows: list[dict], form: str = "png") -> None:
    """Writes ber.png, bler.png, … (or .pdf, .svg), those that have values."""
    for metric, figure in figures(rows).items():
        _save(figure, folder / f"{metric}.{form}")


def save_difference_plots(
    folder: Path, rows: list[dict], reference: str, form: str = "png"
) -> None:
    """Writes difference-ber.png, … from `differences.difference_rows`."""
    for metric, figure in _figures(rows, plot_difference, reference).items():
        _save(figure, folder / f"difference-{metric}.{form}")


def _figures(rows: list[dict], plot: Callable, *more: str) -> dict[str, Figure]:
    measured, drawn = {row["metric"] for row in rows}, {}
    crowded = len({row["receiver"] for row in rows}) > CROWD
    size = COLUMN, (0.95 if crowded else 0.72) * COLUMN
    with matplotlib.rc_context(STYLE):
        for metric, definition in METRICS.items():
            if definition.plotted and metric in measured:
                drawn[metric] = Figure(figsize=size)
                plot(drawn[metric].subplots(), rows, metric, *more)
    return drawn


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
