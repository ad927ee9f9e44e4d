"""Channel estimation by itself: estimators side by side on an ensemble of channels.

`Y = H P + N` with known pilots P; no code, no images. Estimators see the same channels,
pilots and noise.
"""

import time
from functools import cache, lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from link_sim.engine.montecarlo import batch_seed
from link_sim.scenarios.base import Experiment
from link_sim.scenarios.sections import Section

Name = Literal["scm", "cdl-a", "cdl-b", "cdl-c", "cdl-d"]
TRAINING_CHANNELS = 10_000
"""Of each ensemble, for the covariances of `lmmse`."""
TRAINING_SEED = 2**31 - 7
"""Of these channels: none that `batch_seed` is likely to give."""
DESCRIPTIONS = {
    "genie": "csi-scm: LMMSE that knows each covariance, the bound",
    "sparse": "csi-…: l1 over oversampled DFT grids",
    "score-tweedie": "csi-scm: one evaluation of the denoiser",
    "score-dmse": "csi-scm: deterministic chain of posterior means",
    "score-oamp": "csi-cdl: denoiser and pilots in turns",
    "score-posterior": "csi-…: mean of 8 posterior samples",
    "score-langevin": "csi-…: annealed Langevin, 6,933 evaluations",
    "score-adaptive": "csi-…: spectra read off the pilots, one step",
}
ESTIMATORS = "ls", "lmmse", "score", *DESCRIPTIONS
ORTHOGONAL = "genie", "score-tweedie", "score-dmse"
"""Receivers that need orthogonal pilots, which `scm` has."""


class Estimation(Section):
    """What is estimated, and what estimators have learned from.

    ensemble: of the channels under test. trained_on: ensembles that covariances and
    denoiser know; of several, both are mixtures. alpha: pilots per transmit antenna.
    """

    ensemble: Name = "scm"
    trained_on: tuple[Name, ...] = Field(default=("scm",), min_length=1)
    alpha: Annotated[float, Field(gt=0, le=1)] = 1.0


class CsiSweep(Section):
    """axis: `snr_db` (per receive antenna), or `alpha` at a fixed `snr_db`."""

    axis: Literal["snr_db", "alpha"] = "snr_db"
    points: tuple[Annotated[float, Field(ge=-100, le=100)], ...] = Field(min_length=1)
    snr_db: Annotated[float, Field(ge=-100, le=100)] | None = None

    @model_validator(mode="after")
    def check(self):
        if len(set(self.points)) != len(self.points):
            raise ValueError("points repeat a value: list each once")
        if (self.axis == "alpha") != (self.snr_db is not None):
            raise ValueError("snr_db goes with axis alpha: set both or neither")
        if self.axis == "alpha" and not all(0 < p <= 1 for p in self.points):
            raise ValueError(f"points {list(self.points)} are no alpha: use 0 to 1")
        return self


class CsiScenario(Experiment):
    """One comparison of channel estimators on an ensemble."""

    runs_in: ClassVar = "link_sim.experiments.csi"
    watched: ClassVar = "nmse"

    kind: Literal["csi"] = "csi"
    estimation: Estimation = Estimation()
    sweep: CsiSweep

    @model_validator(mode="after")
    def check(self):
        unknown = [r for r in self.receivers if r not in ESTIMATORS]
        if unknown:
            raise ValueError(
                f"there is no estimator '{unknown[0]}': use some of "
                f"{', '.join(ESTIMATORS)}"
            )
        self.stop.refuse_blocks()
        if len(set(self.estimation.trained_on)) != len(self.estimation.trained_on):
            raise ValueError("estimation.trained_on repeats a name: list each once")
        kinds = {n[:3] for n in (*self.estimation.trained_on, self.estimation.ensemble)}
        if len(kinds) > 1:
            raise ValueError(
                "estimation.trained_on has antennas of another kind than "
                "estimation.ensemble: use scm with scm, and cdl with cdl"
            )
        scm, alphas = "scm" in kinds, {self.estimation.alpha, *self._alphas()}
        if scm and alphas != {1.0}:
            raise ValueError("scm has orthogonal pilots: set estimation.alpha=1")
        if min(alphas) < 1 / 64:
            raise ValueError(
                f"alpha = {min(alphas)} leaves no pilot on 64 transmit antennas: use "
                "0.016 or more in estimation.alpha and sweep.points"
            )
        bound = [r for r in self.receivers if r in ORTHOGONAL]
        if bound and not scm:
            raise ValueError(
                f"'{bound[0]}' needs orthogonal pilots, which only the ensemble scm "
                "has: use score-oamp, or estimation.ensemble=scm"
            )
        return self

    def _alphas(self):
        return self.sweep.points if self.sweep.axis == "alpha" else ()


def run_batch(toml: str, point: float, batch_index: int) -> dict:
    """Counts of one batch: `seed`, `seconds` and `counts`, {estimator: counts}."""
    import tensorflow as tf

    from link_sim.scenarios.loading import ScenarioError, parse_scenario

    experiment = parse_scenario(toml)
    seed, start = batch_seed(experiment.seed, point, batch_index), time.perf_counter()
    try:
        observed = observe(experiment, point, seed)
        counts = {
            name: _counts(experiment, name, *observed) for name in experiment.receivers
        }
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise ScenarioError(
            f"batch_size = {experiment.batch_size} does not fit in memory: lower it"
        ) from None
    return {"seed": seed, "seconds": time.perf_counter() - start, "counts": counts}


def picture_strip(experiment, number: int) -> None:
    """There are no pictures."""


def observe(experiment: CsiScenario, point: float, seed: int) -> tuple:
    """A batch on the air: h, its covariances or None, pilots, y and no."""
    from link_sim.world.ensembles import ENSEMBLES, fading, scm_covariances

    ensemble = ENSEMBLES[experiment.estimation.ensemble]
    alpha, snr_db = experiment.estimation.alpha, point
    if experiment.sweep.axis == "alpha":
        alpha, snr_db = point, experiment.sweep.snr_db
    rng, size = np.random.default_rng(seed), experiment.batch_size
    if experiment.estimation.ensemble == "scm":
        covariances = scm_covariances(rng, size)
        h = fading(rng, *covariances)
    else:
        covariances, h = None, ensemble.draw(seed, size)
    pilots, no = ensemble.pilots(rng, size, alpha), ensemble.noise_variance(snr_db)
    return h, covariances, pilots, received(rng, h @ pilots, no), no


def received(rng: np.random.Generator, y: np.ndarray, no: float) -> np.ndarray:
    """`y` with complex white noise of variance `no` per element, complex64."""
    n = rng.standard_normal((2, *y.shape), "float32") * np.float32(np.sqrt(no / 2))
    return y + n[0] + 1j * n[1]


def _counts(experiment, name: str, h, covariances, pilots, y, no) -> dict:
    from link_sim.metrics.counts import calibration_counts, channel_counts

    if name == "genie":
        from link_sim.receivers.estimation.mimo_baselines import genie

        h_hat, err_var = genie(y, pilots, no, *covariances)
    else:
        estimator = _estimator(name, experiment.estimation.trained_on)
        h_hat, err_var = estimator(y, pilots, no)
    h_hat = np.asarray(h_hat, "complex64")
    counts = channel_counts(h, h_hat, 1) | calibration_counts(h, h_hat, err_var)
    return {"frames": len(h)} | {key: x.numpy().item() for key, x in counts.items()}


@lru_cache(maxsize=16)
def _estimator(name: str, trained_on: tuple[str, ...]):
    """The estimator as a function of y, pilots and no.

    `score` is `tweedie` for orthogonal pilots, and `checked` for others.
    """
    from link_sim.receivers.estimation import mimo as narrowband
    from link_sim.receivers.estimation import mimo_baselines as narrowband_baselines

    if name == "ls":
        return narrowband_baselines.least_squares
    if name == "sparse":
        return narrowband_baselines.sparse
    if name == "lmmse":
        known = [_covariance(ensemble) for ensemble in trained_on]
        return lambda *seen: narrowband_baselines.lmmse(*seen, known)
    if name == "score":
        name = "score-tweedie" if trained_on == ("scm",) else "score-checked"
    name = name.removeprefix("score-")
    if name == "adaptive":
        denoisers = [_adaptive(trained_on)]
    elif name == "checked":
        denoisers = [_denoiser(trained_on), _adaptive(trained_on)]
    else:
        denoisers = [_denoiser(trained_on)]
    estimator = narrowband.ESTIMATORS[name]
    return lambda y, pilots, no: estimator(*denoisers, y, pilots, np.float32(no))


@cache
def _denoiser(trained_on: tuple[str, ...]):
    """The denoiser that `trained_on` asks for, compiled once for each batch size."""
    import tensorflow as tf

    from link_sim.models.pretrained import load_arrays
    from link_sim.models.stationary_mixture import StationaryMixtureDenoiser

    if trained_on == ("scm",):
        return tf.function(_adaptive(trained_on))
    arrays = load_arrays("csi-cdl")
    mixture = StationaryMixtureDenoiser([arrays[p] for p in trained_on], (16, 64))
    return tf.function(mixture)


def _adaptive(trained_on: tuple[str, ...]):
    """The denoiser that reads the spectra off the observation."""
    from link_sim.models.pretrained import load_model

    return load_model("csi-scm" if trained_on == ("scm",) else "csi-clusters")


@cache
def _covariance(name: str) -> np.ndarray:
    """Sample covariance of vec(H) row by row, over `TRAINING_CHANNELS` channels."""
    from link_sim.world.ensembles import ENSEMBLES

    h = ENSEMBLES[name].draw(TRAINING_SEED, TRAINING_CHANNELS)
    h = h.reshape(TRAINING_CHANNELS, -1)
    return (h.T @ h.conj() / len(h)).astype("complex128")
