"""Options that several commands have, and the terminal."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console


class Form(StrEnum):
    """Formats of plots."""

    png = "png"
    pdf = "pdf"
    svg = "svg"


Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Overrides a value.")
]
Names = Annotated[
    str | None,
    typer.Option("--receivers", metavar="A,B", help="Names, such as ls,lmmse."),
]
PlotFormat = Annotated[Form, typer.Option("--format", help="Of the plots.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Prints the rows as JSON instead.")
]


def console() -> Console:
    """Standard output; 140 columns wide where that is not a terminal."""
    width = None if sys.stdout.isatty() else 140
    return Console(width=width, highlight=False, markup=False)


def load_tensorflow(console: Console) -> None:
    """Imports TensorFlow, and says so where that can be seen.

    Raises `ValueError` where Keras is set to run on something else.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise ValueError("links are simulated on TensorFlow: unset KERAS_BACKEND")
    with console.status("loading TensorFlow"):
        import tensorflow  # noqa: F401


def split_names(receivers: str) -> list[str]:
    """Names of receivers that commas separate."""
    return [name.strip() for name in receivers.split(",")]
