"""The command line: `link-sim`, or `python -m link_sim`.

TensorFlow takes seconds to import, so each command imports what it needs.
"""

import inspect
import json
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

app = typer.Typer(
    cls=Commands,
    suggest_commands=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
lpips = typer.Typer(no_args_is_help=True, help="Weights of the perceptual distance.")
app.add_typer(lpips, name="lpips")
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Overrides a value.")
]


class Form(StrEnum):
    """Formats of plots."""

    png = "png"
    pdf = "pdf"
    svg = "svg"


Names = Annotated[
    str | None,
    typer.Option("--receivers", metavar="A,B", help="Names, such as ls,lmmse."),
]
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
    receivers: Names = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Results folder; results/SCENARIO if left out, with what --set sets "
            "in its name."
        ),
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
        overrides.append(f"receivers={json.dumps(_names(receivers))}")
    resolved = load_scenario(scenario, overrides)
    check_receivers(resolved.kind, resolved.receivers)
    resolved = pinned(resolved)
    part = Shard.parse(shard)
    part.stop(resolved.stop)  # refuses a shard without a batch
    folder = out or _default_folder(scenario, resolved, part)
    place = executors.open_executor(executor)
    console = _console()
    with results.open_results(folder, resolved) as stored:
        check_receivers(resolved.kind, stored.scenario.receivers)
        _simulate(console, stored, folder, place, part, form)
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints the rows as JSON instead.")
    ] = False,
    latex: Annotated[
        bool, typer.Option("--latex", help="Prints tables for LaTeX instead.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Prints tables in Markdown instead.")
    ] = False,
    matlab: Annotated[
        bool, typer.Option("--matlab", help="Prints arrays for MATLAB instead.")
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

    runs = {folder: _load(folder, receivers) for folder in folders}
    alone = len(runs) == 1 and not references
    if not alone and (against is not None or html):
        raise ValueError(
            "--against and --html are of one folder: leave them out, or show it alone"
        )
    names = "+".join(folder.name for folder in runs)
    out = out or (folders[0].parent / names if len(runs) > 1 else folders[0])
    out.mkdir(parents=True, exist_ok=True)
    scenario, tallies = runs[folders[0]]
    console, pairs = _console(), []
    if alone:
        rows = results.rows(scenario, tallies)
    else:
        rows = together.rows_together(runs, references)
    if against is not None:
        pairs = differences.difference_rows(scenario, tallies, against)
        plots.save_difference_plots(out, pairs, against, form)
    wanted = {"latex": latex, "markdown": markdown, "matlab": matlab}
    texts = [exports.WRITERS[name] for name, asked in wanted.items() if asked]
    if as_json or texts:
        for sentence in display.left_out(scenario, tallies):
            typer.echo(sentence, err=True)
        rows = rows if against is None else pairs
        for write in texts:
            typer.echo(write(rows, intervals))
        if as_json:
            typer.echo(json.dumps(rows, indent=1))
    elif alone:
        _report(console, out, scenario, tallies, form, intervals, receivers is None)
    else:
        console.print(*display.tables(rows, console.width, intervals), sep="\n")
        plots.save_plots(out, rows, form)
        console.print(f"Plots: {out}", soft_wrap=True)
    if against is not None and not (as_json or texts):
        console.print(display.difference_table(scenario, pairs, against, console.width))
    if html:
        from link_sim.show.report import write_report

        path = write_report(folders[0], scenario, tallies)
        typer.echo(f"Report: {path}", err=as_json or bool(texts))


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


@lpips.command()
def convert(
    linear: Annotated[
        Path,
        typer.Argument(
            metavar="LPIPS", help="The wheel of the package lpips, or its alex.pth."
        ),
    ],
    alexnet: Annotated[
        Path,
        typer.Argument(metavar="ALEXNET", help="torchvision's alexnet-owt-….pth."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The .npz file to write.")
    ] = Path("lpips-alex.npz"),
) -> None:
    """Makes the weight file of LPIPS from the published ones; needs no PyTorch."""
    from link_sim.metrics import lpips_weights

    out = out if out.suffix == ".npz" else out.with_name(f"{out.name}.npz")
    lpips_weights.convert(linear, alexnet, out)
    typer.echo(f"Weights: {out}, for --set lpips={out}")


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


def _names(receivers: str) -> list[str]:
    return [name.strip() for name in receivers.split(",")]


def _default_folder(name: str, scenario, shard) -> Path:
    """results/SCENARIO, and in its name what is set and which part of a run it is."""
    from link_sim.engine.identity import folder_name
    from link_sim.scenarios.loading import load_scenario

    own = f"-{shard.first + 1}-of-{shard.number}" if shard.number > 1 else ""
    return Path("results") / f"{folder_name(scenario, load_scenario(name))}{own}"


def _simulate(console: Console, stored, folder: Path, place, shard, form: str) -> None:
    """Runs the batches that are missing, and keeps each in the results folder."""
    from link_sim.engine import executors, montecarlo, results
    from link_sim.show.progress import Progress

    scenario, known = stored.scenario, shard.own(stored.lines)
    points, stop = scenario.sweep.points, shard.stop(scenario.stop)
    tallies = montecarlo.tally(points, stop, known, scenario.receivers)
    missing = bool(montecarlo.unfinished(tallies))
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
        pictures = picture_strip(results.load_results(folder)[0], 3)
        for kind in {"png", str(form)}:  # the report shows the former
            plots.save_strip(folder, pictures, scenario.sweep.axis, kind)


def _load(folder: Path, receivers: str | None = None) -> tuple:
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
    names = _names(receivers)
    for name in names:
        if name not in scenario.receivers:
            raise ValueError(
                f"--receivers {name} is not in this run: use "
                f"{', '.join(scenario.receivers)}, or add it with link-sim run"
            )
    return tuple(names)


def _report(
    console: Console,
    folder: Path,
    scenario,
    tallies: dict,
    form: str = "png",
    intervals: bool = False,
    whole: bool = True,
) -> None:
    """Prints the table of a results folder, writes its plots and, whole, summary."""
    from link_sim.engine import results
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
    """Imports TensorFlow, and says so where that can be seen."""
    with console.status("loading TensorFlow"):
        import tensorflow  # noqa: F401


def _console() -> Console:
    """Standard output; 140 columns wide where that is not a terminal."""
    width = None if sys.stdout.isatty() else 140
    return Console(width=width, highlight=False, markup=False)
