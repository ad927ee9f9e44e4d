"""Batches that the memory does not hold at once: they are received in parts."""

from collections.abc import Callable, Iterator

import tensorflow as tf

from link_sim.scenarios.loading import ScenarioError


def fit_into_memory(link, simulate: Callable[[], dict]) -> dict:
    """What `simulate` returns, with `link.frames_at_once` halved until memory holds it.

    Raises `ScenarioError` where it does not hold a single frame.
    """
    while True:
        try:
            return simulate()
        except (tf.errors.ResourceExhaustedError, MemoryError):
            if link.frames_at_once == 1:
                raise ScenarioError(
                    f"batch_size = {link.scenario.batch_size} does not fit in "
                    "memory, even with its frames received one by one: lower it"
                ) from None
        link.frames_at_once = (link.frames_at_once + 1) // 2


def parts(frames: int, at_once: int) -> Iterator[tuple[int, int]]:
    """The first frame of each part of a batch, and the one after its last."""
    for first in range(0, frames, at_once):
        yield first, min(first + at_once, frames)
