"""Training of the channel prior of `score`: on UMi drops, or the user's channels."""

import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops
from sionna.phy import config

from link_sim.models import pretrained
from link_sim.models.kronecker import response
from link_sim.models.spectral import array_response, log_error
from link_sim.receivers.estimation.delay_windows import (
    delay_grid,
    delay_modes,
    delay_response,
)
from link_sim.receivers.estimation.soundings import soundings
from link_sim.recipes.adaptation import LOWEST_DB, Received, adapt
from link_sim.recipes.channels import TEST_SEED, noisy, train_spectral
from link_sim.recipes.own_channels import own_channels
from link_sim.scenarios.loading import load_scenario
from link_sim.world.impulse_responses import impulse_responses
from link_sim.world.transmitter import Transmitter

NAME = "csi-ofdm"
UMI_DROPS = 8192
BANDS = (5, 30e3), (14, 60e3), (24, 60e3), (64, 150e3), (64, 300e3), (64, 500e3)
"""Trained on beside the pilots of the default link: pilots, their spacing [Hz]."""
FEW_CARRIERS = 16
"""Pilots below which streams come apart: snapshots are then those of one stream."""
POINTS = 16, 64
"""Of the grids of angle and delay."""
FINENESS = 4
"""Angles per antenna, where that takes more than there are."""
TUNING = 0.1
"""Share of the learning rate with which shipped weights are trained on."""


@cache
def default_grid():
    """The resource grid of the scenario `image`, and its one kind of sounding."""
    transmitter = Transmitter(load_scenario("image"), (28, 28, 1))
    return transmitter.resource_grid, soundings(transmitter.resource_grid)[0]


def default_frequencies() -> np.ndarray:
    """Of the pilots of the default link [Hz]."""
    grid, sounding = default_grid()
    return grid.subcarrier_spacing * sounding.carriers[0, :, 0]


def trained_frequencies() -> list[np.ndarray]:
    """Of the pilots [Hz] in each band that is trained on, the default link's first."""
    return [default_frequencies(), *(gap * np.arange(n) for n, gap in BANDS)]


@cache
def umi_paths(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Paths of UMi drops: `a` [drops, snapshots, 4 antennas, paths] and `tau` [drops,
    paths], [s].

    Snapshots are the transmit antennas and polarisations of the default link.
    """
    source = impulse_responses(load_scenario("image"), 1)
    draw = tf.function(lambda: source(128, 1, 1.0), autograph=False)
    config.seed = seed
    drawn = [draw() for _ in range(-(-number // 128))]
    a, tau = (np.concatenate(z)[:number] for z in zip(*drawn, strict=True))
    a = a[:, 0, :, 0, :, :, 0].reshape(number, 4, 2, -1, a.shape[-2])
    a = a.transpose(0, 3, 2, 1, 4).reshape(number, -1, 4, a.shape[-1])
    return a, tau[:, 0, 0]


def fields(a, tau, frequencies: np.ndarray) -> np.ndarray:
    """Channels at frequencies [Hz], [drops, snapshots, antennas, frequencies]."""
    turns = delay_response(frequencies, tau[:, None]).astype("complex64")
    return np.einsum("bsap,bfp->bsaf", a, turns, optimize=True)


def umi_fields(rng, seed: int, size: int) -> list[np.ndarray]:
    """Channels, anew for each of the `trained_frequencies`; as many of each."""
    a, tau = umi_paths(seed, UMI_DROPS)
    chosen = rng.integers(0, len(a), (1 + len(BANDS), size))
    bands = zip(chosen, trained_frequencies(), strict=True)
    return [_seen_together(a[i], tau[i], f) for i, f in bands]


def _seen_together(a, tau, frequencies: np.ndarray) -> np.ndarray:
    """`fields` of the snapshots whose spectra the estimator takes for the same."""
    streams = 1 if len(frequencies) < FEW_CARRIERS else a.shape[1] // 2
    return fields(a[:, : 2 * streams], tau, frequencies)


def ofdm_batch(step: int, seed: int, size: int, draw: Callable, bases: list):
    """Inputs of one training step of `csi-ofdm`, -12 to 32 dB: of each band, noisy
    channels, sigma and channels, as the estimator scales and projects them.

    size : examples of all bands together. draw : (rng, seed, examples) -> channels in
    each band, [examples, snapshots, antennas, frequencies]. bases : from the
    frequencies to modes, in each band.
    """
    rng, inputs = np.random.default_rng([seed, step]), []
    size //= len(bases)
    for h, into in zip(draw(rng, seed, size), bases, strict=True):
        inputs += _scaled(*noisy(rng, _of_unit_power(h), -12, 32), into)
    return tuple(inputs), np.zeros(size, "float32"), None


def _scaled(noisy_inputs, x0, into) -> list[np.ndarray]:
    """x, sigma and x0 with the power of each snapshot, estimated, taken out."""
    x, sigma = noisy_inputs
    no = 2 * np.broadcast_to(sigma, (*x.shape[:2], 1, 1, 1)) ** 2
    energy = 2 * np.mean(x**2, axis=(2, 3, 4), keepdims=True) - no
    scale = np.sqrt(np.maximum(energy, 1e-3 * no)).astype("float32")
    x, x0 = (_real(_complex(z) @ into) / scale for z in (x, x0))
    return [x, np.sqrt(no / 2).astype("float32") / scale, x0]


def over_bands(denoiser, antennas: int, observed: list) -> Callable:
    """Function of the inputs of `ofdm_batch`: logarithms of errors, [batch, bands].

    observed : the responses of the modes to delays, in each band.
    """
    array = response(array_response(antennas, denoiser.points[0]))

    def layer(*inputs):
        bands = zip(inputs[::3], inputs[1::3], inputs[2::3], observed, strict=True)
        errors = [
            log_error(x0, denoiser(x, sigma, (array, own), training=True))
            for x, sigma, x0, own in bands
        ]
        return ops.stack(errors, axis=-1)

    return layer


def mean_of_bands(_, errors):
    """The loss where the layer computes the logarithms of errors itself."""
    return ops.mean(errors, axis=-1)


def modes_of(frequencies: np.ndarray):
    """Basis of channels at pilots [Hz], and its response to delays."""
    delays = delay_grid(frequencies)
    return delay_modes(delay_response(frequencies, delays), delays)


def ofdm_quality(denoiser, h, frequencies: np.ndarray, snrs=(0, 10, 20, 30)) -> dict:
    """NMSE of channels [examples, snapshots, antennas, frequencies] at SNRs, in dB."""
    into, observed = modes_of(frequencies)
    array = response(array_response(h.shape[2], denoiser.points[0]))
    rng, h = np.random.default_rng(TEST_SEED), _of_unit_power(h)
    quality: dict[str, float] = {}
    for snr_db in snrs:
        x, sigma, x0 = _scaled(*noisy(rng, h, snr_db, snr_db), into)
        scale = np.sqrt(1 / 2) * 10 ** (-snr_db / 20) / sigma
        error = scale * (np.asarray(denoiser(x, sigma, (array, observed))) - x0)
        key = f"nmse_db_at_{snr_db}_db"
        nmse = np.sum(error**2) / np.sum(np.abs(h) ** 2)
        quality[key] = round(float(10 * np.log10(nmse)), 2)
    return {"channels": len(h)} | quality


def umi_quality(denoiser) -> dict:
    """`ofdm_quality` over drops not trained on, in each band."""
    a, tau = umi_paths(TEST_SEED, 512)
    first, *others = (
        ofdm_quality(denoiser, _seen_together(a, tau, f), f)
        for f in trained_frequencies()
    )
    widths = (f"{n * gap / 1e6:.2g}_mhz" for n, gap in BANDS)
    bands = zip(widths, others, strict=True)
    return first | {width: list(found.values())[1:] for width, found in bands}


def _of_unit_power(h: np.ndarray) -> np.ndarray:
    return h / np.sqrt(np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True))


def _complex(x: np.ndarray) -> np.ndarray:
    return x[..., 0] + 1j * x[..., 1]


def _real(x: np.ndarray) -> np.ndarray:
    return np.stack([x.real, x.imag], axis=-1).astype("float32")


def train_ofdm(
    folder: Path,
    channels: Path | None = None,
    polarisations: int = 1,
    pilots_db: float = math.inf,
    rank: int = 0,
    steps: int = 500,
    size: int = 168,
    learning_rate: float = 3e-3,
    seed: int = 1,
) -> None:
    """Trains on UMi drops or, from the shipped weights on, on channels of a file.

    channels : of the user; see `own_channels`. Their training takes `TUNING` of the
    learning rate. polarisations : of their receive antennas, 2 if they alternate
    between two. pilots_db : SNR of the channels of the file where they were received
    in noise; the training then needs no clean ones. rank : of what is added to each
    kernel then, in place of training them all

    Raises `ScenarioError` for a file that does not serve, and `ValueError` for options
    that need another.
    """
    if rank < 0 or not pilots_db > LOWEST_DB:  # which NaN is not either
        raise ValueError(
            f"rank = {rank} and pilots_db = {pilots_db} are not possible: use 0 or "
            f"more, and an SNR above {LOWEST_DB:g} dB"
        )
    if rank and math.isinf(pilots_db):
        raise ValueError("rank is for pilots in noise: state their SNR, pilots_db")
    options = {"steps": steps, "size": size, "seed": seed}
    options |= {"learning_rate": learning_rate, "least_noise": 1e-2, "name": NAME}
    if channels is not None:
        _train_on_own(folder, channels, polarisations, pilots_db, rank, options)
        return
    if polarisations != 1 or math.isfinite(pilots_db):
        raise ValueError(
            "polarisations and pilots_db are those of a file: give channels as well"
        )
    bases, observed = zip(*map(modes_of, trained_frequencies()), strict=True)
    train_spectral(
        folder,
        data="UMi drops of 3GPP TR 38.901, drawn by Sionna, .15 to 32 MHz",
        lengths=(4, 44),
        points=POINTS,
        batch=partial(ofdm_batch, draw=umi_fields, bases=bases),
        measure=umi_quality,
        layer=lambda denoiser: over_bands(denoiser, 4, observed),
        loss=mean_of_bands,
        **options,
    )


def _train_on_own(
    folder: Path, path: Path, polarisations: int, pilots_db: float, rank: int, options
) -> None:
    options = options | {"learning_rate": TUNING * options["learning_rate"]}
    own = own_channels(path, polarisations, default_frequencies())
    own.write_held_out(folder)
    antennas = own.learned.shape[2]
    into, observed = modes_of(own.frequencies)
    points = max(POINTS[0], FINENESS * antennas), POINTS[1]
    card = {
        "data": f"{path.name}: the first {len(own.learned)} examples",
        "channels": {"file": path.name, "sha256": own.sha256},
        "licence": "that of the channels",
    }
    if math.isfinite(pilots_db):
        axes = response(array_response(antennas, points[0])), observed
        parts = own.learned, own.held_out
        received = Received(*parts, pilots_db, into, axes)
        del options["name"]
        adapt(folder, NAME, received, points, rank, card, options)
        return

    def draw(rng, seed, size):
        return [own.learned[rng.integers(0, len(own.learned), size)]]

    def measure(denoiser):
        shipped = pretrained.load_model(NAME)
        found, before = (
            ofdm_quality(each, own.held_out, own.frequencies)
            for each in (denoiser, shipped)
        )
        return found | {f"shipped_{k}": v for k, v in before.items() if "nmse" in k}

    train_spectral(
        folder,
        data=card["data"],
        lengths=own.learned.shape[2:],
        points=points,
        batch=partial(ofdm_batch, draw=draw, bases=[into]),
        measure=measure,
        layer=lambda denoiser: over_bands(denoiser, antennas, [observed]),
        loss=mean_of_bands,
        start=NAME,
        card=card,
        **options,
    )
