"""The semantic link: images as symbols on a shared grid, and several ways back."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.experiments.semantic_receivers import (
    SemanticReceiver,
    load_encoder,
    load_receiver,
)
from link_sim.metrics.counts import (
    class_counts,
    distance_counts,
    failure_counts,
    multiscale_counts,
    picture_counts,
)
from link_sim.metrics.lpips import LPIPS
from link_sim.models.pretrained import load_model
from link_sim.receivers.catalog import ESTIMATORS
from link_sim.receivers.entries import build_block
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.semantic import num_symbols
from link_sim.scenarios.base import ScenarioError, batch_seed
from link_sim.scenarios.semantic import SemanticScenario
from link_sim.world.separation import FALLBACK, Separation, choose_mcs
from link_sim.world.shared_grid import SharedGrid, known_hardware, noise_variance
from link_sim.world.sources import in_order, load_images, load_labels

CALIBRATION_FRAMES = 64
"""Channels from which the separation baseline chooses modulation and code rate."""


class SharedFrames(NamedTuple):
    """Frames on the air: one image of each user in each.

    image, labels : [frames, users, ...]; x : symbols, by sender; count : channel uses;
    h, noise : as `SharedGrid` draws them; esno_db : of each user; sampler_noise : of
    the decoders that sample, [frames * users, height, width, channels], or None;
    realism : theirs
    """

    image: Any
    labels: Any
    x: dict[str, Any]
    count: int
    h: Any
    noise: Any
    esno_db: float
    sampler_noise: Any
    realism: float


class Traced(NamedTuple):
    """What is computed in graphs for a number of symbols: by sender, by what equalises
    and sender, and by receiver."""

    grid: SharedGrid
    encode: dict[str, Callable]
    observe: Callable
    decode: dict[str, Callable]


class Recovered(NamedTuple):
    """Images as a receiver recovers them, and, of the separation baseline, which ones
    were lost, [frames, users]."""

    image: Any
    lost: Any


class SemanticLink:
    """Images through encoders, a shared grid and a channel to several decoders.

    One pass draws channel and noise once, for all encoders and receivers; an
    `Experiment`.

    Parameters
    ----------
    scenario : SemanticScenario

    Raises `ScenarioError` for receivers that are not known, and for more symbols than
    they can send.
    """

    def __init__(self, scenario: SemanticScenario):
        self.scenario = scenario
        self._images = load_images(scenario.payload)
        self._labels = load_labels(scenario.payload)
        self.image_shape = self._images.shape[1:]
        self._separations, self._traces = {}, {}
        self.receivers = [load_receiver(scenario, name) for name in scenario.receivers]
        senders = {each.sender for each in self.receivers if not each.codec}
        self._encoders = {sender: load_encoder(scenario, sender) for sender in senders}
        self._check_hardware()
        self._check_ratios({s: e.max_symbols for s, e in self._encoders.items()})
        decoders = {each.name: each.decoder for each in self.receivers if each.decoder}
        self._decoders = decoders
        samplers = (block for block in decoders.values() if block.num_steps > 1)
        self._sampler = next(samplers, None)
        self._classifier = load_model(scenario.weights_file(*scenario.networks))
        self._lpips = LPIPS(scenario.lpips) if scenario.lpips else None
        self._judge = tf.function(self._counts)

    def symbols(self, at: SemanticScenario) -> int:
        """Channel uses of an image."""
        multiple = math.lcm(self.scenario.users, self.scenario.spread)
        return num_symbols(at.sweep.bandwidth_ratio, self.image_shape, multiple)

    def draw(self, at: SemanticScenario, batch_index: int) -> SharedFrames:
        """A batch of `at`, the scenario at a point of its sweep, on the air."""
        seed, count = at.world_seed(batch_index), self.symbols(at)
        picks, esno_db = self.picks(batch_index), at.sweep.esno_db
        levels = self._images[picks]
        image, no = image_from_levels(levels), noise_variance(esno_db)
        gains = np.float32(self.scenario.spread * np.array(self.scenario.powers))
        x = {
            each.sender: self._separation(each, count, esno_db).send(levels)
            if each.codec
            else self._traced(count).encode[each.sender](image, no=no / gains)
            for each in self.receivers
        }
        noise = self._sampler and self._sampler.draw_noise(picks.size, seed)
        h, radio = self._draw(count, len(picks), seed, esno_db)
        labels = tf.constant(self._labels[picks])
        return SharedFrames(
            image, labels, x, count, h, radio, esno_db, noise, at.realism
        )

    def receive(self, world: SharedFrames) -> dict[str, Recovered]:
        """Images as each receiver recovers them."""
        no, realism = noise_variance(world.esno_db), tf.constant(world.realism)
        traced = self._traced(world.count)
        observed = traced.observe(world.x, world.h, world.noise, no)
        received = {}
        for each in self.receivers:
            x_hat, no_eff = observed[each.equaliser][each.sender]
            if each.codec:
                chain = self._separation(each, world.count, world.esno_db)
                found = chain.receive(x_hat, no_eff, self.image_shape)
                received[each.name] = Recovered(*map(tf.constant, found))
            else:
                steps = each.decoder.num_steps
                noise = world.sampler_noise if steps > 1 else None
                image_hat = traced.decode[each.name](x_hat, no_eff, noise, realism)
                received[each.name] = Recovered(image_hat, None)
        return received

    def count(self, world: SharedFrames) -> dict[str, dict]:
        """Counts of each receiver; see `link_sim.metrics.counts`."""
        return self._judge(world.image, world.labels, self.receive(world))

    def images(self, world: SharedFrames, received: dict[str, Recovered]) -> dict:
        """Images as sent and by receiver, [frames, users, ...]."""
        recovered = {name: each.image for name, each in received.items()}
        return {"image": world.image, **recovered}

    def picks(self, batch_index: int) -> np.ndarray:
        """Numbers of the images of a batch, [frames, users]: the pool in order."""
        shape = self.scenario.batch_size, self.scenario.users
        return in_order(batch_index, shape, len(self._images))

    def _check_hardware(self):
        hardware = self.scenario.hardware
        try:
            if hardware is not None:
                known_hardware(hardware, self.scenario.grid)
        except ValueError as error:
            raise ScenarioError(f"hardware: {error}") from None

    def _check_ratios(self, limits: dict[str, int]):
        """Refuses points with more symbols than a sender's limit."""
        sweep = self.scenario.sweep
        key = "points" if sweep.axis == "bandwidth_ratio" else "bandwidth_ratio"
        counts = {self.symbols(self.scenario.at(point)) for point in sweep.points}
        for each in self.receivers:
            if each.codec:
                continue
            most = min(limits[each.sender], each.decoder.max_symbols)
            most *= self.scenario.spread
            if max(counts) > most:
                largest = int(1e4 * most / np.prod(self.image_shape)) / 1e4
                raise ScenarioError(
                    f"sweep.{key} asks for {max(counts)} channel uses an image, but "
                    f"'{each.name}' has at most {most}: use bandwidth ratios up to "
                    f"{largest}"
                )

    def _draw(self, count: int, frames: int, seed: int, esno_db: float):
        """Channel and noise of so many frames."""
        grid = self._traced(count).grid  # may draw channels for covariances
        config.seed = seed
        return grid.draw(tf.constant(frames), noise_variance(esno_db))

    def _traced(self, count: int) -> Traced:
        """The grid and the functions for so many symbols."""
        if count not in self._traces:
            grid = SharedGrid(self.scenario, count)
            symbols = count // grid.spread
            config.seed = batch_seed(self.scenario.seed, 0.0, 2**31 - 1)
            names = dict.fromkeys(each.estimator for each in self.receivers)
            find = self.scenario.weights_file
            estimators = {n: build_block(ESTIMATORS, n, grid, find=find) for n in names}
            observe = partial(self._observe, grid, estimators)
            encode = {
                name: tf.function(partial(encoder, count=symbols), autograph=False)
                for name, encoder in self._encoders.items()
            }
            # partial: TensorFlow warns of a block that is traced for many counts
            decode = {
                each.name: tf.function(partial(each.decode), autograph=False)
                for each in self.receivers
                if each.decoder
            }
            observe = tf.function(observe, reduce_retracing=True)
            self._traces[count] = Traced(grid, encode, observe, decode)
        return self._traces[count]

    def _observe(self, grid, estimators, sent, h, noise, no):
        """(x_hat, no_eff) by what equalises and sender."""
        known = grid.seen(h), tf.zeros([1] * 7)
        digital = {each.sender for each in self.receivers if each.codec}
        received = {sender: grid.send(x, h, noise) for sender, x in sent.items()}
        observed = {}
        for name, aware in dict.fromkeys(each.equaliser for each in self.receivers):
            estimator, key = estimators[name], (name, aware)
            observed[key] = {}
            for sender, y in received.items():
                channel = estimator(y, no) if estimator is not None else known
                alone = sender in digital
                found = grid.receive(y, *channel, no, alone=alone, aware=aware)
                observed[key][sender] = found
        return observed

    def _separation(self, receiver: SemanticReceiver, count: int, esno_db: float):
        """The baseline with the modulation and code rate for an Es/N0."""
        design_db = esno_db if receiver.design_db is None else receiver.design_db
        key = receiver.name, count, design_db
        if key not in self._separations:
            users = self.scenario.users
            no_eff = self._calibrate(receiver, count, design_db) / users
            mcs = choose_mcs(no_eff[:, ::users])
            fallback = FALLBACK[self.scenario.payload.source]
            chain = Separation(receiver.codec, mcs, count, users, fallback)
            self._separations[key] = chain
        return self._separations[key]

    def _calibrate(self, receiver: SemanticReceiver, count: int, esno_db: float):
        """Noise variances after equalisation, [images, symbols]."""
        seed = batch_seed(self.scenario.seed, esno_db, 2**31 - 2)
        h, noise = self._draw(count, CALIBRATION_FRAMES, seed, esno_db)
        shape, spread = (CALIBRATION_FRAMES, self.scenario.users), self.scenario.spread
        sent = {
            each.sender: tf.zeros(
                [*shape, count if each.codec else count // spread], tf.complex64
            )
            for each in self.receivers
        }
        observe = self._traced(count).observe
        no_eff = observe(sent, h, noise, noise_variance(esno_db))
        no_eff = no_eff[receiver.equaliser][receiver.sender][1]
        return np.reshape(no_eff, (-1, count))

    def _counts(self, image, labels, received: dict[str, Recovered]):
        judge = class_counts(self._classifier, image, labels)
        counts = {}
        for name, (image_hat, lost) in received.items():
            sums = {"frames": tf.shape(image)[0], **picture_counts(image, image_hat)}
            sums |= multiscale_counts(image, image_hat) | judge(image_hat)
            if self._lpips:
                sums |= distance_counts(self._lpips(image, image_hat))
            if lost is not None:
                sums |= failure_counts(lost)
            counts[name] = sums
        return counts
