"""Prediction of channels over antennas and carriers: users of a site who walk, or UMi.

Slots follow each other, each with pilots on all carriers of one symbol. Users of a site
that predictors learn from stand in other squares than those that they are tested on.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.experiments.csi_fields import World, umi_link
from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import estimation_counts
from link_sim.receivers.catalog import PREDICTORS
from link_sim.receivers.entries import build_block
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.prediction import PredictionScenario
from link_sim.scenarios.radio import SPEED_OF_LIGHT
from link_sim.scenarios.sites import load_site
from link_sim.world.ensembles import received
from link_sim.world.impulse_responses import impulse_responses
from link_sim.world.site_channels import doppler_shifts, responses, waves


class Slots(NamedTuple):
    """What is received of channels, and the channel that is wanted.

    h : [batch, antennas, carriers], `ahead` slots after the last of y
    y : [batch, slots, antennas, carriers]
    doppler : largest shift [turns per slot]
    paths : powers, waves and Doppler shifts, see `prediction.genie`; None without
    """

    h: np.ndarray
    y: np.ndarray
    paths: tuple | None
    ahead: int
    doppler: float
    no: float


class PredictionOfChannels(Experiment):
    """Predictors of channels; an `Experiment` without images.

    Raises `ScenarioError` for a file that holds no site.
    """

    def __init__(self, scenario: PredictionScenario):
        scenario.check_files()
        self._world = World(scenario.cell, (scenario.prediction.ensemble,))
        try:
            self._predictors = {
                name: build_block(
                    PREDICTORS, name, self._world, find=scenario.weights_file
                )
                for name in scenario.receivers
            }
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None

    def draw(self, at: PredictionScenario, batch_index: int) -> Slots:
        """Channels of users at random over slots, and what is received of them."""
        asked, seed = at.prediction, at.world_seed(batch_index)
        slots = np.append(np.arange(asked.observed), asked.observed - 1 + asked.ahead)
        if asked.ensemble == "umi":
            h, paths, doppler = drops(at, seed, slots), None, umi_doppler(at)
        else:
            h, paths, doppler = self._walks(at, np.random.default_rng(seed), slots)
        no = 10.0 ** (-at.level_db / 10)
        noise = np.random.default_rng([seed, 1])
        y = received(noise, h[:, :-1].astype("complex64"), no)
        return Slots(h[:, -1], y, paths, asked.ahead, doppler, no)

    def receive(self, world: Slots) -> dict[str, tuple]:
        """Channels ahead and their error variances."""
        seen = world.y.astype("complex128"), world.no, world.ahead, world.doppler
        return {
            name: each(*seen, *world.paths) if name == "genie" else each(*seen)
            for name, each in self._predictors.items()
        }

    def count(self, world: Slots) -> dict[str, dict]:
        """Counts of estimation errors, and of errors over what is stated of them."""
        received = self.receive(world).items()
        return {name: estimation_counts(world.h, *each) for name, each in received}

    def _walks(self, at: PredictionScenario, rng, slots):
        """Of users of the site: channels over the slots, paths, largest shift."""
        cell, asked = at.cell, at.prediction
        paths = self._world.users(rng, at.batch_size, test=True)
        most = asked.slot * asked.speed * load_site(cell.name).carrier / SPEED_OF_LIGHT
        shifts = doppler_shifts(rng, paths, most)
        turned = (
            paths._replace(gain=paths.gain * np.exp(2j * np.pi * shifts * slot))
            for slot in slots
        )
        h = [responses(each, cell.antennas, cell.frequencies) for each in turned]
        own = waves(paths, cell.antennas, cell.frequencies)
        return np.stack(h, axis=1), (np.abs(paths.gain) ** 2, own, shifts), most


def drops(at: PredictionScenario, seed: int, slots: np.ndarray) -> np.ndarray:
    """Channels of UMi at slots, of power one each over all: [batch, slots, ...]."""
    asked, frequencies = at.prediction, at.cell.frequencies
    config.seed = seed
    steps = int(slots[-1]) + 1
    draw = impulse_responses(umi_link(at.cell, speed=asked.speed), steps)
    a, tau = draw(at.batch_size, steps, 1 / asked.slot)
    turn = np.exp(-2j * np.pi * tau.numpy()[:, 0, 0, :, None] * frequencies)
    a = tf.gather(a[:, 0, :, 0, 0], slots, axis=-1).numpy()
    h = np.einsum("bnpt,bpf->btnf", a, turn, optimize=True)
    power = np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True)
    return h / np.sqrt(power)


def umi_doppler(at: PredictionScenario) -> float:
    """Largest shift of UMi [turns per slot]."""
    return umi_link(at.cell, speed=at.prediction.speed).channel.doppler * (
        at.prediction.slot
    )
