"""Channel estimation by itself: estimators side by side on an ensemble of channels.

`Y = H P + N` with known pilots P; no code, no images. Estimators see the same channels,
pilots and noise.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from link_sim.experiments.experiment import Experiment
from link_sim.metrics.counts import estimation_counts
from link_sim.models.pretrained import load_arrays, load_model
from link_sim.models.stationary_mixture import StationaryMixtureDenoiser
from link_sim.receivers.catalog import COVARIANCE, MIMO, ORTHOGONAL
from link_sim.receivers.entries import build_block
from link_sim.receivers.estimation.coarse import converter
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.csi import CsiScenario
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.flat_channels import held_out_examples, learned_examples
from link_sim.world.ensembles import (
    ENSEMBLES,
    average_scm_covariances,
    chirped,
    fading,
    fourier_pilots,
    qpsk_pilots,
    received,
    scm_covariances,
)

TRAINING_CHANNELS = 10_000
"""Of each ensemble, for the covariances of `lmmse`."""
TRAINING_SEED = 2**31 - 7
"""Of these channels: none that `batch_seed` is likely to give."""


class Sounded(NamedTuple):
    """Channels as they are sounded, shapes as in `receivers.estimation.mimo`.

    covariances : of receive and transmit antennas, where the ensemble has them
    """

    h: np.ndarray
    covariances: tuple[np.ndarray, np.ndarray] | None
    pilots: np.ndarray
    y: np.ndarray
    no: float


class Known(NamedTuple):
    """What estimators have learned from; a `MimoContext`."""

    trained_on: tuple[str, ...]
    find: Callable[[str], str]
    converter_bits: int | None = None

    @property
    def orthogonal(self) -> bool:
        return self.trained_on == ("scm",)

    @property
    def denoiser(self):
        """Of channels of these ensembles, compiled once for each batch size."""
        if self.orthogonal:
            return tf.function(self.spectral)
        arrays = load_arrays(self.find("csi-cdl"))
        known = [arrays[profile] for profile in self.trained_on]
        return tf.function(StationaryMixtureDenoiser(known, (16, 64)))

    @property
    def spectral(self):
        """The denoiser that reads the spectra off the observation."""
        return load_model(self.find("csi-scm" if self.orthogonal else "csi-clusters"))

    @property
    def average(self) -> tuple[np.ndarray, np.ndarray]:
        return average_scm_covariances()

    def covariances(self) -> list[np.ndarray]:
        return [_covariance(name) for name in self.trained_on]


class KnownOfFile(NamedTuple):
    """What estimators know of the channels in a file; a `MimoContext`.

    The denoiser reads spectra off what is observed, and was trained on none of them.
    """

    file: DataFile
    orthogonal: bool
    find: Callable[[str], str]
    converter_bits = None

    @property
    def denoiser(self):
        if not self.orthogonal:
            raise ValueError(
                "spectra are read off all the pilots of a file, or by score-adaptive: "
                "set estimation.alpha=1 and do not sweep it, or use score-adaptive"
            )
        spectral = self.spectral

        def denoiser(x, sigma):
            x, sigma = (ops.swapaxes(z, 2, 3) for z in (x, sigma))
            return ops.swapaxes(spectral(x, sigma), 2, 3)

        return tf.function(denoiser)

    @property
    def spectral(self):
        """Over the transmit and the receive antennas of the file."""
        denoiser = load_model(self.find("csi-clusters"))
        try:
            return denoiser.resized(learned_examples(self.file).h.shape[:0:-1])
        except ValueError as error:
            raise ValueError(f"csi-clusters: {error}, or ls, sparse or lmmse") from None

    def covariances(self) -> list[np.ndarray]:
        return [_sample_covariance(learned_examples(self.file).h)]


class Csi(Experiment):
    """Channel estimators on an ensemble of channels; an `Experiment` without images.

    Raises `ScenarioError` for estimators that the ensemble does not allow.
    """

    def __init__(self, scenario: CsiScenario):
        estimation = scenario.estimation
        bound = [name for name in scenario.receivers if name in ORTHOGONAL]
        if bound and not scenario.orthogonal:
            raise ScenarioError(
                f"'{bound[0]}' needs orthogonal pilots, which only the ensemble scm "
                "has, and a file with all its pilots: use score-vamp, or "
                "estimation.ensemble=scm"
            )
        scenario.check_files()
        known: Known | KnownOfFile = Known(
            estimation.trained_on, scenario.weights_file, estimation.converter_bits
        )
        if estimation.file is not None:
            known = KnownOfFile(
                estimation.file, scenario.orthogonal, scenario.weights_file
            )
        try:
            self._estimators = {
                name: build_block(MIMO, name, known) for name in scenario.receivers
            }
        except ValueError as error:
            raise ScenarioError(f"receivers: {error}") from None

    def draw(self, at: CsiScenario, batch_index: int) -> Sounded:
        """Channels, pilots and what is received of them in one batch."""
        seed, size = at.world_seed(batch_index), at.batch_size
        rng = np.random.default_rng(seed)
        if at.estimation.file is not None:
            return _drawn_from_file(at, at.estimation.file, rng)
        ensemble = ENSEMBLES[at.estimation.ensemble]
        if at.estimation.ensemble == "scm":
            covariances = scm_covariances(rng, size)
            h = fading(rng, *covariances)
        else:
            covariances, h = None, ensemble.draw(seed, size)
        pilots = ensemble.pilots(rng, size, at.estimation.alpha)
        if at.estimation.chirped:
            pilots = chirped(pilots)
        no = ensemble.noise_variance(at.level_db)
        y = received(rng, h @ pilots, no)
        if at.estimation.converter_bits is not None:
            quantiser = converter(at.estimation.converter_bits, no)
            y = (quantiser(y.real) + 1j * quantiser(y.imag)).astype("complex64")
        return Sounded(h, covariances, pilots, y, no)

    def receive(self, world: Sounded) -> dict[str, tuple]:
        """Estimates and their error variances."""
        seen = world.y, world.pilots, world.no
        return {
            name: each(*seen, *world.covariances) if name in COVARIANCE else each(*seen)
            for name, each in self._estimators.items()
        }

    def count(self, world: Sounded) -> dict[str, dict]:
        """Counts of estimation errors, and of errors over what is stated of them."""
        received = self.receive(world).items()
        return {name: estimation_counts(world.h, *each) for name, each in received}


def _drawn_from_file(at: CsiScenario, file: DataFile, rng) -> Sounded:
    """Examples at random among those that no estimator has seen."""
    tested = held_out_examples(file)
    found = tested.at(rng.integers(0, len(tested.h), at.batch_size))
    size, _, transmit = found.h.shape
    pilots = fourier_pilots(size, transmit)
    if not at.orthogonal:
        pilots = qpsk_pilots(rng, size, at.estimation.alpha, transmit)
    no = transmit * 10.0 ** (-at.level_db / 10)
    y = received(rng, found.h @ pilots, no)
    return Sounded(found.h, found.covariances, pilots, y, no)


@cache
def _covariance(name: str) -> np.ndarray:
    """Of `TRAINING_CHANNELS` channels of an ensemble."""
    return _sample_covariance(ENSEMBLES[name].draw(TRAINING_SEED, TRAINING_CHANNELS))


def _sample_covariance(h: np.ndarray) -> np.ndarray:
    """Sample covariance of vec(H) row by row, complex128."""
    h = h.reshape(len(h), -1).astype("complex128")
    return h.T @ h.conj() / len(h)
