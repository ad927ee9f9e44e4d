"""Channels of large arrays, estimated from few measurements: y = M h + n.

All channels of a batch share a combiner, as users of a cell with orthogonal pilots do.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import estimation_counts
from link_sim.receivers.catalog import KNOWING, SOUNDING
from link_sim.receivers.entries import build_block
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.sounding import SoundingScenario
from link_sim.world import combiners, near_field

POPULATION = 4_000
"""Channels for the covariance of a population of paths."""
LEARNING, GEOMETRY, FORMER = 2**31 - 9, 2**31 - 11, 2**31 - 13
"""Seeds of what is learned from, of clusters, and of those before they moved, beside
that of the scenario."""
REACH = 0.6
"""Range that estimators search down to, over that of the nearest source."""


class Sounded(NamedTuple):
    """Channels, their paths (see `near_field.Field`) and what is measured of them.

    h : [batch, antennas, snapshots]; m : [batch, measurements, antennas]; y : [batch,
    measurements, snapshots]; gains : of each path and snapshot
    """

    h: np.ndarray
    paths: np.ndarray | None
    gains: np.ndarray | None
    windows: np.ndarray | None
    m: np.ndarray
    y: np.ndarray
    no: float


class Sounding(Experiment):
    """Estimators of `y = M h + n`; an `Experiment` without images.

    Raises `ScenarioError` for estimators that the channels do not allow.
    """

    def __init__(self, scenario: SoundingScenario):
        context = Context(scenario)
        try:
            self._estimators = {
                name: build_block(SOUNDING, name, context, find=scenario.weights_file)
                for name in scenario.receivers
            }
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None

    def draw(self, at: SoundingScenario, batch_index: int) -> Sounded:
        """Channels, one combiner for all of them, and what is measured."""
        rng = np.random.default_rng(at.world_seed(batch_index))
        context = Context(at)
        h, paths, gains, windows = context.draw(rng, at.batch_size)
        m = context.combiner(rng, 1)
        y, no = context.measured(rng, m[0], h)
        m = np.broadcast_to(m, (len(h), *m.shape[1:]))
        return Sounded(h, paths, gains, windows, m, y, no)

    def receive(self, world: Sounded) -> dict[str, tuple]:
        """Estimates and their error variances."""
        seen = world.y, world.m[0], world.no
        return {
            name: each(*seen, world) if name in KNOWING else each(*seen)
            for name, each in self._estimators.items()
        }

    def count(self, world: Sounded) -> dict[str, dict]:
        """Counts of estimation errors, and of errors over what is stated of them."""
        received = self.receive(world).items()
        return {name: estimation_counts(world.h, *each) for name, each in received}


class Context:
    """What a scenario says of array, channels and combiner; a `SoundingContext`."""

    def __init__(self, scenario: SoundingScenario):
        self._scenario, array = scenario, scenario.array
        waves = scenario.waves
        self.shape, self.spacing = array.antennas, array.spacing
        wavelength = near_field.LIGHT / array.carrier
        build = near_field.line if len(self.shape) == 1 else near_field.plane
        self.array = build(*self.shape, wavelength, array.spacing)
        self.number = waves.paths if waves.scattering == "paths" else 0
        self.nearest = REACH * waves.ranges[0]
        middle = np.arange(waves.subcarriers) - (waves.subcarriers - 1) / 2
        self.frequencies = tuple(middle * waves.bandwidth / waves.subcarriers)
        offset = np.array(self.frequencies if waves.squint else 0.0)
        self.stretch = 1 + offset / array.carrier

    def draw(self, rng, size: int) -> tuple:
        """Channels, paths, gains and windows; the last three None if Gaussian."""
        waves = self._scenario.waves
        if not self.number:
            return near_field.fading(rng, size, self.covariance()), None, None, None
        places = near_field.draw_sources(
            rng, size, self.number, self.array.axes, waves.ranges
        )
        windows = None
        if waves.visible:
            shape = places.shape[:2]
            windows = near_field.boxes(
                rng, shape, self.array, waves.visible, waves.partly, waves.edge
            )
        field = near_field.field(
            rng, self.array, places, self.frequencies, windows, waves.squint
        )
        turns = np.exp(-2j * np.pi * field.delays[..., None] * self.frequencies)
        return field.h, places, field.gains[..., None] * turns, windows

    def combiner(self, rng, size: int) -> np.ndarray:
        """M for `size` channels."""
        combiner, antennas = self._scenario.combiner, len(self.array)
        if combiner.kind == "none":
            return combiners.everything(size, antennas)
        measurements = combiner.measurements
        if combiner.kind == "signs":
            return combiners.signs(rng, size, measurements, antennas)
        return combiners.phase_shifters(
            rng, size, measurements, antennas, combiner.bits
        )

    def measured(self, rng, m, h) -> tuple[np.ndarray, float]:
        """y and the noise variance of its elements."""
        no = 10.0 ** (-self._scenario.level_db / 10)
        y = m @ h
        n = rng.standard_normal((2, *y.shape)) * np.sqrt(no / 2)
        return y + n[0] + 1j * n[1], no

    def covariance(self) -> np.ndarray:
        """Of the population: exact for Gaussian channels, else of many channels."""
        return self._covariance

    @cached_property
    def _covariance(self) -> np.ndarray:
        waves = self._scenario.waves
        if waves.scattering == "isotropic":
            return near_field.isotropic(self.array)
        if waves.scattering == "clusters":
            return self._clusters(GEOMETRY)
        rng = np.random.default_rng([self._scenario.seed, GEOMETRY])
        total = np.zeros(2 * (len(self.array),), complex)
        for _ in range(POPULATION // 100):
            h = np.moveaxis(self.draw(rng, 100)[0], 1, 0).reshape(len(total), -1)
            total += h @ h.conj().T / (POPULATION // 100) / h.shape[1]
        return total

    def _clusters(self, seed: int) -> np.ndarray:
        rng = np.random.default_rng([self._scenario.seed, seed])
        return near_field.clustered(rng, self.array, self._scenario.waves.paths)

    def received(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Pilots of earlier channels, their combiners and the noise variance."""
        number, since = self._scenario.prior.snapshots, self._scenario.prior.since
        rng = np.random.default_rng([self._scenario.seed, LEARNING])
        h = self.draw(rng, number)[0][:, :, :1]
        if since is not None and since < number:
            before = near_field.fading(rng, number - since, self._clusters(FORMER))
            h = np.concatenate([before, h[number - since :]])
        full = self._scenario.combiner.kind == "none"
        m = self.combiner(rng, 1)[0] if full else self.combiner(rng, number)
        y, no = self.measured(rng, m, h)
        return y[..., 0], m, no
