"""`link-sim trace`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from link_sim.cli import terminal


def trace(
    scene: Annotated[
        str, typer.Argument(help="Of Sionna RT, such as munich, or a Mitsuba .xml.")
    ] = "munich",
    station: Annotated[
        tuple[float, float, float], typer.Option(help="Of the base station: x y z [m].")
    ] = (8.5, 21.0, 27.0),
    area: Annotated[
        tuple[float, float, float, float],
        typer.Option(help="Of the users: smallest and largest x, then y [m]."),
    ] = (-141.5, 158.5, -129.0, 171.0),
    step: Annotated[float, typer.Option(min=0.1, help="Of their grid [m].")] = 5.0,
    carrier: Annotated[float, typer.Option(min=0.5e9, max=100e9, help="[Hz]")] = 3.5e9,
    rays: Annotated[int, typer.Option(min=1000, max=10**7)] = 200_000,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The .npz to write; SCENE.npz if left out."),
    ] = None,
) -> None:
    """Traces paths from a base station to users of a scene, once, into a file."""
    from link_sim.scenarios.data_files import sha256
    from link_sim.scenarios.errors import ScenarioError
    from link_sim.scenarios.sites import check_site, save_site
    from link_sim.world.tracing import Plan, trace

    out = Path(f"{Path(scene).stem}.npz") if out is None else out
    out = out if out.suffix == ".npz" else out.with_name(f"{out.name}.npz")
    if not out.parent.is_dir():
        raise ScenarioError(
            f"the folder of --out '{out}' is not there: make it, or name another"
        )
    console = terminal.console()
    plan = Plan(scene, station, area, step, carrier, rays)
    site, facts = trace(plan, lambda line: console.print(line))
    check_site(str(out), site)
    save_site(out, site)
    facts |= {
        "users": len(site.number),
        "tested": int(site.test.sum()),
        "in sight": int(site.sight.sum()),
        "paths": int(site.number.sum()),
        "sha256": sha256(out),
    }
    out.with_suffix(".json").write_text(json.dumps(facts, indent=4) + "\n")
    typer.echo(f"Site: {out}, {facts['users']} users, for --set channel.site={out}")
