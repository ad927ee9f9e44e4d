"""`link-sim channels` and `lpips convert`: files of others, made ours."""

from pathlib import Path
from typing import Annotated

import typer

from link_sim.cli import terminal
from link_sim.cli.terminal import Form, PlotFormat


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

    known, console = channels_of(file, spacing), terminal.console()
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
