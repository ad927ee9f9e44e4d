"""Detection by itself: detectors side by side on vectors of uncoded symbols.

`y = H x + n` with H and the variance of n known. Detectors see the same vectors.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import constant_counts, detection_counts
from link_sim.receivers.catalog import SYMBOL_DETECTORS
from link_sim.receivers.detection.symbols import bit_llr, pam
from link_sim.receivers.entries import build_block
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.detection import DetectionScenario
from link_sim.world.flat_fading import flat_link, symbol_bits


class Vectors(NamedTuple):
    """Symbol vectors behind channels, scaled to noise of variance 1.

    y : [batch, antennas]; h : [batch, antennas, streams]; complex64
    sent : [batch, 2 * streams], indices of the levels sent, real parts first
    """

    y: np.ndarray
    h: np.ndarray
    sent: np.ndarray


class Known(NamedTuple):
    """The symbols; a `SymbolContext`."""

    num_bits_per_symbol: int


class Detection(Experiment):
    """Detectors on random vectors; an `Experiment` without images.

    Raises `ScenarioError` for detectors that cannot serve the symbols or the streams.
    """

    def __init__(self, scenario: DetectionScenario):
        mimo = scenario.mimo
        known = Known(mimo.bits_per_symbol)
        try:
            detectors = {
                name: build_block(
                    SYMBOL_DETECTORS, name, known, find=scenario.block_weights
                )
                for name in scenario.receivers
            }
            for detector in detectors.values():
                detector.check(mimo.antennas, mimo.streams)
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None
        self._labels = pam(mimo.bits_per_symbol)[1]
        self._judge = tf.function(detection_counts, autograph=False)
        self._detectors = detectors
        self._logits = tf.function(self._detect, autograph=False)

    def draw(self, at: DetectionScenario, batch_index: int) -> Vectors:
        """Symbols, channels and noise of one batch."""
        rng, mimo = np.random.default_rng(at.world_seed(batch_index)), at.mimo
        y, h, no, sent = flat_link(
            rng, at.batch_size, mimo.antennas, mimo.streams,
            mimo.bits_per_symbol, at.level_db, mimo.correlation,
        )  # fmt: skip
        white = (1 / np.sqrt(no)).astype("float32")
        return Vectors(y * white, h * white[..., None], sent)

    def receive(self, world: Vectors) -> dict[str, tf.Tensor]:
        """Logits of the levels, [batch, 2 * streams, levels]."""
        return self._logits(tf.constant(world.y), tf.constant(world.h))

    def count(self, world: Vectors) -> dict[str, dict]:
        """Counts of wrong symbols and vectors, of what soft bits say, and of products.

        Vectors that a detector detects again are not in its multiplications.
        """
        b = tf.constant(symbol_bits(world.sent, self._labels))
        counts, shape = {}, world.h.shape[1:]
        for name, logits in self.receive(world).items():
            wrong = tf.argmax(logits, -1) != world.sent
            wrong = tf.reduce_any(tf.split(wrong, 2, axis=1), axis=0)
            counts[name] = self._judge(wrong, bit_llr(logits, self._labels), b)
            products = self._detectors[name].multiplications(*shape)
            if products is not None:
                counts[name] |= constant_counts(
                    "multiplications", products / 1e6, len(b)
                )
        return counts

    def _detect(self, y, h) -> dict[str, tf.Tensor]:
        return {
            name: detector.symbol_logits(y, h)
            for name, detector in self._detectors.items()
        }
