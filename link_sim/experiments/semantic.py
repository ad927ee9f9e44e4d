"""The semantic link: images as symbols on a shared grid, and several ways back."""

import time
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim.engine.memory import fit_into_memory, parts
from link_sim.experiments.link import batch_seed
from link_sim.experiments.semantic_receivers import Way, load_encoder, load_way
from link_sim.metrics.counts import (
    class_counts,
    distance_counts,
    failure_counts,
    multiscale_counts,
    numbers,
    picture_counts,
)
from link_sim.metrics.lpips import LPIPS
from link_sim.metrics.rates import add_all
from link_sim.models import pretrained
from link_sim.receivers.catalog import ESTIMATORS
from link_sim.receivers.semantic import num_symbols
from link_sim.scenarios.loading import ScenarioError, parse_scenario
from link_sim.scenarios.semantic import SemanticScenario
from link_sim.world.separation import FALLBACK, Separation, choose_mcs
from link_sim.world.shared_grid import SharedGrid, noise_variance
from link_sim.world.sources import load_images, load_labels

CLASSIFIERS = {"mnist": "digit-classifier", "cifar10": "cifar10-classifier"}
CALIBRATION_FRAMES = 64
"""Channels from which the separation baseline chooses modulation and code rate."""


class SemanticLink:
    """Images through encoders, a shared grid and a channel to several decoders.

    One pass draws channel and noise once, for all encoders and receivers. It receives
    `frames_at_once` frames at a time: a batch, until memory does not hold that.

    Parameters
    ----------
    scenario : SemanticScenario

    Raises `ScenarioError` for receivers that are not known, and for more symbols than
    they can send.
    """

    def __init__(self, scenario: SemanticScenario):
        self.scenario = scenario
        self.frames_at_once = scenario.batch_size
        self._images = load_images(scenario.payload)
        self._labels = load_labels(scenario.payload)
        self.image_shape = self._images.shape[1:]
        self._separations, self._grids = {}, {}
        self.ways = [load_way(scenario, name) for name in scenario.receivers]
        senders = {way.sender for way in self.ways if not way.codec}
        encoders = {sender: load_encoder(scenario, sender) for sender in senders}
        limits = {s: encoder.max_symbols for s, encoder in encoders.items()}
        self._check_ratios(limits)
        self._encoders = {sender: tf.function(e) for sender, e in encoders.items()}
        self._decoders = {way.name: way.decoder for way in self.ways if way.decoder}
        self._decode = {n: tf.function(block) for n, block in self._decoders.items()}
        self._classifier = pretrained.load_model(CLASSIFIERS[scenario.payload.source])
        self._lpips = None
        if scenario.lpips:
            self._lpips = LPIPS(scenario.lpips, scenario.lpips_sha256)
        self._count = tf.function(self._counts)

    def conditions(self, point: float) -> tuple[int, float]:
        """Symbols of an image, and Es/N0 in dB, at a point of the sweep."""
        sweep = self.scenario.sweep
        ratio, esno_db = sweep.bandwidth_ratio, sweep.esno_db
        if sweep.axis == "bandwidth_ratio":
            ratio = point
        else:
            esno_db = point
        return num_symbols(ratio, self.image_shape, self.scenario.users), esno_db

    def _check_ratios(self, limits: dict[str, int]):
        """Refuses points with more symbols than a sender's limit."""
        axis = self.scenario.sweep.axis
        key = "points" if axis == "bandwidth_ratio" else "bandwidth_ratio"
        for way in self.ways:
            if way.codec:
                continue
            most = min(limits[way.sender], way.decoder.max_symbols)
            for count in (self.conditions(p)[0] for p in self.scenario.sweep.points):
                if count > most:
                    largest = int(1e4 * most / np.prod(self.image_shape)) / 1e4
                    raise ScenarioError(
                        f"sweep.{key} asks for {count} symbols an image, but "
                        f"'{way.name}' has at most {most}: use bandwidth ratios up to "
                        f"{largest}"
                    )

    def seed(self, point: float, batch_index: int) -> int:
        """Seed of channel and noise of a batch."""
        return batch_seed(self.scenario.seed, point, batch_index)

    def batch(self, batch_index: int) -> np.ndarray:
        """Numbers of the images of a batch, [frames, users]: the pool in order."""
        shape = self.scenario.batch_size, self.scenario.users
        size = shape[0] * shape[1]
        picks = batch_index * size + np.arange(size)
        return (picks % len(self._images)).reshape(shape)

    def simulate(self, point: float, batch_index: int) -> dict[str, dict[str, float]]:
        """Counts of every receiver for one seeded batch.

        Halves `frames_at_once` where the memory does not hold the batch; its world and
        its counts do not depend on it.
        """
        return fit_into_memory(self, partial(self._simulate_batch, point, batch_index))

    def _simulate_batch(self, point: float, batch_index: int):
        picks, total = self.batch(batch_index), {}
        places = list(parts(len(picks), self.frames_at_once))
        received = self._transfer(picks, point, self.seed(point, batch_index), places)
        for (first, last), (image_hat, lost) in zip(places, received, strict=True):
            part = picks[first:last]
            labels = tf.constant(self._labels[part])
            counts = self._count(self.images(part), labels, image_hat, lost)
            add_all(total, numbers(counts))
        return total

    def recover(self, point: float, batch_index: int, frames: int) -> dict:
        """The first frames of a seeded batch as each receiver recovers their images."""
        return fit_into_memory(self, partial(self._recover, point, batch_index, frames))

    def _recover(self, point: float, batch_index: int, frames: int) -> dict:
        picks, found = self.batch(batch_index), {}
        places = list(parts(len(picks), self.frames_at_once))  # as `simulate` has them
        received = self._transfer(picks, point, self.seed(point, batch_index), places)
        for (_, last), (images, _) in zip(places, received, strict=False):
            for name, image_hat in images.items():
                found.setdefault(name, []).append(image_hat)
            if last >= frames:
                break
        return {name: tf.concat(each, axis=0)[:frames] for name, each in found.items()}

    def _transfer(self, picks, point: float, seed: int, places):
        """Sends the images `picks`, and receives the frames of each place in turn.

        Yields images by receiver, and which ones the separation baseline lost.
        """
        count, esno_db = self.conditions(point)
        chains = {
            way.name: self._separation(way, point) for way in self.ways if way.codec
        }
        sent = {
            way.sender: chains[way.name].send(self._images[picks])
            if way.codec
            else self._encoders[way.sender](self.images(picks), count)
            for way in self.ways
        }
        noise = {}
        for name, decoder in self._decoders.items():
            decoder.reseed(seed)
            if decoder.num_steps > 1:
                noise[name] = decoder.draw_noise(picks.size)
        observed = self._observed(sent, count, esno_db, seed, places)
        for place, seen in zip(places, observed, strict=True):
            yield self._received(seen, chains, noise, place)

    def _received(self, observed, chains, noise, place):
        """Images by receiver, and which ones were lost, of the frames at a place."""
        own = slice(*(frame * self.scenario.users for frame in place))
        received, lost = {}, {}
        for way in self.ways:
            x_hat, no_eff = observed[way.estimator][way.sender]
            if way.codec:
                chain = chains[way.name]
                image_hat, failed = chain.receive(x_hat, no_eff, self.image_shape)
                received[way.name] = tf.constant(image_hat)
                lost[way.name] = tf.constant(failed)
            else:
                drawn = noise[way.name][own] if way.name in noise else None
                received[way.name] = self._decode[way.name](x_hat, no_eff, drawn)
        return received, lost

    def _observed(self, sent, count: int, esno_db: float, seed: int, places):
        """Yields (x_hat, no_eff) by estimator and sender, of each place's frames."""
        grid, observe = self._grid(count)  # may draw channels for covariances
        config.seed, no = seed, noise_variance(esno_db)
        h, noise = grid.draw(tf.constant(len(next(iter(sent.values())))), no)
        for first, last in places:
            part = {sender: x[first:last] for sender, x in sent.items()}
            rows = slice(first * grid.grids, last * grid.grids)
            yield observe(part, h[rows], noise[rows], no)

    def _grid(self, count: int):
        """The grid for so many symbols, and its function from symbols to estimates."""
        if count not in self._grids:
            grid = SharedGrid(self.scenario, count)
            config.seed = self.seed(0.0, 2**31 - 1)
            names = dict.fromkeys(way.estimator for way in self.ways)
            estimators = {n: ESTIMATORS[n](grid, grid.covariances) for n in names}
            observe = partial(self._observe, grid, estimators)
            self._grids[count] = grid, tf.function(observe, reduce_retracing=True)
        return self._grids[count]

    def _observe(self, grid, estimators, sent, h, noise, no):
        """(x_hat, no_eff) by estimator and sender."""
        known = grid.remove_nulled(h), tf.zeros([1] * 7)
        digital = {way.sender for way in self.ways if way.codec}
        observed = {}
        for name, estimator in estimators.items():
            observed[name] = {}
            for sender, x in sent.items():
                y = grid.send(x, h, noise)
                channel = estimator(y, no) if estimator is not None else known
                found = grid.receive(y, *channel, no, alone=sender in digital)
                observed[name][sender] = found
        return observed

    def _separation(self, way: Way, point: float) -> Separation:
        """The baseline at a point, with the modulation and code rate for its SNR."""
        count, esno_db = self.conditions(point)
        design_db = esno_db if way.design_db is None else way.design_db
        key = way.name, count, design_db
        if key not in self._separations:
            users = self.scenario.users
            x = tf.zeros([CALIBRATION_FRAMES, users, count], tf.complex64)
            sent = {other.sender: x for other in self.ways}
            seed = self.seed(design_db, 2**31 - 2)
            places = parts(CALIBRATION_FRAMES, self.frames_at_once)
            observed = self._observed(sent, count, design_db, seed, places)
            no_eff = [found[way.estimator][way.sender][1] for found in observed]
            no_eff = np.concatenate(no_eff).reshape(-1, count) / users
            mcs = choose_mcs(no_eff[:, ::users])
            fallback = FALLBACK[self.scenario.payload.source]
            chain = Separation(way.codec, mcs, count, users, fallback)
            self._separations[key] = chain
        return self._separations[key]

    def images(self, picks):
        """The images of given numbers, in [0, 1]."""
        return tf.constant(self._images[picks] / np.float32(255))

    def _counts(self, image, labels, received, lost):
        judge = class_counts(self._classifier, image, labels)
        counts = {}
        for name, image_hat in received.items():
            sums = {"frames": tf.shape(image)[0], **picture_counts(image, image_hat)}
            sums |= multiscale_counts(image, image_hat) | judge(image_hat)
            if self._lpips:
                sums |= distance_counts(self._lpips(image, image_hat))
            if name in lost:
                sums |= failure_counts(lost[name])
            counts[name] = sums
        return counts


@lru_cache(maxsize=1)
def _live_link(scenario_toml: str) -> SemanticLink:
    return SemanticLink(parse_scenario(scenario_toml))


def run_batch(scenario_toml: str, point: float, batch_index: int) -> dict:
    """Counts of one batch of a scenario (TOML text), computed alone, anywhere.

    Returns `seed`, `seconds`, `counts`, {receiver: counts}, and `frames_at_once` where
    the memory did not hold the whole batch.
    """
    link = _live_link(scenario_toml)
    start = time.perf_counter()
    counts = link.simulate(point, batch_index)
    seed = link.seed(point, batch_index)
    batch = {"seed": seed, "seconds": time.perf_counter() - start, "counts": counts}
    if link.frames_at_once < link.scenario.batch_size:
        batch["frames_at_once"] = link.frames_at_once
    return batch


def picture_strip(scenario: SemanticScenario, number: int) -> dict:
    """The same images as sent and as each receiver recovers them at each point.

    Returns `image` [number, height, width, channels] and, by (receiver, point), the
    recovered ones.
    """
    link = _live_link(scenario.to_toml())
    shape = -1, *link.image_shape
    sent = link.images(link.batch(0)).numpy()
    strip = {"image": sent.reshape(shape)[:number]}
    for point in scenario.sweep.points:
        for receiver, image_hat in link.recover(point, 0, number).items():
            strip[receiver, point] = image_hat.numpy().reshape(shape)[:number]
    return strip
