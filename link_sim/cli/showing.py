"""`link-sim show`: results as tables, plots and a report."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from link_sim.cli import terminal
from link_sim.cli.terminal import AsJson, Form, Names, PlotFormat


class Language(StrEnum):
    """Languages of tables."""

    latex = "latex"
    markdown = "markdown"
    matlab = "matlab"


def show(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help="Results folders.")
    ],
    references: Annotated[
        list[Path],
        typer.Option(
            "--reference",
            metavar="CSV",
            help="Curves of others, with columns point, value, receiver, metric.",
        ),
    ] = (),
    as_json: AsJson = False,
    table: Annotated[
        Language | None,
        typer.Option(help="Prints tables for papers, or arrays for MATLAB, instead."),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Writes DIR/report.html too, one whole page.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="RECEIVER", help="Shows differences to it as well."),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Shows 95 % intervals in the table.")
    ] = False,
    receivers: Names = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the plots; DIR if left out, of several DIR+DIR."),
    ] = None,
    form: PlotFormat = Form.png,
) -> None:
    """Shows the table and draws the plots again from stored counts."""
    from link_sim.engine import results
    from link_sim.show import differences, display, exports, plots, together

    if as_json and table:
        raise ValueError("--json and --table print one thing: leave one of them out")
    runs = {folder: load(folder, receivers) for folder in folders}
    alone = len(runs) == 1 and not references
    if not alone and (against is not None or html):
        raise ValueError(
            "--against and --html are of one folder: leave them out, or show it alone"
        )
    names = "+".join(folder.name for folder in runs)
    out = out or (folders[0].parent / names if len(runs) > 1 else folders[0])
    out.mkdir(parents=True, exist_ok=True)
    scenario, tallies = runs[folders[0]]
    console, pairs = terminal.console(), []
    if alone:
        rows = results.rows(scenario, tallies)
    else:
        rows = together.rows_together(runs, references)
    if against is not None:
        pairs = differences.difference_rows(scenario, tallies, against)
        plots.save_difference_plots(out, pairs, against, form)
    language = "json" if as_json else table
    if language:
        for sentence in display.left_out(scenario, tallies):
            typer.echo(sentence, err=True)
        typer.echo(exports.WRITERS[language](pairs if against else rows, intervals))
    elif alone:
        whole = receivers is None
        report(console, out, scenario, tallies, form, intervals, whole, folders[0])
    else:
        console.print(*display.tables(rows, console.width, intervals), sep="\n")
        plots.save_plots(out, rows, form)
        console.print(f"Plots: {out}", soft_wrap=True)
    if against is not None and not language:
        console.print(display.difference_table(scenario, pairs, against, console.width))
    if html:
        from link_sim.show.report import write_report

        path = write_report(folders[0], scenario, tallies)
        typer.echo(f"Report: {path}", err=language is not None)


def load(folder: Path, receivers: str | None = None) -> tuple:
    """The scenario of a results folder, and what its lines add up to.

    receivers: those to show, if not all.
    """
    from link_sim.engine import montecarlo, results

    scenario, lines = results.load_results(folder)
    if receivers is not None:
        scenario = scenario.model_copy(
            update={"receivers": _chosen(scenario, receivers)}
        )
    points, stop = scenario.sweep.points, scenario.stop
    return scenario, montecarlo.tally(points, stop, lines, scenario.receivers)


def _chosen(scenario, receivers: str) -> tuple[str, ...]:
    """The names among the receivers of a scenario."""
    names = terminal.split_names(receivers)
    for name in names:
        if name not in scenario.receivers:
            raise ValueError(
                f"--receivers {name} is not in this run: use "
                f"{', '.join(scenario.receivers)}, or add it with link-sim run"
            )
    return tuple(names)


def report(
    console: Console,
    folder: Path,
    scenario,
    tallies: dict,
    form: str = "png",
    intervals: bool = False,
    whole: bool = True,
    source: Path | None = None,
) -> None:
    """Prints the table of a results folder, writes its plots and, whole, summary.

    source: where its images are kept, if not in the folder that is written to.
    """
    from link_sim.engine import pictures, results
    from link_sim.show import display, plots

    table = results.rows(scenario, tallies)
    shown = display.final_table(scenario, table, tallies, console.width, intervals)
    console.print(shown)
    for sentence in display.left_out(scenario, tallies):
        console.print(sentence, style="yellow", soft_wrap=True)
    if scenario.remark:
        console.print(scenario.remark)
    if whole:
        results.write_summary(folder, table)
    plots.save_plots(folder, table, form)
    images = pictures.kept_pictures(source or folder, scenario.receivers)
    if images is not None:
        for kind in {"png", str(form)}:  # the report shows the former
            plots.save_strip(folder, images, scenario.sweep.axis, kind)
