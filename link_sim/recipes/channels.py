"""Training recipes of the channel denoisers, on channels that Sionna generates."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.models.spectral import SpectralDenoiser, array_response, log_error
from link_sim.models.stationary_mixture import fit_spectrum
from link_sim.receivers.estimation.mimo import adaptive, tweedie
from link_sim.receivers.estimation.mimo_baselines import genie
from link_sim.recipes.noise_levels import uniform_db
from link_sim.recipes.publishing import publish, train_and_publish
from link_sim.world.ensembles import (
    ENSEMBLES,
    dft_pilots,
    draw_clusters,
    fading,
    qpsk_pilots,
    received,
    scm_covariances,
)

POINTS = 256, 64
"""Of the angle grids of 64 and 16 antennas."""
TEST_SEED = 2**30


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


def train_spectral(
    folder: Path,
    name: str,
    data: str,
    lengths: tuple[int, int],
    points: tuple[int, int],
    batch: Callable,
    measure: Callable,
    layer: Callable,
    loss: Callable = log_error,
    start: str | None = None,
    card: dict | None = None,
    steps: int = 600,
    size: int = 128,
    learning_rate: float = 3e-3,
    least_noise: float = 1e-4,
    seed: int = 1,
) -> None:
    """Trains and measures a denoiser that estimates spectra.

    batch : (step, seed, size) -> inputs, target, None. layer : the function of those
    inputs around the denoiser. loss : between the target and what that returns.
    measure : denoiser -> quality. start : weights to begin
    with, instead of random ones. card : what it says beside.
    """
    keras.utils.set_random_seed(seed)
    denoiser = SpectralDenoiser(lengths, points, least_noise=least_noise)
    if start is not None:
        denoiser.set_weights(pretrained.load_model(start).get_weights())
    train_and_publish(
        folder,
        name,
        layer(denoiser),
        denoiser,
        batch,
        loss,
        lambda path: measure(pretrained.load_model(path)),
        {"data": data, **(card or {})},
        steps,
        size,
        learning_rate,
        seed,
    )


def through_pilots(denoiser):
    """The denoiser of Y^T as a function of field, noise and response to the pilots."""
    receive = array_response(16, POINTS[1])

    def layer(x, sigma, response):
        return denoiser(x, sigma, [response, receive], training=True)

    return layer


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
