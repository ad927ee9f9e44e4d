"""Channel estimation by itself over antennas and carriers: a traced site, or UMi.

Users send pilots on some carriers of one OFDM symbol. Users of a site that estimators
learn from stand in other squares than those that they are tested on.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import estimation_counts
from link_sim.receivers.catalog import FIELDS
from link_sim.receivers.entries import build_block, find_block
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.csi import CsiScenario, Site
from link_sim.scenarios.link import LinkScenario
from link_sim.scenarios.sites import load_site, with_tails
from link_sim.world.channel import Channel
from link_sim.world.ensembles import received
from link_sim.world.site_channels import responses, turned, waves

LEARNED = 480
"""Channels of UMi that estimators learn from."""
LEARNING_SEED = 2**31 - 7


class Seen(NamedTuple):
    """Channels and what is received of them.

    h : [batch, antennas, carriers]; y : [batch, antennas, pilots]; pilots : carriers
    that have any, the same of each channel, [batch, pilots]
    powers, waves : of the paths, see `estimation.fields.genie`; None without
    users : places from the station [m], [batch, 3], and whether they are in line of
        sight, [batch]; None without
    """

    h: np.ndarray
    y: np.ndarray
    pilots: np.ndarray
    powers: np.ndarray | None
    waves: tuple[np.ndarray, np.ndarray] | None
    users: tuple[np.ndarray, np.ndarray] | None
    no: float


class CsiFields(Experiment):
    """Channel estimators of an OFDM symbol; an `Experiment` without images.

    Raises `ScenarioError` for estimators that the ensemble does not allow.
    """

    def __init__(self, scenario: CsiScenario):
        scenario.check_files()
        unknown = [name for name in scenario.receivers if not _is_known(name)]
        if unknown:
            raise ScenarioError(
                f"the receiver '{unknown[0]}' is not for estimation.ensemble = "
                f"'{scenario.estimation.ensemble}': use one of {', '.join(FIELDS)}"
            )
        if "genie" in scenario.receivers and scenario.estimation.ensemble == "umi":
            raise ScenarioError(
                "genie knows the paths of a site, and drops of umi do not tell theirs: "
                "leave genie out, or use estimation.ensemble=site"
            )
        _check_network(scenario)
        self._world = World(scenario.cell, scenario.estimation.trained_on)
        try:
            self._estimators = {
                name: build_block(FIELDS, name, self._world, find=scenario.weights_file)
                for name in scenario.receivers
            }
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None

    def draw(self, at: CsiScenario, batch_index: int) -> Seen:
        """Channels of users at random, and what is received of their pilots."""
        seed, size, cell = at.world_seed(batch_index), at.batch_size, at.cell
        rng = np.random.default_rng(seed)
        powers = own = users = None
        if at.estimation.ensemble == "umi":
            h = self._world.drops(seed, size)
        else:
            picked = self._world.picked(rng, size, test=True)
            paths, users = self._world.paths(rng, picked), places(cell, picked)
            h = responses(paths, cell.antennas, cell.frequencies)
            powers = np.abs(paths.gain) ** 2
            own = waves(paths, cell.antennas, cell.frequencies)
        carriers = cell.carriers(at.estimation.alpha)
        no = 10.0 ** (-at.level_db / 10)
        y = received(rng, h[:, :, carriers].astype("complex64"), no)
        pilots = np.broadcast_to(carriers, (size, len(carriers)))
        return Seen(h, y, pilots, powers, own, users, no)

    def receive(self, world: Seen) -> dict[str, tuple]:
        """Estimates and their error variances."""
        seen = world.y.astype("complex128"), world.no, world.pilots[0]
        told = {"genie": (world.powers, world.waves), "neural-located": world.users}
        return {
            name: each(*seen, *told.get(name, ()))
            for name, each in self._estimators.items()
        }

    def count(self, world: Seen) -> dict[str, dict]:
        """Counts of estimation errors, and of errors over what is stated of them."""
        received = self.receive(world).items()
        return {name: estimation_counts(world.h, *each) for name, each in received}


class World:
    """The channels of a cell; a `FieldContext` that knows some ensembles."""

    def __init__(self, cell: Site, known: tuple[str, ...]):
        self._cell, self._known = cell, known
        self.frequencies, self.antennas = cell.frequencies, cell.antennas

    def picked(self, rng, size: int | None, test: bool) -> np.ndarray:
        """Users of the site at random, or each once."""
        users = np.flatnonzero(load_site(self._cell.name).test == test)
        return users if size is None else users[rng.integers(0, len(users), size)]

    def paths(self, rng, users: np.ndarray):
        """Of users of the site, with phases drawn."""
        paths = load_site(self._cell.name).chosen(users)
        return turned(rng, with_tails(rng, paths, self._cell.diffuse))

    def users(self, rng, size: int | None, test: bool):
        """Paths of users at random, or of each once, with phases drawn."""
        return self.paths(rng, self.picked(rng, size, test))

    def drops(self, seed: int, size: int) -> np.ndarray:
        """Channels of UMi, of power one each."""
        config.seed = seed
        return self._channel(tf.constant(size)).numpy()[:, 0, :, 0, 0, 0]

    def learned(self) -> list[np.ndarray]:
        """Channels of users that are not tested, once each, or of UMi."""
        rng = np.random.default_rng(LEARNING_SEED)
        return [
            self.elsewhere()
            if name == "umi"
            else responses(
                self.users(rng, None, test=False), self._cell.antennas, self.frequencies
            )
            for name in self._known
        ]

    def elsewhere(self) -> np.ndarray:
        """Channels of UMi to learn from."""
        return self.drops(LEARNING_SEED, LEARNED)

    @cached_property
    def _channel(self):
        return tf.function(Channel(umi_link(self._cell)), autograph=False)


def umi_link(cell: Site, **channel) -> LinkScenario:
    """A link of UMi with the array and the band of a cell."""
    return LinkScenario(
        name="umi",
        description="",
        receivers=("ls",),
        sweep={"axis": "esno_db", "points": (0.0,)},
        channel={"model": "umi", **channel},
        antennas={"receive": cell.antennas},
        grid={
            "symbols": 2,
            "pilot_symbols": (0,),
            "cyclic_prefix": 0,
            "fft_size": cell.subcarriers,
            "subcarrier_spacing": cell.bandwidth / cell.subcarriers,
            "guard_carriers": (0, 0),
            "dc_null": False,
        },
    )


def places(cell: Site, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of users from the station, and whether they are in line of sight."""
    site = load_site(cell.name)
    return site.position[users] - site.station, site.sight[users]


def _check_network(scenario: CsiScenario) -> None:
    """Raises `ScenarioError` for what the network of a site does not know."""
    asked = [name for name in scenario.receivers if name.startswith("neural")]
    alpha = scenario.estimation.alpha, scenario.sweep.axis
    if asked and (alpha[0] != 1 or alpha[1] == "alpha"):
        raise ScenarioError(
            f"{asked[0]} knows pilots on all subcarriers alone: use "
            "estimation.alpha=1 and another sweep.axis, or score"
        )
    elsewhere = scenario.estimation.ensemble == "umi" or scenario.cell.name != "munich"
    if "neural-located" in asked and elsewhere:
        raise ScenarioError(
            "neural-located knows places of the site munich alone: use neural, or "
            "estimation.ensemble=site and site.name=munich"
        )


def _is_known(name: str) -> bool:
    return find_block(FIELDS, name) is not None
