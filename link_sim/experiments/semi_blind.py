"""Semi-blind reception: short blocks whose few pilots and symbols tell the channel."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import estimation_counts, failure_counts
from link_sim.receivers.catalog import SEMI_BLIND
from link_sim.receivers.entries import build_block
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.semi_blind import SemiBlindScenario
from link_sim.world.ensembles import received
from link_sim.world.path_blocks import BlockSender, path_channels

POPULATION = 20_000
"""Channels for the covariance of all of them."""
LEARNING, DRAWING = 2**31 - 13, 2**31 - 15
"""Seeds of those channels, and of receivers' own draws."""


class Blocks(NamedTuple):
    """Blocks as sent and received, shapes as in `receivers.decoding.semi_blind`."""

    b: np.ndarray
    h: np.ndarray
    covariance: np.ndarray
    y: np.ndarray
    no: np.float32
    noise: np.ndarray


class Known(BlockSender):
    """What receivers know; a `BlockContext`."""

    def __init__(self, block):
        super().__init__(block.transmit, block.uses, block.pilots)
        self._block = block

    @property
    def shape(self) -> tuple[int, int]:
        return self._block.receive, self._block.transmit

    @cached_property
    def covariance(self) -> np.ndarray:
        rng = np.random.default_rng(LEARNING)
        found = path_channels(rng, POPULATION, *self.shape, self._block.paths)[1]
        return found.mean(axis=0)


class SemiBlindBlocks(Experiment):
    """Receivers of short blocks; an `Experiment` without images."""

    def __init__(self, scenario: SemiBlindScenario):
        self._sender = Known(scenario.block)
        try:
            self._receivers = {
                name: build_block(SEMI_BLIND, name, self._sender)
                for name in scenario.receivers
            }
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None
        self._compiled = {
            name: tf.function(receiver, autograph=False, reduce_retracing=True)
            for name, receiver in self._receivers.items()
        }

    def draw(self, at: SemiBlindScenario, batch_index: int) -> Blocks:
        """Bits, channels and noise of one batch."""
        seed, size = at.world_seed(batch_index), at.batch_size
        rng, sender = np.random.default_rng(seed), self._sender
        h, covariance = path_channels(rng, size, *sender.shape, at.block.paths)
        b = rng.integers(0, 2, (size, sender.k)).astype("float32")
        x = sender.symbols(sender.code.encode(tf.constant(b)))
        no = np.float32(10 ** (-at.level_db / 10))
        y = received(rng, h @ x, no)
        rng = np.random.default_rng([DRAWING, seed])
        most = max(getattr(r, "num_starts", 1) for r in self._receivers.values())
        noise = rng.standard_normal((2, size, most, *sender.shape), "float32")
        noise = (noise[0] + 1j * noise[1]) / np.sqrt(2)
        return Blocks(b, h, covariance, y, no, noise.astype("complex64"))

    def receive(self, world: Blocks) -> dict[str, tuple]:
        """LLRs of the bits, channel estimates and their error variances."""
        w, found = world, {}
        for name, receiver in self._compiled.items():
            known = (w.h,) if name == "perfect-csi" else (w.covariance, w.noise)
            found[name] = receiver(w.y, w.no, *known)
        return found

    def count(self, world: Blocks) -> dict[str, dict]:
        """Counts of bits, blocks and channel estimates."""
        counts = {}
        for name, found in self.receive(world).items():
            llr, *channel = found if isinstance(found, tuple) else (found,)
            wrong = np.sum((np.asarray(llr) > 0) != world.b, axis=1)
            counts[name] = {
                "frames": len(wrong),
                "bits": world.b.size,
                "bit_errors": wrong.sum(),
                "bit_errors_sq": np.sum(wrong**2),
                **failure_counts((wrong > 0)[:, None]),
            }
            if channel:
                counts[name] |= estimation_counts(world.h, *channel)
        return counts
