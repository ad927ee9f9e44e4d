"""Feedback of channels: codecs side by side, each a word of bits for each channel.

Users know their channels without error; the base station knows what the words say.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from link_sim.experiments.csi_fields import LEARNED, LEARNING_SEED, World
from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import channel_counts, feedback_counts
from link_sim.receivers.catalog import FEEDBACK
from link_sim.receivers.entries import build_block
from link_sim.receivers.feedback.codecs import Modes, PathModes, reproduced
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.feedback import OWN, FeedbackScenario
from link_sim.world.ensembles import draw_scm, fading, scm_covariances
from link_sim.world.site_channels import responses, waves

REFERENCE = "rate-distortion"


class Told(NamedTuple):
    """Channels, and what only some codecs know of them.

    h : complex [batch, antennas, columns], columns are antennas of the user or carriers
    own : of each channel what gives its covariance: those of both ends, or powers of
        paths and their waves along both axes; None without
    noise : of the test channel, complex [batch, antennas * columns]
    bits : of a word; snr : of a user served by one antenna
    """

    h: np.ndarray
    own: tuple[np.ndarray, ...] | None
    noise: np.ndarray
    bits: int
    snr: float


class Fields:
    """Channels that codecs learn from; a `FeedbackContext`."""

    def __init__(self, scenario: FeedbackScenario):
        self._known = scenario.feedback.trained_on
        self._world = partial(World, scenario.cell)

    def learned(self) -> np.ndarray:
        if self._known == ("scm",):
            return draw_scm(LEARNING_SEED, LEARNED)
        return self._together(self._known)

    def everywhere(self) -> np.ndarray:
        return self._together(("umi", "site"))

    def _together(self, names: tuple[str, ...]) -> np.ndarray:
        """As many of each at random, if there are several."""
        rng = np.random.default_rng(LEARNING_SEED)
        found = self._world(names).learned()
        fewest = min(map(len, found))
        chosen = [np.sort(rng.permutation(len(h))[:fewest]) for h in found]
        return np.concatenate([h[n] for h, n in zip(found, chosen, strict=True)])


class FeedbackOfChannels(Experiment):
    """Codecs of channels; an `Experiment` without images.

    Raises `ScenarioError` for codecs that the scenario does not have, or that need more
    bits.
    """

    def __init__(self, scenario: FeedbackScenario):
        scenario.check_files()
        self._world = World(scenario.cell, scenario.feedback.trained_on)
        try:
            self._codecs = {
                name: build_block(FEEDBACK, name, Fields(scenario))
                for name in scenario.receivers
            }
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None
        for name, codec in self._codecs.items():
            if codec and codec.least > scenario.fewest_bits:
                raise ScenarioError(
                    f"the receiver '{name}' needs words of {codec.least} bits, and "
                    f"feedback.bits is {scenario.fewest_bits}: use more"
                )

    def draw(self, at: FeedbackScenario, batch_index: int) -> Told:
        """Channels of one batch."""
        seed, size = at.world_seed(batch_index), at.batch_size
        rng, own = np.random.default_rng(seed), None
        ensemble, cell = at.feedback.ensemble, at.cell
        if ensemble == "scm":
            own = scm_covariances(rng, size)
            h = fading(rng, *own)
        elif ensemble == "umi":
            h = self._world.drops(seed, size)
        else:
            paths = self._world.users(rng, size, test=True)
            along = waves(paths, cell.antennas, cell.frequencies)
            h = responses(paths, cell.antennas, cell.frequencies)
            own = np.abs(paths.gain) ** 2, *along
        noise = rng.standard_normal((2, size, h[0].size)) / np.sqrt(2)
        bits, snr = at.feedback.bits, 10.0 ** (at.level_db / 10)
        return Told(h, own, noise[0] + 1j * noise[1], bits, snr)

    def receive(self, world: Told) -> dict[str, tuple]:
        """What the base station knows of each channel, and the bits that it took."""
        bases, told = _bases(world.own, self._codecs), {}
        for name, codec in self._codecs.items():
            known = (bases,) if name in OWN else ()
            if name == REFERENCE:
                h_hat = reproduced(world.h, world.bits, *known, world.noise)
                told[name] = h_hat, np.full(len(h_hat), world.bits)
                continue
            words = codec.encode(world.h, world.bits, *known)
            spent = np.array([len(word) for word in words])
            if spent.max() > world.bits:
                raise ValueError(
                    f"'{name}' has a word of {spent.max()} bits, and feedback.bits is "
                    f"{world.bits}: report it as a mistake of the codec"
                )
            told[name] = codec.decode(words, world.bits, *known), spent
        return told

    def count(self, world: Told) -> dict[str, dict]:
        """Counts of errors, of likeness, of the rate of beams and of bits."""
        counts, h = {}, world.h.astype("complex128")
        for name, (h_hat, spent) in self.receive(world).items():
            counts[name] = {"frames": len(h), **channel_counts(h, h_hat, 1)}
            counts[name] |= feedback_counts(h, h_hat, spent, world.snr)
        return counts


def _bases(own: Any, names) -> list | None:
    """Modes of each channel's covariance, if any codec knows them."""
    if own is None or not set(OWN).intersection(names):
        return None
    if len(own) == 2:
        return [Modes(*ends) for ends in zip(*own, strict=True)]
    return [PathModes(p, along) for p, *along in zip(*own, strict=True)]
