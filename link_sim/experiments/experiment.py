"""The contract of experiments: worlds are drawn, received and counted."""

from typing import Any, Protocol

from link_sim.scenarios.base import Scenario

World = Any
"""A tuple of tensors or arrays, or of dictionaries of them.

The first axis of each counts frames, or as many rows of each frame; scalars, such as
the noise variance, and None serve all frames.
"""
Counts = dict[str, Any]


class Experiment(Protocol):
    """Receivers that are compared in the same worlds, made from a `Scenario`.

    It is used at all points of a sweep whose axis does not rebuild, and keeps nothing
    from one batch to the next. Raises `ScenarioError` where its scenario cannot be run.
    """

    def __init__(self, scenario: Scenario): ...

    def draw(self, at: Scenario, batch_index: int) -> World:
        """The world of a batch of `at`, the scenario at a point of its sweep.

        All random numbers come from `at.world_seed(batch_index)`.
        """

    def receive(self, world: World) -> dict[str, Any]:
        """What each receiver makes of a world, or of some frames of one."""

    def count(self, world: World) -> dict[str, Counts]:
        """Counts of each receiver (see `link_sim.metrics.counts`), which add up."""

    def images(self, world: World, received: dict[str, Any]) -> dict[str, Any] | None:
        """Images [frames, number, height, width, channels]: `image` as sent, and by
        receiver as recovered; None where an experiment has none."""
        return None
