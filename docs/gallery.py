"""A page for each run that is kept, and one with all.

    python docs/gallery.py NAME RESULTS_FOLDER "link-sim run …"

keeps a run: its rows as `docs/results/runs/NAME.csv`, and beside them in `NAME.json`
the command that made them, the seconds of its batches and the weights that it used.
What no run tells (bound, what is published, the page with the story) stands in
`about.toml`.
"""

import io
import json
import re
import sys
import tomllib
from pathlib import Path

import matplotlib
import pandas as pd
from mkdocs.structure.files import File, Files

from link_sim.engine import montecarlo, results, versions
from link_sim.metrics.rates import METRICS
from link_sim.models.cards import read_card
from link_sim.scenarios.loading import list_scenarios
from link_sim.show import exports, plots

RUNS = Path(__file__).parent / "results" / "runs"
PLACE = "results/scenarios"
FACTS = {
    "bound": "Bound",
    "classical": "Strongest classical receiver",
    "published": "Published",
}

NAME = re.compile(r"^\| (\w[\w+.-]*) \|", re.M)
"""Of a receiver, in a row of a table."""
FIGURE = """<figure style="display: inline-block; margin: 0.5em">
<a href="{name}/"><img alt="" src="{picture}" width="310"></a>
<figcaption><a href="{name}/">{name}</a></figcaption></figure>"""


def keep(name: str, folder: Path, command: str) -> None:
    """Keeps the rows of a results folder and how they came about."""
    scenario, lines = results.load_results(folder)
    points, stop = scenario.sweep.points, scenario.stop
    tallies = montecarlo.tally(points, stop, lines, scenario.receivers)
    rows = pd.DataFrame(results.rows(scenario, tallies))
    rows.to_csv(RUNS / f"{name}.csv", index=False, float_format="%.8g")
    made = versions.load(folder)
    run = {
        "command": command,
        "description": scenario.description,
        "seconds": round(sum(line["seconds"] for line in lines)),
        "batches": sum(len(tally.lines) for tally in tallies.values()),
        "frames": scenario.batch_size,
        "weights": {k: v for each in made for k, v in each["weights"].items()},
        "packages": made[-1]["packages"],
    }
    (RUNS / f"{name}.json").write_text(json.dumps(run, indent=1) + "\n")


def has_run(name: str) -> bool:
    """Whether a run of that name is kept."""
    return (RUNS / f"{name}.json").is_file()


def load_rows(name: str) -> list[dict]:
    """The rows of a run that is kept, as `results.rows` made them."""
    rows = pd.read_csv(RUNS / f"{name}.csv").astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def on_files(files: Files, config, **kwargs) -> Files:
    """Called by mkdocs with the pages in its folder."""
    shown = ["# All runs", "The receivers of each scenario, with its page."]
    every = tomllib.loads((RUNS / "about.toml").read_text())
    kept = {name: about for name, about in every.items() if has_run(name)}
    for name, about in kept.items():
        rows = load_rows(name)
        drawn = figures(rows, about["metrics"])
        for metric, figure in drawn.items():
            place = f"{PLACE}/{name}-{metric}.svg"
            files.append(File.generated(config, place, content=figure))
        page = as_page(name, rows, about, list(drawn))
        files.append(File.generated(config, f"{PLACE}/{name}.md", content=page))
        first = f"{name}-{next(iter(drawn))}.svg"
        shown.append(FIGURE.format(name=name, picture=first))
    if missing := [f"`{name}`" for name in list_scenarios() if name not in kept]:
        shown.append(f"Without a run that is kept: {', '.join(missing)}.")
    page = "\n\n".join(shown)
    files.append(File.generated(config, f"{PLACE}/index.md", content=page))
    return files


def figures(rows: list[dict], metrics: list[str]) -> dict[str, bytes]:
    """Plots of those metrics that have any, as SVG files."""
    drawn = {}
    for metric in metrics:
        own = [row for row in rows if row["metric"] == metric]
        for figure in plots.figures(own).values():
            file = io.BytesIO()
            with matplotlib.rc_context(plots.STYLE):
                figure.savefig(file, format="svg", metadata={"Date": None})
            drawn[metric] = file.getvalue()
    return drawn


def as_page(name: str, rows: list[dict], about: dict, drawn: list[str]) -> str:
    """Command, time, bound, what is published, figures and tables of a run."""
    run = json.loads((RUNS / f"{name}.json").read_text())
    description = run["description"][0].upper() + run["description"][1:]
    facts = [f"*{words}:* {about[key]}" for key, words in FACTS.items()]
    former = [f"`{name}`" for name in run["weights"] if is_former(name, run)]
    if former:
        facts.append(f"*Trained again since this run:* {', '.join(former)}.")
    own = [row for row in rows if row["metric"] in about["metrics"]]
    return "\n\n".join(
        [
            f"# {name}",
            f"{description}.",
            f"    {run['command']}",
            f"{run['batches']} batches of {run['frames']} frames took "
            f"{duration(run['seconds'])}, compiling included, on two cores that did "
            f"other work too. [All metrics as CSV](../runs/{name}.csv). The story: "
            f"[{Path(about['page']).stem}](../../{about['page']}).",
            "  \n".join(facts),
            *(f"![{METRICS[m].label}]({name}-{m}.svg)" for m in drawn),
            re.sub(NAME, r"| `\1` |", exports.markdown(own, intervals=True)),
        ]
    )


def is_former(weights: str, run: dict) -> bool:
    """Whether a run had other weights than those that are shipped today."""
    return run["weights"][weights] != read_card(weights)["sha256"]


def duration(seconds: float) -> str:
    """Seconds in words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
