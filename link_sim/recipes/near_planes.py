"""Training of `csi-near-planes`: channels of few, partly visible waves from nearby."""

from functools import cache
from pathlib import Path

import keras
import numpy as np
from keras import ops

from link_sim.experiments.sounding import Context
from link_sim.models import pretrained
from link_sim.models.denoiser import PreconditionedDenoiser
from link_sim.models.plane_network import PlaneNetwork
from link_sim.recipes.channels import TEST_SEED
from link_sim.recipes.noise_levels import uniform_db
from link_sim.recipes.publishing import train_and_publish
from link_sim.scenarios.loading import load_scenario

NAME, SCENARIO = "csi-near-planes", "um-mimo-near"
LOWEST_DB, HIGHEST_DB = -8.0, 34.0
"""SNRs of training."""
SIGMA_DATA = 2**-0.5


def near_batch(step: int, seed: int, size: int):
    """Inputs, target and weights of one step; each SNR counts alike."""
    rng = np.random.default_rng([seed, step])
    x0 = _fields(rng, size)
    no = uniform_db(rng, size, LOWEST_DB, HIGHEST_DB).reshape(-1, 1, 1, 1)
    sigma = np.sqrt(no / 2).astype("float32")
    x = x0 + sigma * rng.standard_normal(x0.shape, "float32")
    weights = (1 / sigma**2 + 1 / SIGMA_DATA**2)[:, :, :, 0]
    return (x, sigma), x0, weights


@cache
def _context() -> Context:
    return Context(load_scenario(SCENARIO))


def _fields(rng, size: int) -> np.ndarray:
    context = _context()
    h = context.draw(rng, size)[0][:, :, 0].reshape(size, *context.shape)
    return np.stack([h.real, h.imag], axis=-1).astype("float32")


def quality(denoiser, channels: int = 200) -> dict:
    """NMSE in dB where all antennas are measured, of channels not trained on."""
    rng, found = np.random.default_rng(TEST_SEED), {"channels": channels}
    x0 = _fields(rng, channels)
    for snr_db in (0, 10, 20):
        sigma = np.float32(np.sqrt(10 ** (-snr_db / 10) / 2))
        x = x0 + sigma * rng.standard_normal(x0.shape, "float32")
        error = ops.convert_to_numpy(denoiser(x, sigma)) - x0
        nmse = np.sum(error**2) / np.sum(x0**2)
        found[f"nmse_db_at_{snr_db}_db"] = round(float(10 * np.log10(nmse)), 2)
    return found


def train_near_planes(
    folder: Path,
    steps: int = 2500,
    size: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 1,
) -> None:
    """Trains on channels of the scenario `um-mimo-near`, at -8 to 34 dB."""
    array = load_scenario(SCENARIO).array
    keras.utils.set_random_seed(seed)
    network = PlaneNetwork(array.antennas[0], array.spacing)
    denoiser = PreconditionedDenoiser(network, SIGMA_DATA)
    train_and_publish(
        folder,
        NAME,
        lambda x, sigma: denoiser(x, sigma),
        denoiser,
        near_batch,
        "mse",
        lambda path: quality(pretrained.load_model(path)),
        {"data": f"Channels of the scenario {SCENARIO}, drawn as they are needed"},
        steps,
        size,
        learning_rate,
        seed,
    )
