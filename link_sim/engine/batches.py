"""Batches of any experiment, computed from the text of a scenario, alone and anywhere.

This is the only place that knows of frames in parts: a batch that memory does not hold
is received in halves, quarters, …, with the same counts.
"""

import pkgutil
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from link_sim.experiments.experiment import Experiment, World
from link_sim.metrics.rates import add_all
from link_sim.scenarios.base import Scenario, ScenarioError
from link_sim.scenarios.loading import parse_scenario


class LiveExperiment:
    """An experiment that is kept for later batches, and what memory holds of a batch.

    experiment : that of the scenario if not given
    frames_at_once : frames that are received at a time; halved where memory asks for it
    """

    def __init__(self, scenario: Scenario, experiment: Experiment | None = None):
        opened = experiment or pkgutil.resolve_name(scenario.opens)(scenario)
        self.experiment: Experiment = opened
        self.frames_at_once = scenario.batch_size

    def batch(self, at: Scenario, batch_index: int) -> dict:
        """Seed, seconds and counts of one batch; see `run_batch`."""
        start = time.perf_counter()
        counts = self.count(at, batch_index)
        batch = {
            "seed": at.world_seed(batch_index),
            "seconds": time.perf_counter() - start,
            "counts": counts,
        }
        if self.frames_at_once < at.batch_size:
            batch["frames_at_once"] = self.frames_at_once
        return batch

    def count(self, at: Scenario, batch_index: int) -> dict[str, dict[str, float]]:
        """Counts of every receiver for one batch, as plain numbers."""
        return self._within_memory(at, lambda: self._count(at, batch_index))

    def images(self, at: Scenario, number: int) -> dict[str, np.ndarray] | None:
        """The first images of batch 0, as sent (`image`) and by receiver."""
        return self._within_memory(at, lambda: self._images(at, number))

    def _count(self, at: Scenario, batch_index: int) -> dict[str, dict[str, float]]:
        world = self.experiment.draw(at, batch_index)
        total: dict[str, dict[str, float]] = {}
        for part in parts(world, at.batch_size, self.frames_at_once):
            add_all(total, plain(self.experiment.count(part)))
        return total

    def _images(self, at: Scenario, number: int) -> dict[str, np.ndarray] | None:
        frames = min(number, at.batch_size)
        world = cut(self.experiment.draw(at, 0), at.batch_size, 0, frames)
        found: dict[str, list[np.ndarray]] = {}
        for part in parts(world, frames, self.frames_at_once):
            images = self.experiment.images(part, self.experiment.receive(part))
            if images is None:
                return None
            for name, image in images.items():
                image = np.asarray(image)
                found.setdefault(name, []).append(image.reshape(-1, *image.shape[2:]))
        return {name: np.concatenate(each)[:number] for name, each in found.items()}

    def _within_memory(self, at: Scenario, compute: Callable[[], Any]) -> Any:
        """What `compute` returns, with `frames_at_once` halved until memory holds it.

        Raises `ScenarioError` where it does not hold a single frame.
        """
        while True:
            try:
                return compute()
            except Exception as error:
                if not _lacks_memory(error):
                    raise
                if self.frames_at_once == 1:
                    raise ScenarioError(
                        f"batch_size = {at.batch_size} does not fit in memory, even "
                        "with its frames received one by one: lower it"
                    ) from None
            self.frames_at_once = (self.frames_at_once + 1) // 2


@lru_cache(maxsize=8)
def _live(scenario_toml: str) -> LiveExperiment:
    return LiveExperiment(parse_scenario(scenario_toml))


def run_batch(
    scenario_toml: str,
    point: float,
    batch_index: int,
    receivers: tuple[str, ...] = (),
) -> dict:
    """Counts of one batch of a scenario (TOML text), computed alone, anywhere.

    receivers: those to compute, if not all of the scenario.
    Returns `seed`, `seconds`, `counts`, {receiver: counts}, and `frames_at_once` where
    memory did not hold the whole batch.
    """
    scenario = parse_scenario(scenario_toml)
    if receivers:
        scenario = scenario.model_copy(update={"receivers": receivers})
    live = _live(scenario.built_for(point).to_toml())
    return live.batch(scenario.at(point), batch_index)


def picture_strip(
    scenario: Scenario, number: int, live: LiveExperiment | None = None
) -> dict | None:
    """The same images as sent and as each receiver recovers them at each point.

    live : what receives them at all points, if not what the scenario opens
    Returns `image` [number, height, width, channels] and, by (receiver, point), the
    recovered ones; None for experiments without images.
    """
    strip: dict = {}
    for point in scenario.sweep.points:
        here = live or _live(scenario.built_for(point).to_toml())
        images = here.images(scenario.at(point), number)
        if images is None:
            return None
        strip["image"] = images.pop("image")
        strip |= {(receiver, point): image for receiver, image in images.items()}
    return strip


def parts(world: World, frames: int, at_once: int) -> Iterator[World]:
    """A world of so many frames in parts of at most `at_once`; itself if it is one."""
    if at_once >= frames:
        yield world
        return
    for first in range(0, frames, at_once):
        yield cut(world, frames, first, min(first + at_once, frames))


def cut(world: World, frames: int, first: int, last: int) -> World:
    """Frames `first` to `last - 1` of a world of so many frames."""

    def inside(x: Any) -> Any:
        if isinstance(x, dict):
            return {key: inside(value) for key, value in x.items()}
        if isinstance(x, tuple):
            values = map(inside, x)
            return type(x)(*values) if hasattr(x, "_fields") else tuple(values)
        if not len(getattr(x, "shape", ())):  # a TensorShape is never false
            return x
        each = len(x) // frames  # rows of one frame
        return x[first * each : last * each]

    return inside(world)


def _lacks_memory(error: Exception) -> bool:
    """Whether NumPy, or TensorFlow, which is not loaded here, complains of that."""
    return isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__


def plain(counts: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Counts of each receiver as plain numbers."""
    return {
        receiver: {key: np.asarray(value).item() for key, value in sums.items()}
        for receiver, sums in counts.items()
    }
