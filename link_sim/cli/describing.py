"""`link-sim hardware`: what the hardware of a scenario does to waveforms."""

import json
from typing import Annotated

import typer

from link_sim.cli import terminal
from link_sim.cli.terminal import AsJson, Settings


def hardware(
    scenario: Annotated[
        str, typer.Argument(help="A shipped scenario, or a .toml file.")
    ] = "hardware",
    settings: Settings = (),
    as_json: AsJson = False,
) -> None:
    """Shows EVM, ACLR, PAPR and output back-off of a link's hardware [dB]."""
    from rich.table import Table

    from link_sim.scenarios.loading import load_scenario

    loaded = load_scenario(scenario, settings)
    if getattr(loaded, "hardware", None) is None:
        raise ValueError(
            f"the scenario '{scenario}' has perfect hardware: set a key of the section "
            "hardware, such as hardware.amplifier=rapp"
        )
    swept = loaded.axis.key.startswith(("hardware", "grid", "code"))
    points = loaded.sweep.points if swept else loaded.sweep.points[:1]
    terminal.load_tensorflow(terminal.console())
    from link_sim.world.hardware.summary import describe

    rows = {point: describe(loaded.at(point)) for point in points}
    if as_json:
        typer.echo(json.dumps([{"point": p, **row} for p, row in rows.items()]))
        return
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table(loaded.axis.key if swept else "", *names)
    for point, row in rows.items():
        values = (f"{row[n]:.1f}" if n in row else "" for n in names)
        table.add_row(f"{point:g}" if swept else "", *values)
    terminal.console().print(table)
