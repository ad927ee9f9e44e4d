"""Batches of a link, computed from the text of a scenario, alone and anywhere."""

import math
import time
from functools import lru_cache

import numpy as np

from link_sim.experiments.link import Link
from link_sim.scenarios.loading import Scenario, parse_scenario


@lru_cache(maxsize=8)
def _live_link(scenario_toml: str) -> Link:
    return Link(parse_scenario(scenario_toml))


def run_batch(scenario_toml: str, point: float, batch_index: int) -> dict:
    """Counts of one batch of a scenario (TOML text), computed alone, anywhere.

    Returns `seed`, `seconds`, `counts`, {receiver: counts}, and `frames_at_once` where
    the memory did not hold the whole batch. Live links are kept for later batches.
    """
    scenario, point = parse_scenario(scenario_toml).at(point)
    link = _live_link(scenario.to_toml())
    start = time.perf_counter()
    counts = link.simulate(point, batch_index)
    seed = link.seed(point, batch_index)
    batch = {"seed": seed, "seconds": time.perf_counter() - start, "counts": counts}
    if link.frames_at_once < link.scenario.batch_size:
        batch["frames_at_once"] = link.frames_at_once
    return batch


def picture_strip(scenario: Scenario, num_digits: int) -> dict:
    """The same images as sent and as each receiver recovers them at each point.

    Returns `image` [num_digits, height, width, channels] and, by (receiver, point),
    the recovered ones.
    """
    strip = {}
    for point in scenario.sweep.points:
        one, at = scenario.at(point)
        link = _live_link(one.to_toml())
        strip["image"] = _first(link.batch_images(0), num_digits)
        number = math.ceil(num_digits / link.transmitter.images_per_frame)
        for receiver, image_hat in link.recover(at, 0, number).items():
            strip[receiver, point] = _first(image_hat, num_digits)
    return strip


def _first(image, number: int) -> np.ndarray:
    return image.numpy().reshape(-1, *image.shape[2:])[:number]
