"""A kind of experiment in two files and one line: what is drawn and counted."""

from typing import NamedTuple

import numpy as np

BITS = 1000


class Signs(NamedTuple):
    x: np.ndarray
    y: np.ndarray


class Toy:
    def __init__(self, scenario):
        self.receivers = scenario.receivers

    def draw(self, at, batch_index):
        rng = np.random.default_rng(at.world_seed(batch_index))
        x = rng.choice([-1.0, 1.0], (at.batch_size, BITS))
        sigma = np.sqrt(0.5 / at.repetitions) * 10 ** (-at.level_db / 20)
        return Signs(x, x + sigma * rng.standard_normal(x.shape))

    def receive(self, world):
        received = {"decides": np.sign(world.y), "guesses": np.ones_like(world.y)}
        return {name: received[name] for name in self.receivers}

    def count(self, world):
        counts = {}
        for name, x_hat in self.receive(world).items():
            wrong = (x_hat != world.x).sum(axis=1)
            counts[name] = {
                "frames": len(wrong),
                "bits": wrong.size * BITS,
                "bit_errors": wrong.sum(),
                "bit_errors_sq": (wrong**2).sum(),
            }
        return counts

    def images(self, world, received):
        return None
