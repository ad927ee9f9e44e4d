"""Points without errors, in a strip of their own below all values of a plot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

from link_sim.show.styles import typeset

NONE_SEEN = 0.13
"""Share of the height of the axes where points without errors are, below all values."""


def draw_unseen(ax: Axes, unseen: list[tuple], seen: np.ndarray) -> None:
    """Hollow marks side by side at each point, and below them the largest limit.

    unseen: points, upper limits and styles of curves. seen: values above 0 in the plot.
    """
    _make_room_below(ax, seen if seen.size else np.array([x for _, x, _ in unseen]))
    across = ax.get_xaxis_transform()
    points = sorted({point for point, *_ in unseen})
    places = ax.transData.transform([(point, 1) for point in points])[:, 0]
    apart = 72 / ax.figure.dpi * np.diff(places).min(initial=np.inf)  # points
    texts: list[Text] = []
    for point in points:
        here = [(limit, style) for x, limit, style in unseen if x == point]
        step = min(4.0, 36 / len(here), apart / len(here)) / 72  # inch
        for index, (_, style) in enumerate(here):
            shift = step * (index - (len(here) - 1) / 2)
            shifted = across + ScaledTranslation(shift, 0, ax.figure.dpi_scale_trans)
            hollow = {"label": None, "fillstyle": "none", "linestyle": ""}
            marks = {"transform": shifted, "clip_on": False, **style, **hollow}
            ax.plot([point], [0.7 * NONE_SEEN], **marks)
        limit = max(limit for limit, _ in here)
        if not 0 < limit < np.inf:
            continue
        text = (
            f"<{limit:.1g}" if limit >= 0.01 else f"<{limit:.0e}".replace("e-0", "e-")
        )
        height = 0.08 * NONE_SEEN
        texts.append(
            ax.text(
                point,
                height,
                typeset(text),
                transform=across,
                ha="center",
                fontsize=5.5,
            )
        )
        if _overlap(texts[-2:]):
            texts.pop().remove()
    label = "no error seen; below: 95 % limit\nby frames, as bits are not independent"
    ax.plot([], [], "o", color="black", fillstyle="none", label=typeset(label))


def _overlap(texts: list[Text]) -> bool:
    boxes = [text.get_window_extent() for text in texts]
    return len(boxes) == 2 and boxes[0].overlaps(boxes[1])


def _make_room_below(ax: Axes, seen: np.ndarray) -> None:
    """Moves what is seen up, and leaves the strip below it without ticks."""
    low, high = np.log10([seen.min(), seen.max()])
    margin = max(0.06 * (high - low), 0.1)
    low, high = low - margin, high + margin
    ax.set_ylim(10 ** (low - NONE_SEEN / (1 - NONE_SEEN) * (high - low)), 10**high)
    ticks = ax.get_yticks(), ax.get_yticks(minor=True)
    for minor, marks in enumerate(ticks):
        inside = (marks >= 10**low) & (marks <= 10**high)
        ax.set_yticks(marks[inside], minor=bool(minor))
    strip = Rectangle((0, 0), 1, NONE_SEEN, transform=ax.transAxes, color="#eeeeee")
    ax.add_patch(strip).set_zorder(0)
