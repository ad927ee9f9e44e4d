"""Names at the ends of curves, where there is room for them, in place of a legend."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

GAP = 4.0  # points between the end of a curve and its name
MOST_SHARE = 0.3
"""Of the width of the axes that names may take from the curves."""


def label_ends(ax: Axes, lines: Sequence[Line2D], lowest: float = 0.0) -> bool:
    """Writes the label of each line to the right of its last point, if all fit.

    Names fit that touch no curve, no other name and no edge of the axes, the lower one
    being at `lowest`, a share of the height. Where they do not, the axes stay as they
    were. Returns whether they did.
    """
    if not all(np.isfinite(line.get_ydata()).any() for line in lines):
        return False
    limits, free = ax.get_xlim(), ax.get_autoscalex_on()
    names = [_name(ax, line) for line in lines]
    fit = _make_room(ax, names) and _are_free(ax, lines, names, lowest)
    if not fit:
        ax.set_xlim(limits, auto=free)
        for name in names:
            name.remove()
    return fit


def _name(ax: Axes, line: Line2D) -> Annotation:
    x, y = (np.asarray(values, float) for values in line.get_data())
    last = np.flatnonzero(np.isfinite(y))[-1]
    return ax.annotate(
        str(line.get_label()),
        (x[last], y[last]),
        (GAP, 0),
        textcoords="offset points",
        va="center",
        color=line.get_color(),
        fontsize=6.5,
    )


def _make_room(ax: Axes, names: list[Annotation]) -> bool:
    """Moves the right end of the axes until each name ends before it."""
    width = ax.get_window_extent().width
    low, high = ax.get_xlim()
    scale = ax.xaxis.get_transform()
    left, right = scale.transform([low, high])
    most = left + (right - left) / (1 - MOST_SHARE)
    for name in names:
        needed = name.get_window_extent().width + 2 * GAP * ax.figure.dpi / 72
        end = scale.transform([name.xy[0]])[0]
        if needed >= width:
            return False
        right = max(right, left + (end - left) * width / (width - needed))
    if right > most:
        return False
    ax.set_xlim(*scale.inverted().transform([left, right]))
    return True


def _are_free(ax: Axes, lines: Sequence[Line2D], names: list, lowest: float) -> bool:
    inside = ax.get_window_extent()
    inside = Bbox([[inside.x0, inside.y0 + lowest * inside.height], inside.max])
    boxes = [name.get_window_extent() for name in names]
    if any(a.overlaps(b) for a, b in combinations(boxes, 2)):
        return False
    paths = [_dense(ax.transData.transform(line.get_xydata())) for line in lines]
    crossed = (box.count_contains(path) for box in boxes for path in paths)
    corners = np.concatenate([box.get_points() for box in boxes])
    return not any(crossed) and inside.count_contains(corners) == len(corners)


def _dense(path: np.ndarray) -> np.ndarray:
    """Points along the pieces of a path, close enough not to miss a name."""
    shares = np.linspace(0, 1, 200)[:, None, None]
    between = path[:-1] + shares * (path[1:] - path[:-1])
    return np.concatenate([path, between.reshape(-1, 2)])
