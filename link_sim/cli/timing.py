"""`link-sim bench`."""

import json
from typing import Annotated

import typer

from link_sim.bench.table import BENCHES
from link_sim.cli import terminal
from link_sim.cli.terminal import AsJson


def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="; ".join(f"{name}: {b.summary}" for name, b in BENCHES.items())
            + "; or all."
        ),
    ] = "link",
    as_json: AsJson = False,
) -> None:
    """Measures speed, side by side with a stock Sionna script in the same process."""
    from link_sim.show import display

    if name not in (*BENCHES, "all"):
        raise ValueError(f"no bench '{name}': use {', '.join(BENCHES)} or all")
    console = terminal.console()
    terminal.load_tensorflow(console)
    chosen = BENCHES if name == "all" else {name: BENCHES[name]}
    results = {title: entry.open()() for title, entry in chosen.items()}
    if as_json:
        rows = results if name == "all" else results[name]
        typer.echo(json.dumps(rows, indent=1))
        return
    for title, rows in results.items():
        console.print(display.bench_table(title, rows, console.width))
