"""Comparisons from Python: what `link-sim run` does, and what it left, to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from rich.console import Console

from link_sim.engine import comparison, count_lines, montecarlo, results, versions
from link_sim.engine.batches import LiveExperiment, picture_strip, run_batch
from link_sim.engine.executors import open_executor, run_alone
from link_sim.engine.pins import pinned
from link_sim.metrics.intervals import Estimate
from link_sim.metrics.rates import METRICS
from link_sim.receivers.names import check_receivers
from link_sim.scenarios.axes import axis_label
from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.link import LinkScenario
from link_sim.show import display, plots
from link_sim.show.progress import Progress
from link_sim.show.report import write_report


class Table(pd.DataFrame):
    """A table that is Markdown without another package."""

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def to_markdown(self, *_: Any, **__: Any) -> str:
        """The table in Markdown; arguments of pandas are not needed."""
        names = [self.index.name or "", *map(str, self.columns)]
        rows = [names, ["---"] * len(names)]
        rows += [[str(name), *map(str, row)] for name, *row in self.itertuples()]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


class Comparison(comparison.Comparison):
    """Receivers as they were compared; Jupyter shows the table.

    folder: where the results are kept, if anywhere. live: what receives pictures, where
    that is not what the scenario opens.
    """

    def __init__(
        self,
        scenario: Scenario,
        lines: list[montecarlo.Line],
        folder: Path | None = None,
        live: LiveExperiment | None = None,
    ):
        super().__init__(scenario, lines)
        self.folder, self._live = folder, live

    def table(self, metric: str | None = None, intervals: bool = False) -> Table:
        """A row a receiver and a column a point, as text; of `scenario.watched`.

        intervals: with those of 95 %. `to_latex` and `to_markdown` print it.
        """
        metric, write = (
            self._known(metric),
            display.cell if intervals else display.short,
        )
        rows = [row for row in self.rows() if row["metric"] == metric]
        found = {(row["receiver"], row["point"]): row for row in rows}
        points = [point for point, t in self.tallies.items() if t.lines]
        names = [n for n in self.scenario.receivers if n in {name for name, _ in found}]
        cells = [
            [write(found.get((name, point))) for point in points] for name in names
        ]
        index = pd.Index(names, name=METRICS[metric].column or METRICS[metric].label)
        columns = pd.Index(points, name=axis_label(self.scenario.sweep.axis))
        return Table(cells, index, columns)

    def plot(self, metric: str | None = None, ax: Axes | None = None) -> Axes:
        """Curves of a metric with 95 % bands, in new axes if none are given."""
        metric = self._known(metric)
        with matplotlib.rc_context(plots.STYLE):
            return plots.plot_metric(ax or _axes(), self.rows(), metric)

    def strip(self, number: int = 3, ax: Axes | None = None) -> Axes:
        """Images as sent, and as each receiver recovers them at each point.

        Raises `ScenarioError` for experiments without images.
        """
        pictures = picture_strip(self.scenario, number, self._live)
        if pictures is None:
            raise ScenarioError(
                f"the kind {self.scenario.kind} sends no images: use plot"
            )
        image = pictures.pop("image")
        with matplotlib.rc_context(plots.STYLE):
            axis = self.scenario.sweep.axis
            return plots.plot_strip(ax or _axes(), image, pictures, axis)

    def report(self, folder: str | Path | None = None) -> Path:
        """Writes report.html, one whole page, into the results folder or another."""
        where = Path(folder) if folder is not None else self.folder
        if where is None:
            raise ValueError("no folder was given for the report: use report(FOLDER)")
        where.mkdir(parents=True, exist_ok=True)
        return write_report(where, self.scenario, self.tallies)

    def difference(
        self, receiver: str, reference: str, metric: str | None = None
    ) -> dict[float, Estimate]:
        """Receiver minus reference at each point, on the same batches."""
        for name in (receiver, reference):
            if name not in self.scenario.receivers:
                raise ValueError(
                    f"'{name}' was not compared: use one of "
                    f"{', '.join(self.scenario.receivers)}"
                )
        return super().difference(receiver, reference, self._known(metric))

    def __repr__(self) -> str:
        return f"<Comparison {self.scenario.name}>\n{self.table()}"

    def _repr_html_(self) -> str:
        shown = METRICS[self.scenario.watched].label
        return f"<p><b>{self.scenario.name}</b>: {shown}</p>{self.table().to_html()}"

    def _known(self, metric: str | None) -> str:
        metric = metric or self.scenario.watched
        measured = {row["metric"] for row in self.rows()}
        if metric not in measured:
            raise ValueError(
                f"'{metric}' was not measured: use one of "
                f"{', '.join(m for m in METRICS if m in measured)}"
            )
        return metric


def compare(
    scenario: Scenario,
    receivers: Iterable | None = None,
    *,
    out: str | Path | None = None,
    executor: str = "in-process",
    progress: bool | None = None,
) -> Comparison:
    """Simulates all points of a scenario: the batches of `link-sim run`.

    receivers: names and `Receiver` objects of other names; those of the scenario if not
    given. out: a results folder; what is there already is continued, and the receivers
    that it has are compared too. executor:
    `in-process`, `processes:N` or `dask://host:port`; objects need the first. progress:
    whether to show it; if not said, in terminals and in Jupyter.
    Receivers that a script adds to the tables of `receivers.catalog` are known here.
    Raises `ScenarioError` if the scenario cannot be run.

    Example:
        >>> compared = compare(load_scenario("smoke", sweep=[2, 6]), ["ls", "lmmse"])
        >>> compared.table()
    """
    chosen = list(scenario.receivers if receivers is None else receivers)
    made = {r.name: r for r in chosen if not isinstance(r, str)}
    names = [r if isinstance(r, str) else r.name for r in chosen]
    scenario = type(scenario)(**scenario.__dict__ | {"receivers": names})
    check_receivers(scenario.kind, [name for name in names if name not in made])
    scenario = pinned(scenario)
    scenario.check_files()
    if made:
        _refuse_objects(scenario, executor)
    folder = None if out is None else Path(out)
    makers = [_versions(scenario, made)] if folder else None
    kept = results.open_results(folder, scenario, makers) if folder else nullcontext()
    with kept as stored:
        if stored:
            scenario = stored.scenario
            names = [name for name in scenario.receivers if name not in made]
            check_receivers(scenario.kind, names)
        opened = lru_cache(partial(_opened, scenario, made)) if made else None
        run = _run_of(scenario, opened)
        lines = list(stored.lines) if stored else []
        tallies = montecarlo.tally(
            scenario.sweep.points, scenario.stop, lines, scenario.receivers
        )
        with open_executor(executor) as (place, workers):
            with _shown(progress, scenario, tallies, workers) as shown:
                for line in montecarlo.sweep(run, tallies, place, workers):
                    lines.append(line)
                    if stored:
                        stored.append(line)
                    if shown:
                        shown.show(line)
    live = opened(scenario.receivers) if opened else None
    found = Comparison(scenario, count_lines.merged(lines), folder, live)
    if folder:
        results.write_summary(folder, found.rows())
    return found


def read_results(folder: str | Path) -> Comparison:
    """What is in a results folder; `ResultsError` if it is none."""
    return Comparison(*results.load_results(Path(folder)), Path(folder))


def _refuse_objects(scenario: Scenario, executor: str) -> None:
    """Raises `ScenarioError` where `Receiver` objects cannot run."""
    if scenario.kind != "link" or scenario.axis.rebuilds or executor != "in-process":
        raise ScenarioError(
            "a Receiver object belongs to one link of this process: leave executor "
            "out, and sweep ebno_db or esno_db, or enter it into receivers.catalog"
        )


def _opened(
    scenario: Scenario, made: dict[str, Any], receivers: tuple[str, ...]
) -> LiveExperiment:
    """The link, for all points, with those of the receivers as they are."""
    from link_sim.experiments.link import Link

    built = cast(LinkScenario, scenario.built_for(scenario.sweep.points[0]))
    return LiveExperiment(built, Link(built, [made.get(r, r) for r in receivers]))


def _run_of(scenario: Scenario, opened: Callable | None) -> Callable:
    """Batches of all receivers, or of those that are named."""
    if opened is None:
        return partial(run_alone, partial(run_batch, scenario.to_toml()))

    def run(
        point: float, batch: int, receivers: tuple[str, ...] = scenario.receivers
    ) -> Any:
        return opened(receivers).batch(scenario.at(point), batch)

    return run


def _versions(scenario: Scenario, made: dict[str, Any]) -> dict:
    """Those of today, with hashes of the weights of `Receiver` objects."""
    today = versions.of_today(scenario)
    hashes = {name: _hash(receiver) for name, receiver in made.items()}
    return today | {"weights": today.get("weights", {}) | hashes} if made else today


def _hash(receiver: Any) -> str:
    found = hashlib.sha256()
    for weight in receiver.get_weights():
        found.update(weight.tobytes())
    return found.hexdigest()


def _shown(
    progress: bool | None,
    scenario: Scenario,
    tallies: dict[float, montecarlo.Tally],
    workers: int,
) -> Progress | nullcontext:
    console = Console(highlight=False, markup=False)
    wanted = console.is_terminal or console.is_jupyter if progress is None else progress
    return Progress(console, scenario, tallies, workers) if wanted else nullcontext()


def _axes() -> Axes:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(1.6 * plots.COLUMN, 1.1 * plots.COLUMN))[1]
