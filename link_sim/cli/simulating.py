"""`link-sim run` and `merge`."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from link_sim.cli import terminal
from link_sim.cli.showing import load, report
from link_sim.cli.terminal import Form, Names, PlotFormat, Settings


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
    from link_sim.receivers.names import check_receivers
    from link_sim.scenarios.loading import load_scenario

    overrides = list(settings)
    if receivers is not None:
        overrides.append(f"receivers={json.dumps(terminal.split_names(receivers))}")
    resolved = load_scenario(scenario, overrides)
    check_receivers(resolved.kind, resolved.receivers)
    resolved = pinned(resolved)
    part = Shard.parse(shard)
    part.stop(resolved.stop)  # refuses a shard without a batch
    folder = out or default_folder(scenario, resolved, part)
    place = executors.open_executor(executor)
    console = terminal.console()
    with results.open_results(folder, resolved) as stored:
        check_receivers(resolved.kind, stored.scenario.receivers)
        _simulate(console, stored, folder, place, part)
    if part.number == 1:
        report(console, folder, *load(folder), form)
    console.print(f"Results: {folder}", soft_wrap=True)


def merge(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help="Results folders of one run.")
    ],
    out: Annotated[Path, typer.Option(help="Results folder for the sum.")],
) -> None:
    """Adds up results folders of one run, such as shards; shows table and plots."""
    from link_sim.engine import results

    results.merge(folders, out)
    console = terminal.console()
    report(console, out, *load(out))
    console.print(f"Results: {out}", soft_wrap=True)


def default_folder(name: str, scenario, shard) -> Path:
    """results/SCENARIO, and in its name what is set and which part of a run it is."""
    from link_sim.engine.identity import folder_name
    from link_sim.scenarios.loading import load_scenario

    own = f"-{shard.first + 1}-of-{shard.number}" if shard.number > 1 else ""
    return Path("results") / f"{folder_name(scenario, load_scenario(name))}{own}"


def _simulate(console: Console, stored, folder: Path, place, shard) -> None:
    """Runs the batches that are missing, and keeps each in the results folder."""
    from link_sim.engine import executors, montecarlo, pictures, results
    from link_sim.show.progress import Progress

    scenario, known = stored.scenario, shard.own(stored.lines)
    points, stop = scenario.sweep.points, shard.stop(scenario.stop)
    tallies = montecarlo.tally(points, stop, known, scenario.receivers)
    missing = bool(montecarlo.unfinished(tallies))
    kept = (folder / pictures.FILE).exists()
    drawn = shard.number > 1 or not scenario.pictures or kept
    if drawn and not missing:
        return
    scenario.check_files()
    check_images(scenario)
    terminal.load_tensorflow(console)
    from link_sim.engine.batches import picture_strip, run_batch

    if missing:
        run = partial(shard.run, partial(run_batch, scenario.to_toml()))
        run = partial(executors.run_alone, run)
        with place as (executor, workers):
            with Progress(console, scenario, tallies, workers) as progress:
                for line in montecarlo.sweep(run, tallies, executor, workers):
                    stored.append(shard.whole(line))
                    progress.show(line)
    if not drawn:
        whole = results.load_results(folder)[0]
        pictures.keep_pictures(folder, picture_strip(whole, 3))


def check_images(scenario) -> None:
    """Raises `ScenarioError` for a file without images; TensorFlow is not loaded."""
    from link_sim.scenarios.data_files import DataFile
    from link_sim.world.sources import load_images

    payload = getattr(scenario, "payload", None)
    if payload is not None and isinstance(payload.source, DataFile):
        load_images(payload)
