"""`link-sim generate`."""

from pathlib import Path
from typing import Annotated

import typer

from link_sim.cli import terminal


def generate(
    prior: Annotated[str, typer.Argument(help="csi-scm, csi-clusters or csi-site.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz file to write.")],
    number: Annotated[int, typer.Option("--number", "-n", help="Of channels.")] = 1000,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Channels whose directions the new ones have; not for csi-site.",
        ),
    ] = None,
    place: Annotated[
        tuple[float, float] | None,
        typer.Option(help="x and y [m] of the user on the map; for csi-site."),
    ] = None,
    sight: Annotated[
        bool | None,
        typer.Option(help="Whether in line of sight; for csi-site."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Of the sampler, 12 if left out; for csi-site.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
) -> None:
    """Draws channels from a shipped prior, or like those of a file."""
    from link_sim.scenarios.base import ScenarioError
    from link_sim.show import display

    at_the_site = prior == "csi-site"
    if not at_the_site and (place, sight, steps) != (None, None, None):
        raise ScenarioError(
            f"{prior} knows no place, line of sight or steps: leave out --place, "
            "--sight and --steps, or use csi-site"
        )
    if at_the_site and like is not None:
        raise ScenarioError("csi-site is shown no examples: leave out --like")
    console = terminal.console()
    examples = _examples(like) if like is not None else None
    terminal.load_tensorflow(console)
    from link_sim.metrics.likeness import likeness
    from link_sim.world.channel_files import save_channels
    from link_sim.world.generation import PRIORS, generate
    from link_sim.world.site_generation import STEPS, generate_site

    out = out if out.suffix == ".npz" else out.with_name(f"{out.name}.npz")
    if at_the_site:
        h = generate_site(number, seed, place, sight, STEPS if steps is None else steps)
        save_channels(out, h=h[:, :, None], spacing=20e6 / 64)
        examples = _users()
        keys = f"--set channel.model=cfr --set channel.file={out}"
    else:
        h = generate(prior, number, seed, examples)
        save_channels(out, h[..., None], tau=[[0.0]] * len(h))
        keys = f"--set estimation.ensemble=file --set estimation.file={out}"
    if examples is None:
        examples = PRIORS[prior](seed + 1, number)  # others than shown
    console.print(display.facts_table(f"{number} channels", likeness(h, examples)))
    console.print(f"Channels: {out}, for {keys}", soft_wrap=True)


def _examples(file: Path):
    """The channels of a file at the carrier."""
    from link_sim.scenarios.flat_channels import at_the_carrier
    from link_sim.world.channel_formats import channels_of

    known = channels_of(file)
    return at_the_carrier(known.a, known.h)


def _users():
    """Channels of the users that `csi-site` has learned from, in any order."""
    import numpy as np

    from link_sim.experiments.csi_fields import World
    from link_sim.scenarios.loading import load_scenario

    (h,) = World(load_scenario("site").cell, ("site",)).learned()
    return h[np.random.default_rng(0).permutation(len(h))]
