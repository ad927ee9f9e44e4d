"""The look of plots: sizes, and what colours, markers and lines stand for."""

import os
from collections.abc import Iterable
from typing import Any

import matplotlib

COLUMN = 3.5  # inch: the width of a column of a two-column page
STYLE: dict[Any, Any] = {
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
    "axes.xmargin": 0.08,
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
BOUNDS = "perfect-csi", "genie", "crb", "crb-delays"  # know what no receiver can
# Paul Tol's colour-blind safe "muted" scheme
COLOURS = (
    "#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#777777", "#661100", "#000000",
)  # fmt: skip
MARKERS = "osD^<P*Xhd>p"
LINES = "-", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2.5))

LATEX = str.maketrans({x: rf"\{x}" for x in "%_&#$"} | {x: f"${x}$" for x in "<>"})
"""Characters that LaTeX reads as something else than themselves."""


def typeset(text: str) -> str:
    """A text for matplotlib, also where LaTeX sets it (`text.usetex`)."""
    return text.translate(LATEX) if matplotlib.rcParams["text.usetex"] else text


def receiver_styles(names: Iterable[str]) -> dict[str, dict]:
    """Colour, marker, line style and label of each receiver, of a run's all.

    The colour is that of the estimator; where all have the same, of what comes next.
    The label leaves out what all begin with; where one receiver is no more than that,
    the others add to it, such as `+turbo`.
    """
    chains = {name: name.split("+") for name in dict.fromkeys(names)}
    shared = os.path.commonprefix(list(chains.values())) if len(chains) > 1 else []
    skip, plus = len(shared), "+" if shared in chains.values() else ""
    known = {name: any(part in BOUNDS for part in name.split("+")) for name in chains}
    contrast = not all(known.values())
    heads = list(dict.fromkeys("".join(chain[skip:][:1]) for chain in chains.values()))
    tails = list(dict.fromkeys("+".join(c[skip + 1 :]) for c in chains.values()))
    tails.sort(key=bool)  # the plain one first
    styles = {}
    for name, chain in chains.items():
        head = heads.index("".join(chain[skip:][:1]))
        tail = tails.index("+".join(chain[skip + 1 :]))
        # one colour or one tail for all: markers tell the others apart
        marker = tail if len(tails) > 1 else head
        dashed = contrast and known[name]
        styles[name] = {
            "color": COLOURS[head % len(COLOURS)],
            "marker": MARKERS[marker % len(MARKERS)],
            "linestyle": "--" if dashed else LINES[tail % len(LINES)],
            "label": plus + "+".join(chain[skip:]) if chain[skip:] else name,
        }
    return styles
