"""`link-sim train`."""

import inspect
from pathlib import Path
from typing import Annotated

import typer

from link_sim.cli import terminal
from link_sim.cli.terminal import Settings


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
    terminal.load_tensorflow(terminal.console())
    recipe = RECIPES[weights].open()
    folder = out or Path("results") / f"train-{weights}"
    recipe(folder, **_keywords(recipe, settings))
    typer.echo(f"Results: {folder}")


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
