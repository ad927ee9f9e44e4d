"""Beam focusing: precoders side by side on channels of many users in the near field."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import constant_counts, rate_counts
from link_sim.receivers.catalog import PRECODERS
from link_sim.receivers.entries import build_block
from link_sim.receivers.precoding.gram import user_rates
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.focusing import FocusingScenario
from link_sim.world.downlink import (
    draw_downlink,
    estimated,
    focused_subarrays,
    noise_variance,
)


class Drops(NamedTuple):
    """Channels to the chains of an array, shapes as in `receivers.precoding`.

    h_hat : what the precoders know of h
    no : noise variance of the users
    known_no : the same with what the errors of h_hat disturb them
    """

    h: np.ndarray
    h_hat: np.ndarray
    no: np.float32
    known_no: np.float32


class Focusing(Experiment):
    """Precoders on drops of users; an `Experiment` without images.

    Raises `ScenarioError` for precoders that do not suit the array.
    """

    def __init__(self, scenario: FocusingScenario):
        downlink = scenario.downlink
        chains = downlink.antennas // downlink.subarray
        try:
            self._precoders = {
                name: build_block(PRECODERS, name, find=scenario.weights_file)
                for name in scenario.receivers
            }
            for precoder in self._precoders.values():
                precoder.check(downlink.users, chains)
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None
        self._compiled = {
            name: tf.function(precoder, autograph=False)
            for name, precoder in self._precoders.items()
        }

    def draw(self, at: FocusingScenario, batch_index: int) -> Drops:
        """Channels and their estimates in one batch."""
        rng, downlink = np.random.default_rng(at.world_seed(batch_index)), at.downlink
        users, antennas = downlink.users, downlink.antennas
        h = draw_downlink(rng, at.batch_size, users, antennas, downlink.geometry)
        h_hat = estimated(rng, h, downlink.err_var) if downlink.err_var else h
        if downlink.subarray > 1:
            beams = focused_subarrays(h_hat, downlink.subarray)
            h, h_hat = h @ beams, h_hat @ beams
        no = np.float32(noise_variance(at.level_db, users, antennas))
        return Drops(h, h_hat, no, no + np.float32(downlink.err_var))

    def receive(self, world: Drops) -> dict:
        """Beams of each precoder."""
        return {
            name: precoder(world.h_hat, world.known_no)
            for name, precoder in self._compiled.items()
        }

    def count(self, world: Drops) -> dict[str, dict]:
        """Counts of the rates of users, and of multiplications."""
        counts, shape = {}, world.h.shape[1:]
        for name, v in self.receive(world).items():
            millions = self._precoders[name].multiplications(*shape) / 1e6
            counts[name] = rate_counts(user_rates(world.h, v, world.no))
            counts[name] |= constant_counts("multiplications", millions, len(world.h))
        return counts
