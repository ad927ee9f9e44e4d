"""Training recipes of the channel denoisers, on channels that Sionna generates."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import config
from sionna.phy.ofdm import RemoveNulledSubcarriers

from link_sim.models import pretrained
from link_sim.models.spectral import SpectralDenoiser, array_response, log_error
from link_sim.models.stationary_mixture import fit_spectrum
from link_sim.receivers.estimation.delay_windows import delay_grid, delay_response
from link_sim.receivers.estimation.mimo import adaptive, tweedie
from link_sim.receivers.estimation.mimo_baselines import genie
from link_sim.receivers.estimation.soundings import soundings
from link_sim.recipes.noise_levels import uniform_db
from link_sim.recipes.publishing import publish, train_in_cycles
from link_sim.scenarios.loading import load_scenario
from link_sim.world.channel import Channel
from link_sim.world.ensembles import (
    ENSEMBLES,
    dft_pilots,
    draw_clusters,
    fading,
    qpsk_pilots,
    received,
    scm_covariances,
)
from link_sim.world.transmitter import Transmitter

POINTS = 256, 64
"""Of the angle grids of 64 and 16 antennas."""
TEST_SEED = 2**30
UMI_DROPS = 8192


def noisy(rng, x0: np.ndarray, low_db: float, high_db: float) -> tuple:
    """Inputs and target of a denoiser for fields [batch, snapshots, ...], complex.

    SNRs are uniform in dB, in strata.
    """
    sigma = np.sqrt(uniform_db(rng, len(x0), low_db, high_db) / 2).astype("float32")
    x0 = np.stack([x0.real, x0.imag], axis=-1).astype("float32")
    sigma = sigma.reshape(-1, *[1] * (x0.ndim - 1))
    return (x0 + sigma * rng.standard_normal(x0.shape, "float32"), sigma), x0


def scm_batch(step: int, seed: int, size: int):
    """Inputs and target of one training step of `csi-scm`, -12 to 42 dB."""
    rng = np.random.default_rng([seed, step])
    h = fading(rng, *scm_covariances(rng, size))
    return *noisy(rng, h[:, None], -12, 42), None


def cluster_batch(step: int, seed: int, size: int):
    """Inputs and target of one training step of `csi-clusters`, -15 to 40 dB.

    The field is Y^T for random QPSK pilots, seen through 64 transmit antennas.
    """
    rng = np.random.default_rng([seed, step])
    h = draw_clusters(rng, size)
    alpha = (0.3, 0.6, 1.0)[step % 3]
    pilots = np.swapaxes(qpsk_pilots(rng, size, alpha), -1, -2) / 8
    response = pilots @ array_response(64, POINTS[0])
    field = pilots @ np.swapaxes(h, -1, -2)
    inputs, x0 = noisy(rng, field[:, None], -15, 40)
    return (*inputs, response.astype("complex64")), x0, None


@cache
def default_grid():
    """The resource grid of the scenario `image`, and its one kind of sounding."""
    transmitter = Transmitter(load_scenario("image"), (28, 28, 1))
    return transmitter.resource_grid, soundings(transmitter.resource_grid)[0]


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


def ofdm_batch(step: int, seed: int, size: int):
    """Inputs and target of one training step of `csi-ofdm`, -12 to 32 dB.

    Each snapshot is scaled to unit power, as the estimator does it.
    """
    rng = np.random.default_rng([seed, step])
    pool = umi_fields(seed, UMI_DROPS)
    h = pool[rng.integers(0, len(pool), size)]
    h = h / np.sqrt(np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True))
    scale = np.sqrt(np.mean(np.abs(h) ** 2, axis=(2, 3), keepdims=True))
    (x, sigma), x0 = noisy(rng, h, -12, 32)
    scale = scale[..., None].astype("float32")
    return (x / scale, sigma / scale), x0 / scale, None


def train_spectral(
    folder: Path,
    name: str,
    data: str,
    lengths: tuple[int, int],
    points: tuple[int, int],
    batch: Callable,
    measure: Callable,
    layer: Callable,
    steps: int = 600,
    size: int = 128,
    learning_rate: float = 3e-3,
    least_noise: float = 1e-4,
    seed: int = 1,
) -> None:
    """Trains and measures a denoiser that estimates spectra.

    batch : (step, seed, size) -> inputs, target, None. layer : the function of those
    inputs around the denoiser. measure : denoiser -> quality.
    """
    keras.utils.set_random_seed(seed)
    denoiser = SpectralDenoiser(lengths, points, least_noise=least_noise)
    seconds = train_in_cycles(
        layer(denoiser),
        [(steps, learning_rate, partial(batch, size=size))],
        folder,
        seed,
        loss=log_error,
        ema_momentum=0.99,
        save_every=50,
    )
    recipe = {"name": name, "steps": steps, "batch": size, "seed": seed}
    card = {"data": data, "recipe": recipe | {"learning_rate": learning_rate}}
    publish(
        folder,
        name,
        denoiser,
        card,
        seconds,
        lambda path: measure(pretrained.load_model(path)),
    )


def through_pilots(denoiser):
    """The denoiser of Y^T as a function of field, noise and response to the pilots."""
    receive = array_response(16, POINTS[1])

    def layer(x, sigma, response):
        return denoiser(x, sigma, [response, receive], training=True)

    return layer


def over_carriers(denoiser):
    """The denoiser over 4 antennas and the pilots of the default link."""
    grid, sounding = default_grid()
    frequencies = grid.subcarrier_spacing * sounding.carriers[0, :, 0]
    delays = delay_grid(frequencies)
    responses = array_response(4, 16), delay_response(frequencies, delays)
    return lambda x, sigma: denoiser(x, sigma, responses, training=True)


def scm_quality(denoiser) -> dict:
    """NMSE in dB above the estimate that knows each covariance: 500 channels."""
    rng = np.random.default_rng(TEST_SEED)
    covariances = scm_covariances(rng, 500)
    h, pilots = fading(rng, *covariances), dft_pilots(rng, 500, 1.0)
    quality = {"channels": len(h)}
    for snr_db in (0, 10, 20, 30, 40):
        no = np.float32(10 ** (-snr_db / 10))
        y = received(rng, h @ pilots, no)
        ours = np.asarray(tweedie(denoiser, y, pilots, no)[0])
        error, bound = (
            np.sum(np.abs(h_hat - h) ** 2)
            for h_hat in (ours, genie(y, pilots, no, *covariances)[0])
        )
        key = f"db_above_genie_at_{snr_db}_db"
        quality[key] = round(float(10 * np.log10(error / bound)), 2)
    return quality


def ofdm_quality(denoiser) -> dict:
    """NMSE in dB at the pilots of the default link: 500 unseen UMi drops."""
    layer, rng = over_carriers(denoiser), np.random.default_rng(TEST_SEED)
    h = umi_fields(TEST_SEED, 512)
    quality = {"channels": len(h)}
    h = h / np.sqrt(np.mean(np.abs(h) ** 2, axis=(1, 2, 3), keepdims=True))
    for snr_db in (0, 10, 20, 30):
        (x, sigma), x0 = noisy(rng, h, snr_db, snr_db)
        error = np.mean((np.asarray(layer(x, sigma))[:, -1] - x0) ** 2)
        key = f"nmse_db_at_{snr_db}_db"
        quality[key] = round(float(10 * np.log10(error / np.mean(x0**2))), 2)
    return quality


def cluster_quality(denoiser) -> dict:
    """NMSE in dB through pilots for 60 % of the antennas: 200 unseen channels."""
    rng = np.random.default_rng(TEST_SEED)
    h, pilots = draw_clusters(rng, 200), qpsk_pilots(rng, 200, 0.6)
    quality = {"channels": len(h)}
    for snr_db in (0, 10, 20, 30):
        no = np.float32(64 * 10 ** (-snr_db / 10))
        h_hat, _ = adaptive(denoiser, received(rng, h @ pilots, no), pilots, no)
        error = np.sum(np.abs(np.asarray(h_hat) - h) ** 2) / np.sum(np.abs(h) ** 2)
        quality[f"nmse_db_at_{snr_db}_db"] = round(float(10 * np.log10(error)), 2)
    return quality


def fit_cdl(
    folder: Path, channels: int = 10_000, iterations: int = 40, seed: int = 1
) -> None:
    """Fits the spectra of the CDL profiles A to D, one after the other."""
    spectra = {
        name: fit_spectrum(ENSEMBLES[name].draw(seed, channels), (64, 256), iterations)
        for name in (f"cdl-{profile}" for profile in "abcd")
    }
    recipe = {"name": "csi-cdl", "channels": channels, "iterations": iterations}
    card = {
        "data": "CDL profiles of 3GPP TR 38.901, drawn by Sionna",
        "recipe": recipe | {"seed": seed},
        "parameters": int(sum(p.size for p in spectra.values())),
    }
    publish(folder, "csi-cdl", spectra, card)


train_scm = partial(
    train_spectral,
    name="csi-scm",
    data="3GPP spatial channel model with three paths, drawn as they are needed",
    lengths=(64, 16),
    points=POINTS,
    batch=scm_batch,
    measure=scm_quality,
    layer=lambda denoiser: partial(denoiser, training=True),
    steps=1200,
)
train_ofdm = partial(
    train_spectral,
    name="csi-ofdm",
    data="UMi drops of 3GPP TR 38.901, drawn by Sionna",
    lengths=(4, 44),
    points=(16, 64),
    batch=ofdm_batch,
    measure=ofdm_quality,
    layer=over_carriers,
    least_noise=1e-2,
    steps=500,
)
train_clusters = partial(
    train_spectral,
    name="csi-clusters",
    data="Random clusters of rays, drawn as they are needed",
    lengths=(64, 16),
    points=POINTS,
    batch=cluster_batch,
    measure=cluster_quality,
    layer=through_pilots,
    steps=600,
    size=96,
)
