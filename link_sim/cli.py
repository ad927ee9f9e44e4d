"""The command line: `link-sim`, or `python -m link_sim`.

TensorFlow takes seconds to import, so each command imports what it needs.
"""

import inspect
import json
import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from link_sim.bench.table import BENCHES
from link_sim.mistakes import Commands

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    cls=Commands,
    suggest_commands=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Overrides a value.")
]


class Form(StrEnum):
    """Formats of plots."""

    png = "png"
    pdf = "pdf"
    svg = "svg"


PlotFormat = Annotated[Form, typer.Option("--format", help="Of the plots.")]


def main() -> None:
    """Runs the command line."""
    app()


def _print_version(asked: bool) -> None:
    if asked:
        from link_sim import __version__

        typer.echo(f"link-sim {__version__}")
        raise typer.Exit()


@app.callback()
def link_sim(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Prints it."
        ),
    ] = False,
) -> None:
    """Compares receivers over a wireless link, per SNR."""


@app.command("list")
def list_names() -> None:
    """Shows the scenarios, receivers and weights, each with one line."""
    from link_sim.models.cards import list_pretrained
    from link_sim.receivers.catalog import list_all_receivers
    from link_sim.scenarios.loading import list_scenarios

    console = _console()
    for title, names in (
        ("Scenarios", list_scenarios()),
        ("Receivers", list_all_receivers()),
        ("Weights", list_pretrained()),
    ):
        table = Table(title=title, title_justify="left", box=None, show_header=False)
        for name, line in names.items():
            table.add_row(f"  {name}", line)
        console.print(table)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A name, or a .toml file.")] = "image",
    settings: Settings = (),
    receivers: Annotated[
        str | None, typer.Option(help="Names to compare, such as ls,lmmse.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Results folder; results/SCENARIO if left out.")
    ] = None,
    executor: Annotated[
        str, typer.Option(help="in-process, processes:N or dask://host:port.")
    ] = "in-process",
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="The I-th of N parts, for job arrays.")
    ] = "1/1",
    form: PlotFormat = Form.png,
) -> None:
    """Compares the receivers of a scenario at each point; continues what is there."""
    from link_sim.engine import executors, results
    from link_sim.engine.pins import pinned
    from link_sim.engine.shards import Shard
    from link_sim.receivers.catalog import check_receivers
    from link_sim.scenarios.loading import load_scenario

    overrides = list(settings)
    if receivers is not None:
        names = [name.strip() for name in receivers.split(",")]
        overrides.append(f"receivers={json.dumps(names)}")
    resolved = load_scenario(scenario, overrides)
    check_receivers(resolved.kind, resolved.receivers)
    resolved = pinned(resolved)
    part = Shard.parse(shard)
    part.stop(resolved.stop)  # refuses a shard without a batch
    name = f"-{part.first + 1}-of-{part.number}" if part.number > 1 else ""
    folder = out or Path("results") / f"{resolved.name}{name}"
    place = executors.open_executor(executor)
    console = _console()
    with results.open_results(folder, resolved) as stored:
        _simulate(console, resolved, folder, stored, place, part, form)
    if part.number == 1:
        _report(console, folder, *_load(folder), form)
    console.print(f"Results: {folder}", soft_wrap=True)


@app.command()
def merge(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help="Results folders of one run.")
    ],
    out: Annotated[Path, typer.Option(help="Results folder for the sum.")],
) -> None:
    """Adds up results folders of one run, such as shards; shows table and plots."""
    from link_sim.engine import results

    results.merge(folders, out)
    console = _console()
    _report(console, out, *_load(out))
    console.print(f"Results: {out}", soft_wrap=True)


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints the rows as JSON instead.")
    ] = False,
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
    form: PlotFormat = Form.png,
) -> None:
    """Shows the table and draws the plots again from stored counts."""
    from link_sim.engine import results
    from link_sim.show import differences, display, plots

    scenario, tallies = _load(folder)
    console, pairs = _console(), []
    if against is not None:
        pairs = differences.difference_rows(scenario, tallies, against)
        plots.save_difference_plots(folder, pairs, against, form)
    if as_json:
        for sentence in display.left_out(scenario, tallies):
            typer.echo(sentence, err=True)
        rows = results.rows(scenario, tallies) if against is None else pairs
        typer.echo(json.dumps(rows, indent=1))
    else:
        _report(console, folder, scenario, tallies, form, intervals)
        if against is not None:
            table = display.difference_table(scenario, pairs, against, console.width)
            console.print(table)
    if html:
        from link_sim.show.report import write_report

        path = write_report(folder, scenario, tallies)
        typer.echo(f"Report: {path}", err=as_json)


@app.command()
def channels(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An .npz, .npy, .mat or .h5 file.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The .npz file to write.")
    ] = None,
    spacing: Annotated[
        float | None, typer.Option(help="Of subcarriers [Hz], of frequency responses.")
    ] = None,
    form: PlotFormat = Form.png,
) -> None:
    """Takes anybody's channels, says what they are like, and writes them as ours."""
    from link_sim.show import display, plots
    from link_sim.world.channel_files import write
    from link_sim.world.channel_formats import channels_of
    from link_sim.world.channel_summary import describe, profile

    known, console = channels_of(file, spacing), _console()
    console.print(display.facts_table(str(file), describe(known)))
    if out is not None:
        out = out if out.suffix == ".npz" else out.with_name(f"{out.name}.npz")
        write(out, known)
        picture = out.with_suffix(f".{form}")
        plots.save_profile(picture, *profile(known))
        model = "cir" if known.h is None else "cfr"
        console.print(f"Profile: {picture}", soft_wrap=True)
        keys = f"--set channel.model={model} --set channel.file={out}"
        console.print(f"Channels: {out}, for {keys}", soft_wrap=True)


@app.command()
def train(
    weights: Annotated[str, typer.Argument(help="A name that `list` shows.")],
    settings: Settings = (),
    out: Annotated[
        Path | None,
        typer.Option(help="Training folder; results/train-WEIGHTS if left out."),
    ] = None,
) -> None:
    """Trains a shipped weight file again; continues what is there."""
    from link_sim.recipes.table import RECIPES

    if weights not in RECIPES:
        raise ValueError(f"no recipe for '{weights}': use {', '.join(RECIPES)}")
    _load_tensorflow(_console())
    recipe = RECIPES[weights].open()
    folder = out or Path("results") / f"train-{weights}"
    recipe(folder, **_keywords(recipe, settings))
    typer.echo(f"Results: {folder}")


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="; ".join(f"{name}: {b.summary}" for name, b in BENCHES.items())
            + "; or all."
        ),
    ] = "link",
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints the rows as JSON instead.")
    ] = False,
) -> None:
    """Measures speed, side by side with a stock Sionna script in the same process."""
    from link_sim.show import display

    if name not in (*BENCHES, "all"):
        raise ValueError(f"no bench '{name}': use {', '.join(BENCHES)} or all")
    console = _console()
    _load_tensorflow(console)
    chosen = BENCHES if name == "all" else {name: BENCHES[name]}
    results = {title: entry.open()() for title, entry in chosen.items()}
    if as_json:
        rows = results if name == "all" else results[name]
        typer.echo(json.dumps(rows, indent=1))
        return
    for title, rows in results.items():
        console.print(display.bench_table(title, rows, console.width))


def _simulate(
    console: Console, scenario, folder: Path, stored, place, shard, form: str
) -> None:
    """Runs the batches that are missing, and keeps each in the results folder."""
    from link_sim.engine import executors, montecarlo
    from link_sim.show.progress import Progress

    known = shard.own(stored.lines)
    tallies = montecarlo.tally(scenario.sweep.points, shard.stop(scenario.stop), known)
    missing = not all(tally.finished for tally in tallies.values())
    strip = folder / f"strip.{form}"
    drawn = shard.number > 1 or not scenario.pictures or strip.exists()
    if drawn and not missing:
        return
    scenario.check_files()
    _load_tensorflow(console)
    from link_sim.engine.batches import picture_strip, run_batch
    from link_sim.show import plots

    if missing:
        run = partial(shard.run, partial(run_batch, scenario.to_toml()))
        run = partial(executors.run_alone, run)
        with place as (executor, workers):
            with Progress(console, scenario, tallies, workers) as progress:
                for line in montecarlo.sweep(run, tallies, executor, workers):
                    stored.append(shard.whole(line))
                    progress.show(line)
    if not drawn:
        pictures = picture_strip(scenario, 3)
        for kind in {"png", str(form)}:  # the report shows the former
            plots.save_strip(folder, pictures, scenario.sweep.axis, kind)


def _load(folder: Path) -> tuple:
    """The scenario of a results folder, and what its lines add up to."""
    from link_sim.engine import montecarlo, results

    scenario, lines = results.load_results(folder)
    return scenario, montecarlo.tally(scenario.sweep.points, scenario.stop, lines)


def _report(
    console: Console,
    folder: Path,
    scenario,
    tallies: dict,
    form: str = "png",
    intervals: bool = False,
) -> None:
    """Prints the table of a results folder, and writes its summary and plots."""
    from link_sim.engine import results
    from link_sim.show import display, plots

    table = results.rows(scenario, tallies)
    shown = display.final_table(scenario, table, tallies, console.width, intervals)
    console.print(shown)
    for sentence in display.left_out(scenario, tallies):
        console.print(sentence, style="yellow", soft_wrap=True)
    if scenario.remark:
        console.print(scenario.remark)
    results.write_summary(folder, table)
    plots.save_plots(folder, table, form)


def _keywords(recipe, settings: list[str]) -> dict:
    """The `key=value` settings of a recipe: its numbers and files."""
    parameters = inspect.signature(recipe).parameters.values()
    files = [p.name for p in parameters if p.annotation == Path | None]
    defaults = {p.name: p.default for p in parameters}
    known = [k for k, v in defaults.items() if type(v) in (int, float)] + files
    keywords = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in known:
            raise ValueError(
                f"--set {setting} is not known: use key=value with one of "
                f"{', '.join(known)}"
            )
        try:
            keywords[key] = (Path if key in files else type(defaults[key]))(text)
        except ValueError:
            raise ValueError(
                f"--set {setting} does not fit: use a value like {defaults[key]}"
            ) from None
    return keywords


def _load_tensorflow(console: Console) -> None:
    """Imports TensorFlow without its log, which no setting of TensorFlow 2.21 stops."""
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    with console.status("loading TensorFlow"):
        os.dup2(nothing, 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(nothing)


def _console() -> Console:
    """Standard output; 140 columns wide where that is not a terminal."""
    width = None if sys.stdout.isatty() else 140
    return Console(width=width, highlight=False, markup=False)
