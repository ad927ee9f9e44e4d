"""`link-sim generate`."""

from pathlib import Path
from typing import Annotated

import typer

from link_sim.cli import terminal


def generate(
    prior: Annotated[str, typer.Argument(help="csi-scm or csi-clusters.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz file to write.")],
    number: Annotated[int, typer.Option("--number", "-n", help="Of channels.")] = 1000,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Channels whose directions the new ones have."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
) -> None:
    """Draws channels from a shipped prior, or like those of a file."""
    from link_sim.show import display

    console = terminal.console()
    examples = _examples(like) if like is not None else None
    terminal.load_tensorflow(console)
    from link_sim.metrics.likeness import likeness
    from link_sim.world.channel_files import save_channels
    from link_sim.world.generation import PRIORS, generate

    h = generate(prior, number, seed, examples)
    out = out if out.suffix == ".npz" else out.with_name(f"{out.name}.npz")
    save_channels(out, h[..., None], tau=[[0.0]] * len(h))
    if examples is None:
        examples = PRIORS[prior](seed + 1, number)  # others than shown
    console.print(display.facts_table(f"{number} channels", likeness(h, examples)))
    keys = f"--set estimation.ensemble=file --set estimation.file={out}"
    console.print(f"Channels: {out}, for {keys}", soft_wrap=True)


def _examples(file: Path):
    """The channels of a file at the carrier."""
    from link_sim.scenarios.flat_channels import at_the_carrier
    from link_sim.world.channel_formats import channels_of

    known = channels_of(file)
    return at_the_carrier(known.a, known.h)
