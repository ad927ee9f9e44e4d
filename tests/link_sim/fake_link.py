"""An experiment that draws counts instead of simulating a link.

In the environment, `FAKE_SECONDS` makes each batch take that long, `FAKE_DEATH` makes
it end its process, and `FAKE_NAN=receiver:batch` gives a receiver NaN in that batch.
"""

import os
import time
from typing import NamedTuple

import numpy as np

from link_sim.scenarios.base import Scenario
from link_sim.scenarios.loading import parse_scenario

FRAMES, BLOCKS, BITS = 8, 2, 100


class FakeWorld(NamedTuple):
    point: float
    batch: int
    seed: list[int]


LOSS_DB = {"perfect-csi": 0.0, "ls": 2.0, "b": 2.0, "ls+pixel-bayes": 4.0}


class FakeLink:
    """An `Experiment` whose receivers differ by 2 dB each."""

    def __init__(self, scenario: Scenario):
        self.receivers = scenario.receivers

    def draw(self, at: Scenario, batch_index: int) -> FakeWorld:
        time.sleep(float(os.environ.get("FAKE_SECONDS", 0)))
        if "FAKE_DEATH" in os.environ:
            os._exit(1)
        point = at.sweep.points[0]
        seed = [at.seed, round(point * 1000) % 2**32, batch_index]
        return FakeWorld(point, batch_index, seed)

    def receive(self, world: FakeWorld) -> tuple[str, ...]:
        return self.receivers

    def count(self, world: FakeWorld) -> dict:
        fade = np.random.default_rng(world.seed).exponential(size=FRAMES)
        counts = {
            name: frame_counts(fade, world.point - LOSS_DB.get(name, 0), world.seed)
            for name in self.receivers
        }
        name, _, number = os.environ.get("FAKE_NAN", "").partition(":")
        if number == str(world.batch):
            counts[name]["squared_error"] = np.nan
        return counts

    def images(self, world: FakeWorld, received: tuple[str, ...]) -> dict:
        image = np.tile(np.linspace(0, 1, 28)[:, None, None], (3, 1, 1, 28, 1))
        return {name: image for name in ("image", *received)}


def run_batch(toml: str, point: float, batch: int, receivers=()) -> dict:
    """A batch as `engine.batches` returns it, in any process."""
    at = parse_scenario(toml).at(point)
    at = at.model_copy(update={"receivers": receivers or at.receivers})
    link = FakeLink(at)
    counts = link.count(link.draw(at, batch))
    return {"seed": at.world_seed(batch), "seconds": 0.5, "counts": counts}


def frame_counts(fade, snr_db: float, seed) -> dict:
    rng = np.random.default_rng(seed)
    error_rate = 0.5 * np.exp(-fade * 10 ** (min(snr_db, 200) / 10))
    bit_errors = rng.binomial(BLOCKS * BITS, error_rate)
    blocks = np.minimum(bit_errors, BLOCKS)
    mse = error_rate / 12
    sums = {
        "bit_errors": bit_errors,
        "block_errors": blocks,
        "undetected_errors": np.zeros(FRAMES, int),
        "squared_error": mse,
        "psnr": -10 * np.log10(mse + 1e-6),
        "ssim": 1 - error_rate,
        "nmse": error_rate / fade,
        "channel_error": error_rate,
        "channel_power": fade,
    }
    counts = {
        "frames": FRAMES,
        "blocks": FRAMES * BLOCKS,
        "bits": FRAMES * BLOCKS * BITS,
        "images": FRAMES,
        "channel_error_power": np.sum(error_rate * fade),
    }
    for name, values in sums.items():
        counts |= {name: values.sum(), f"{name}_sq": (values**2).sum()}
    return counts
