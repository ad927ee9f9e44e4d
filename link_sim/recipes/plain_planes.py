"""Training of `csi-planes-plain`: a U-Net of planes, from received pilots alone.

It knows neither wavenumbers nor that fields are Gaussian; `csi-planes` knows both. What
the knowledge is worth is how many pilots the U-Net needs in its place.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from link_sim.experiments.sounding import Context
from link_sim.models import pretrained
from link_sim.models.denoiser import PreconditionedDenoiser
from link_sim.models.pilot_losses import sure
from link_sim.models.unet import UNet
from link_sim.receivers.estimation.linear_soundings import lmmse
from link_sim.recipes.channels import TEST_SEED
from link_sim.recipes.publishing import train_and_publish
from link_sim.recipes.received_pilots import mean_risk
from link_sim.scenarios.loading import load_scenario

NAME, SCENARIO = "csi-planes-plain", "um-mimo-learning"
SIGMA_DATA = 2**-0.5
WIDTHS, DEPTHS = (32, 64), (2, 2)
DRAWN = 1024
"""Channels at once."""


class Pilots(NamedTuple):
    """Channels and what is received of them, float32 [snapshots, rows, columns, 2].

    sigma : noise per real dimension
    """

    h: np.ndarray
    y: np.ndarray
    sigma: np.ndarray


@cache
def received(snapshots: int, seed: int) -> Pilots:
    """Pilots of the scenario `um-mimo-learning`, at its SNR, all antennas measured."""
    scenario = load_scenario(SCENARIO)
    context, rng = Context(scenario), np.random.default_rng(seed)
    sigma = np.sqrt(10 ** (-scenario.level_db / 10) / 2).astype("float32")
    drawn = []
    for first in range(0, snapshots, DRAWN):
        h = context.draw(rng, min(DRAWN, snapshots - first))[0]
        h = h.reshape(len(h), *context.shape)
        drawn.append(np.stack([h.real, h.imag], axis=-1).astype("float32"))
    h = np.concatenate(drawn)
    return Pilots(h, h + sigma * rng.standard_normal(h.shape, "float32"), sigma)


def plain_batch(step: int, seed: int, size: int, snapshots: int, clean: int = 0):
    """Inputs, target and weights of one step: some of the pilots, their phases turned.

    With `clean`, the channels are known, and their noise is another in each step.
    """
    pilots, rng = received(snapshots, seed), np.random.default_rng([seed, step])
    chosen = rng.integers(snapshots, size=size)
    phase = rng.uniform(0, 2 * np.pi, (size, 1, 1)).astype("float32")
    sigma = np.full((size, 1, 1, 1), pilots.sigma)
    if clean:
        h = _turned(pilots.h[chosen], phase)
        x = h + sigma * rng.standard_normal(h.shape, "float32")
        return (x, sigma), h, None
    y = _turned(pilots.y[chosen], phase)
    signs = rng.choice(np.array([-1, 1], "float32"), y.shape)
    return (y, sigma, signs), np.zeros((size, 1), "float32"), None


def plain_denoiser(shape) -> PreconditionedDenoiser:
    """An untrained one of fields [batch, *shape, 2], of unit power per element."""
    return PreconditionedDenoiser(
        UNet((*shape, 2), 2, WIDTHS, DEPTHS, "float32"), SIGMA_DATA
    )


def quality(denoiser, channels: int = 200) -> dict:
    """NMSE in dB of pilots not learned from, that of LMMSE with the true covariance,
    and the error over what Stein's estimate of it says."""
    context = Context(load_scenario(SCENARIO))
    h, y, sigma = received(channels, TEST_SEED)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], "float32"), y.shape)
    each = np.full((channels, 1, 1, 1), sigma)
    error = np.sum((ops.convert_to_numpy(denoiser(y, each)) - h) ** 2)
    stated = np.sum(sure(denoiser, y, each, signs)) * sigma**2 * y[0].size
    flat = (y[..., 0] + 1j * y[..., 1]).reshape(channels, -1, 1)
    eye = np.eye(flat.shape[1], dtype=complex)
    best = lmmse(flat, eye, 2 * float(sigma) ** 2, context.covariance())[0]
    best = best.reshape(h.shape[:3])
    least = np.sum(np.abs(best - h[..., 0] - 1j * h[..., 1]) ** 2)
    power = np.sum(h**2)
    return {
        "channels": channels,
        "nmse_db": round(float(10 * np.log10(error / power)), 2),
        "nmse_db_of_oracle": round(float(10 * np.log10(least / power)), 2),
        "error_over_stated": round(float(error / stated), 3),
    }


def train_plain(
    folder: Path,
    snapshots: int = 16384,
    clean: int = 0,
    steps: int = 1500,
    size: int = 32,
    learning_rate: float = 2e-3,
    seed: int = 1,
) -> None:
    """Trains on so many received pilots of the scenario `um-mimo-learning`, by SURE.

    clean : 1 trains on their channels in place of what is received, to compare
    """
    shape = load_scenario(SCENARIO).array.antennas
    keras.utils.set_random_seed(seed)
    denoiser = plain_denoiser(shape)

    def risk(y, sigma, signs):
        return sure(denoiser, y, sigma, signs)[:, None]

    train_and_publish(
        folder,
        NAME,
        (lambda x, sigma: denoiser(x, sigma)) if clean else risk,
        denoiser,
        plain_batch,
        "mse" if clean else mean_risk,
        lambda path: quality(pretrained.load_model(path)),
        {"data": f"Pilots of the scenario {SCENARIO}"},
        steps,
        size,
        learning_rate,
        seed,
        snapshots=snapshots,
        clean=clean,
    )


def _turned(x, phase):
    """Fields [size, rows, columns, 2] times exp(j phase)."""
    c, s = np.cos(phase), np.sin(phase)
    real, imag = x[..., 0], x[..., 1]
    return np.stack([c * real - s * imag, s * real + c * imag], axis=-1)
