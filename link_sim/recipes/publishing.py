"""What all recipes share: training in cycles with progress, and writing weights."""

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from link_sim.models import pretrained
from link_sim.models.training import train
from link_sim.receivers.quiet import without_cast_warnings
from link_sim.recipes.table import RECIPES
from link_sim.world.sources import training_digits

BATCH = 128
"""Images of a step."""
DATA = "MNIST training digits (LeCun and Cortes, CC BY-SA 3.0), evaluation digits out"

digits = functools.cache(training_digits)


def train_in_cycles(
    layer, cycles: list[tuple], folder: Path, seed: int, name="cycle", **options: Any
) -> float:
    """Trains once for each `(steps, learning_rate, batch)` of `cycles`.

    Each cycle runs through the whole schedule, from the averaged weights that the one
    before left. `batch(step, seed=...)` gives the data of a step. Prints progress with
    each checkpoint. Returns the seconds.
    """
    seconds, done = 0.0, 0
    total = sum(steps for steps, *_ in cycles)
    for cycle, (steps, learning_rate, batch) in enumerate(cycles):
        with without_cast_warnings():
            seconds += train(
                layer,
                functools.partial(batch, seed=seed + cycle),
                steps,
                Path(folder) / f"{name}-{cycle}",
                learning_rate=learning_rate,
                report=Progress(total, done),
                **options,
            )
        done += steps
    return seconds


def train_and_publish(
    folder: Path,
    name: str,
    layer,
    network: keras.layers.Layer,
    batch: Callable,
    loss: Callable,
    measure: Callable[[str], dict],
    card: dict,
    steps: int,
    size: int,
    learning_rate: float,
    seed: int,
    digits: int = 10,
    **numbers: Any,
) -> None:
    """Trains a layer in one cycle, and publishes the `network` in it.

    batch : (step, seed, size) -> inputs, target, None. numbers : arguments of `batch`
    and of the recipe beside. measure, card and digits : as `publish` takes them.
    """
    data = functools.partial(batch, size=size, **numbers)
    seconds = train_in_cycles(
        layer,
        [(steps, learning_rate, data)],
        folder,
        seed,
        loss=loss,
        ema_momentum=0.99,
        save_every=50,
    )
    recipe = {"name": name, "steps": steps, "batch": size, "seed": seed}
    recipe |= {"learning_rate": learning_rate, **numbers}
    card = {"recipe": recipe, **card}
    publish(folder, name, network, card, seconds, measure, digits=digits)


class Progress:
    """Prints step of total, loss and, from the second report on, the time left.

    total: steps of the training. done: those of earlier cycles.
    """

    def __init__(self, total: int, done: int = 0):
        self.total, self.done = total, done
        self.first: tuple[int, float] | None = None

    def __call__(self, step: int, loss: float) -> None:
        step, now, left = step + self.done, time.monotonic(), ""
        if self.first:
            pace = (now - self.first[1]) / (step - self.first[0])
            left = f", about {pace * (self.total - step) / 60:.0f} min left"
        self.first = self.first or (step, now)
        print(f"step {step} of {self.total}: loss {loss:.4f}{left}", flush=True)


def publish(
    folder: Path,
    name: str,
    model: keras.layers.Layer | dict,
    card: dict,
    seconds: float | None = None,
    measure: Callable[[str], dict] | None = None,
    summary: str | None = None,
    digits: int = 10,
) -> None:
    """Writes `folder/name.npz` with its card, and measures what was written.

    model: a network, or a dict of arrays. card: gets the cost of a training of
    `seconds`, and as its `quality` what `measure` returns for the path of the file.
    summary: that of the recipe `name` where none is given. digits: of a network's
    mantissas.
    """
    path = str(Path(folder) / f"{name}.npz")
    summary = summary or RECIPES[name].summary
    card = {"summary": summary, "licence": "Apache-2.0", **card}
    if seconds is not None:
        minutes = round(seconds / 60)
        card["cost"] = {"minutes": minutes, "cores": os.cpu_count()}
    if isinstance(model, dict):
        pretrained.save_arrays(path, model, card)
    else:
        pretrained.save_model(path, model, card, digits)
    if measure:
        pretrained.update_card(path, quality=measure(path))
