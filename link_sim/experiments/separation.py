"""Images of any size over a channel: by codec and channel code, or by a network."""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from link_sim.experiments.experiment import Experiment
from link_sim.experiments.picture_coders import (
    CodecCoder,
    EvenCoder,
    NetworkCoder,
    Networks,
    PictureCoder,
    load_networks,
)
from link_sim.metrics.counts import (
    distance_counts,
    failure_counts,
    multiscale_counts,
    picture_counts,
)
from link_sim.metrics.lpips import LPIPS
from link_sim.metrics.rates import add_counts
from link_sim.receivers.block_rates import BlockRates
from link_sim.receivers.catalog import PICTURES, SEPARATION
from link_sim.receivers.entries import parse_block
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.receivers.semantic import num_symbols
from link_sim.scenarios.base import ScenarioError, batch_seed
from link_sim.scenarios.separation import SeparationScenario
from link_sim.world.picture_codec import check_codec
from link_sim.world.pictures import load_pictures
from link_sim.world.separation import Mcs
from link_sim.world.separation_blocks import BlockLink, rate_for, shortest_count
from link_sim.world.sources import in_order

DRAWS, SYMBOLS = 256, 2000
"""Of the channel, by which modulation and code rate are chosen."""
LOST = 128
"""Level shown for an image that is not decoded."""
SMALLEST = 22
"""Pixels that MS-SSIM needs."""


class Airtime(NamedTuple):
    """Images on the air: their numbers and the seeds of their noise, [frames]."""

    picture: np.ndarray
    seed: np.ndarray
    esno_db: float
    ratio: float


class SeparationLink(Experiment):
    """Codecs and networks by name, over fading that the receiver knows, or AWGN.

    `jpeg` takes modulation and code rate for the Es/N0 of the point, `jpeg-at-7` for
    7 dB: below, images are lost; above, they get no better. Raises `ScenarioError` for
    codecs that are not installed, weights of another kind and images that are too
    small.
    """

    def __init__(self, scenario: SeparationScenario):
        self.scenario = scenario
        self._pictures = load_pictures(scenario.payload.source)
        try:
            self._blocks = {n: parse_block(PICTURES, n) for n in scenario.receivers}
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None
        self._networks: dict[str, Networks] = {}
        for name, (entry, number) in self._blocks.items():
            if entry in SEPARATION.values():
                check_codec(name.partition("-")[0])
            else:
                self._networks[name] = load_networks(scenario, name, entry, number)
        smallest = min(min(picture.shape[:2]) for picture in self._pictures)
        if smallest < SMALLEST:
            raise ScenarioError(
                f"payload.source has an image of {smallest} pixels: MS-SSIM needs "
                f"{SMALLEST}"
            )
        self._lpips = LPIPS(scenario.lpips) if scenario.lpips else None
        self._coders: dict[tuple, PictureCoder] = {}
        self._rates: dict[tuple, BlockRates] = {}
        self._sent: dict[tuple, np.ndarray | None] = {}
        for point, name in product(scenario.sweep.points, self._networks):
            at = scenario.at(point)
            for shape in {picture.shape for picture in self._pictures}:
                count = num_symbols(at.sweep.bandwidth_ratio, shape)
                self._coder(name, shape, count, at.level_db)  # refuses what cannot be

    def draw(self, at: SeparationScenario, batch_index: int) -> Airtime:
        """The images of a batch, in order, and seeds of channel and noise."""
        picture = in_order(batch_index, (at.batch_size,), len(self._pictures))
        rng = np.random.default_rng(at.world_seed(batch_index))
        seed = rng.integers(2**63, size=at.batch_size)
        return Airtime(picture, seed, at.level_db, at.sweep.bandwidth_ratio)

    def receive(self, world: Airtime) -> dict[str, list[tuple]]:
        """Images, uint8, and whether each was lost, by receiver."""
        return {
            name: [
                self._through(name, picture, seed, world)
                for picture, seed in zip(world.picture, world.seed, strict=True)
            ]
            for name in self.scenario.receivers
        }

    def count(self, world: Airtime) -> dict[str, dict[str, Any]]:
        """Counts of each receiver; see `link_sim.metrics.counts`."""
        found = {}
        for name, received in self.receive(world).items():
            sums: dict[str, float] = {}
            for picture, (image_hat, lost) in zip(world.picture, received, strict=True):
                one = self._counts(self._pictures[picture], image_hat, lost)
                sums = add_counts(
                    sums, {k: np.asarray(v).item() for k, v in one.items()}
                )
            found[name] = sums
        return found

    def _through(self, name: str, picture: int, seed: int, world: Airtime) -> tuple:
        """An image as a receiver shows it, and whether it was lost."""
        image = self._pictures[picture]
        count = num_symbols(world.ratio, image.shape)
        coder = self._coder(name, image.shape, count, world.esno_db)
        key = coder, picture
        if key not in self._sent:
            self._sent[key] = coder.send(image)
        lost, x = np.full_like(image, LOST), self._sent[key]
        if x is None:
            return lost, True
        rng, no = np.random.default_rng(seed), 10 ** (-world.esno_db / 10)
        h = _fading(rng, self.scenario.channel.model, 1, count)[0]
        noise = np.sqrt(no / 2) * (rng.standard_normal((2, count)).T @ [1, 1j])
        shown = coder.receive(x + noise / h, no / np.abs(h) ** 2, seed)
        return (lost, True) if shown is None else (shown, False)

    def _coder(self, name: str, shape: tuple, count: int, esno_db: float):
        """What sends and receives images of a shape."""
        entry, number = self._blocks[name]
        if entry in SEPARATION.values():
            design_db = esno_db if number is None else number
            key = name.partition("-")[0], shape, count, design_db
            make = self._codec_coder
        else:
            key = name, shape, count, esno_db
            make = self._network_coder
        if key not in self._coders:
            self._coders[key] = make(*key)
        return self._coders[key]

    def _codec_coder(self, codec: str, shape: tuple, count: int, design_db: float):
        return CodecCoder(codec, BlockLink(self._mcs(count, design_db), count), shape)

    def _network_coder(self, name: str, shape: tuple, count: int, esno_db: float):
        networks, colours = self._networks[name], (*shape[:2], 3)
        encoder = ScalableSymbolEncoder(networks.encoder, colours)
        made, no = networks.decoder, 10 ** (-esno_db / 10)
        decoder = FlowDecoder(made.network, colours, made.flow, made.num_steps)
        if self._blocks[name][0] is PICTURES["ae-even"]:
            return EvenCoder(encoder, decoder, shape, count, no)
        key = networks.names, colours
        if key not in self._rates:
            mean = FlowDecoder(made.network, colours)
            self._rates[key] = BlockRates(encoder, mean)
        ahead = self._ahead(self._rates[key].num_bytes, count, esno_db)
        return NetworkCoder(self._rates[key], decoder, shape, count, no, ahead)

    def _ahead(self, num_bytes: int, count: int, esno_db: float) -> BlockLink:
        """A link of few symbols for so many bytes, at a rate for blocks so short."""
        symbols = count
        while True:
            mcs = self._mcs(symbols, esno_db)
            least = shortest_count(mcs, num_bytes)
            if least >= symbols or mcs == self._mcs(least, esno_db):
                return BlockLink(mcs, least)
            symbols = least

    def _mcs(self, count: int, design_db: float) -> Mcs:
        """The modulation and code rate that the channel carries at an Es/N0."""
        rng = np.random.default_rng(batch_seed(self.scenario.seed, design_db, 0))
        h = _fading(rng, self.scenario.channel.model, DRAWS, min(count, SYMBOLS))
        return rate_for(10 ** (-design_db / 10) / np.abs(h) ** 2, count)

    def _counts(self, image: np.ndarray, image_hat: np.ndarray, lost: bool) -> dict:
        pair = [image_from_levels(x[None, None]) for x in (image, image_hat)]
        sums = {"frames": 1, **picture_counts(*pair), **multiscale_counts(*pair)}
        if self._lpips:
            sums |= distance_counts(self._lpips(*pair))
        return sums | failure_counts(tf.constant([[lost]]))


def _fading(rng, model: str, frames: int, count: int) -> np.ndarray:
    """Coefficients of mean energy 1, complex [frames, count]."""
    if model == "awgn":
        return np.ones((frames, count))
    shape = (frames, count if model == "rayleigh-fast" else 1)
    h = (rng.standard_normal((*shape, 2)) @ [1, 1j]) / np.sqrt(2)
    return np.broadcast_to(h, (frames, count))
