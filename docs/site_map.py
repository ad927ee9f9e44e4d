"""A map of the shipped site: `docs/images/site-munich.png`.

python docs/site_map.py
"""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from link_sim.scenarios.sites import Site, load_site
from link_sim.show.styles import COLOURS, STYLE

PICTURE = Path(__file__).parent / "images" / "site-munich.png"


def draw(ax, site: Site) -> None:
    """Buildings as the grid of users has them, users by part and line of sight."""
    ax.imshow(
        site.buildings, cmap="Greys", vmax=4, origin="lower", extent=list(site.area)
    )
    for test, colour, part in (
        (False, COLOURS[0], "learned from"),
        (True, COLOURS[1], "tested"),
    ):
        for sight, marker in ((True, "o"), (False, "x")):
            own = site.position[(site.test == test) & (site.sight == sight)]
            label = f"{part}, {'in sight' if sight else 'by reflections'}"
            ax.plot(*own[:, :2].T, marker, ms=2.5, color=colour, label=label)
    ax.plot(*site.station[:2], "^", ms=8, color="black", label="base station")
    ax.set(xlabel="x [m]", ylabel="y [m]")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


def main() -> None:
    with mpl.rc_context(STYLE):
        figure = Figure((6.4, 4.2), layout="constrained")
        draw(figure.subplots(), load_site("munich"))
        figure.savefig(PICTURE, dpi=100)


if __name__ == "__main__":
    main()
