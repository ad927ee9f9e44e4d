"""Training recipes of the channel denoisers, on channels that Sionna generates."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from link_sim.ensembles import ENSEMBLES, fading, scm_covariances
from link_sim.recipes import show_progress
from models import pretrained
from models.spectral import SpectralDenoiser, log_error
from models.training import low_discrepancy, train

OVERSAMPLING = 4
"""Points of an angle grid per antenna."""


def noisy(rng, x0: np.ndarray, low_db: float, high_db: float) -> tuple:
    """Inputs and target of a denoiser for fields [batch, snapshots, ...], complex.

    SNRs are uniform in dB, in strata.
    """
    snr_db = low_db + (high_db - low_db) * low_discrepancy(rng, len(x0))
    x0 = np.stack([x0.real, x0.imag], axis=-1).astype("float32")
    sigma = np.sqrt(10 ** (-snr_db / 10) / 2).astype("float32")
    sigma = sigma.reshape(-1, *[1] * (x0.ndim - 1))
    return (x0 + sigma * rng.standard_normal(x0.shape, "float32"), sigma), x0


def scm_batch(step: int, seed: int, size: int):
    """Inputs and target of one training step of `csi-scm`, -12 to 42 dB."""
    rng = np.random.default_rng([seed, step])
    h = fading(rng, *scm_covariances(rng, size))
    return *noisy(rng, h[:, None], -12, 42), None


def train_scm(
    folder: Path,
    steps: int = 1200,
    batch: int = 128,
    learning_rate: float = 3e-3,
    seed: int = 1,
    report: Callable = show_progress,
) -> None:
    """Trains and measures the denoiser of the 3GPP spatial channel model, 64 x 16."""
    keras.utils.set_random_seed(seed)
    lengths = ENSEMBLES["scm"].shape
    denoiser = SpectralDenoiser(lengths, [OVERSAMPLING * n for n in lengths])
    train(
        denoiser,
        lambda step: scm_batch(step, seed, batch),
        steps,
        Path(folder),
        loss=log_error,
        learning_rate=learning_rate,
        ema_momentum=0.99,
        save_every=50,
        report=report,
    )
    recipe = {"name": "csi-scm", "steps": steps, "batch": batch, "seed": seed}
    card = {
        "summary": "Denoiser of 64 x 16 channels of the 3GPP spatial channel model",
        "data": "3GPP spatial channel model with three paths, drawn as they are needed",
        "recipe": recipe | {"learning_rate": learning_rate},
    }
    path = str(Path(folder) / "csi-scm.npz")
    pretrained.save_model(path, denoiser, card)


RECIPES = {"csi-scm": train_scm}
"""Weights name -> function(folder, **overrides)."""
