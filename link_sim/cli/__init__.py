"""The command line: `link-sim`, or `python -m link_sim`.

TensorFlow takes seconds to import, so each command imports what it needs.
"""

from typing import Annotated

import typer

from link_sim.cli.converting import channels, convert
from link_sim.cli.describing import hardware
from link_sim.cli.generating import generate
from link_sim.cli.listing import list_names
from link_sim.cli.showing import show
from link_sim.cli.simulating import merge, run
from link_sim.cli.timing import bench
from link_sim.cli.tracing import trace
from link_sim.cli.training import train
from link_sim.mistakes import Commands

app = typer.Typer(
    cls=Commands,
    suggest_commands=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
lpips = typer.Typer(no_args_is_help=True, help="Weights of the perceptual distance.")


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


app.command("list")(list_names)
for command in (run, merge, show, channels, generate, hardware, trace, train, bench):
    app.command()(command)
lpips.command()(convert)
app.add_typer(lpips, name="lpips")
