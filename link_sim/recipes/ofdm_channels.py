"""Training of the channel prior of `score`: on UMi drops, or the user's channels."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.models import pretrained
from link_sim.models.spectral import array_response
from link_sim.receivers.estimation.delay_windows import delay_grid, delay_response
from link_sim.receivers.estimation.soundings import soundings
from link_sim.recipes.channels import TEST_SEED, noisy, train_spectral
from link_sim.recipes.own_channels import own_channels
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel import Channel
from link_sim.world.transmitter import Transmitter

NAME = "csi-ofdm"
UMI_DROPS = 8192
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


@cache
def umi_fields(seed: int, number: int) -> np.ndarray:
    """Channels of the default link at its pilots, UMi drops: [number, 4, 4, 44].

    Snapshots are the streams and polarisations, 4 antennas each.
    """
    grid, sounding = default_grid()
    remove_nulled = RemoveNulledSubcarriers(grid)
    draw = tf.function(Channel(load_scenario("image")), autograph=False)
    config.seed = seed
    parts = []
    for _ in range(-(-number // 64)):
        h = remove_nulled(draw(tf.constant(64))).numpy()[:, 0, :, 0]
        h = h[..., sounding.times[0], :]  # [drops, antennas, streams, subcarriers]
        carriers = enumerate(sounding.carriers[..., 0])
        parts.append(np.stack([h[:, :, stream, c] for stream, c in carriers], 1))
    h = np.concatenate(parts)[:number]
    h = h.reshape(number, -1, 4, 2, h.shape[-1]).swapaxes(2, 3)
    return h.reshape(number, -1, *h.shape[3:])


def ofdm_batch(step: int, seed: int, size: int, pool):
    """Inputs and target of one training step of `csi-ofdm`, -12 to 32 dB.

    pool : seed -> channels [examples, snapshots, antennas, frequencies]. Each snapshot
    is scaled to unit power, as the estimator does it.
    """
    rng = np.random.default_rng([seed, step])
    channels = pool(seed)
    h = _of_unit_power(channels[rng.integers(0, len(channels), size)])
    scale = np.sqrt(np.mean(np.abs(h) ** 2, axis=(2, 3), keepdims=True))
    scale = np.maximum(scale, 1e-6)  # of a snapshot without energy
    (x, sigma), x0 = noisy(rng, h, -12, 32)
    scale = scale[..., None].astype("float32")
    return (x / scale, sigma / scale), x0 / scale, None


def over_carriers(denoiser):
    """The denoiser over 4 antennas and the pilots of the default link."""
    return over_frequencies(denoiser, 4, default_frequencies())


def over_frequencies(denoiser, antennas: int, frequencies: np.ndarray):
    """The denoiser over an array and frequencies [Hz], as the estimator has it."""
    seen = responses(denoiser, antennas, frequencies)
    return lambda x, sigma: denoiser(x, sigma, seen, training=True)


def responses(denoiser, antennas: int, frequencies: np.ndarray) -> tuple:
    """Of an array to angles, and of frequencies [Hz] to the delays of a denoiser."""
    delays = delay_response(frequencies, delay_grid(frequencies))
    return array_response(antennas, denoiser.points[0]), delays


def ofdm_quality(denoiser, h: np.ndarray, frequencies: np.ndarray) -> dict:
    """NMSE in dB of channels [examples, snapshots, antennas, frequencies]."""
    layer = over_frequencies(denoiser, h.shape[2], frequencies)
    rng, h = np.random.default_rng(TEST_SEED), _of_unit_power(h)
    quality: dict[str, float] = {}
    for snr_db in (0, 10, 20, 30):
        (x, sigma), x0 = noisy(rng, h, snr_db, snr_db)
        error = np.mean((np.asarray(layer(x, sigma))[:, -1] - x0) ** 2)
        key = f"nmse_db_at_{snr_db}_db"
        quality[key] = round(float(10 * np.log10(error / np.mean(x0**2))), 2)
    return {"channels": len(h)} | quality


def _of_unit_power(h: np.ndarray) -> np.ndarray:
    return h / np.sqrt(np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True))


def train_ofdm(
    folder: Path,
    channels: Path | None = None,
    polarisations: int = 1,
    steps: int = 500,
    size: int = 128,
    learning_rate: float = 3e-3,
    seed: int = 1,
) -> None:
    """Trains on UMi drops or, from the shipped weights on, on channels of a file.

    channels : of the user; see `own_channels`. Their training takes `TUNING` of the
    learning rate. polarisations : of their receive antennas, 2 if they alternate
    between two

    Raises `ScenarioError` for a file that does not serve.
    """
    options = {"steps": steps, "size": size, "seed": seed}
    options |= {"learning_rate": learning_rate, "least_noise": 1e-2, "name": NAME}
    if channels is not None:
        _train_on_own(folder, channels, polarisations, options)
        return
    if polarisations != 1:
        raise ValueError("polarisations are those of a file: give channels as well")
    train_spectral(
        folder,
        data="UMi drops of 3GPP TR 38.901, drawn by Sionna",
        lengths=(4, 44),
        points=POINTS,
        batch=partial(ofdm_batch, pool=partial(umi_fields, number=UMI_DROPS)),
        measure=lambda denoiser: ofdm_quality(
            denoiser, umi_fields(TEST_SEED, 512), default_frequencies()
        ),
        layer=over_carriers,
        **options,
    )


def _train_on_own(folder: Path, path: Path, polarisations: int, options) -> None:
    options = options | {"learning_rate": TUNING * options["learning_rate"]}
    own = own_channels(path, polarisations, default_frequencies())
    own.write_held_out(folder)
    antennas = own.learned.shape[2]

    def measure(denoiser):
        shipped = pretrained.load_model(NAME)
        found, before = (
            ofdm_quality(each, own.held_out, own.frequencies)
            for each in (denoiser, shipped)
        )
        return found | {f"shipped_{k}": v for k, v in before.items() if "nmse" in k}

    train_spectral(
        folder,
        data=f"{path.name}: the first {len(own.learned)} examples",
        lengths=own.learned.shape[2:],
        points=(max(POINTS[0], FINENESS * antennas), POINTS[1]),
        batch=partial(ofdm_batch, pool=lambda seed: own.learned),
        measure=measure,
        layer=lambda denoiser: over_frequencies(denoiser, antennas, own.frequencies),
        start=NAME,
        card={
            "channels": {"file": path.name, "sha256": own.sha256},
            "licence": "that of the channels",
        },
        **options,
    )
