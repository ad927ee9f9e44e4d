"""Training recipes of image restorers: networks, and counts of levels."""

import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.models.conditional_chain import ConditionalChain
from link_sim.models.pixel_denoiser import PixelDenoiser
from link_sim.models.training import low_discrepancy
from link_sim.models.unet import UNet
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.images.restoration import ConditionalDDPM, condition_planes
from link_sim.recipes.bit_noise import (
    flipped_bits,
    hard_bits,
    mixed_bits,
    received_llr,
    soft_bits,
)
from link_sim.recipes.publishing import BATCH, DATA, digits, publish, train_in_cycles
from link_sim.world.sources import evaluation_digits

SIGMA_DATA = 0.6
"""Standard deviation of MNIST pixels scaled to [-1, 1]."""


def restoration_batch(
    step: int,
    received: Callable,
    seed: int,
    last_level: float,
    floor: float,
):
    """Inputs, target and weights of one training step of a restoring network.

    A share `last_level` of the batch asks for the estimate from the condition alone,
    the rest for one of the levels of the chain. Weights make up for the level, and
    for the error rate of the image above `floor`, so that mild and severe cases count
    alike.
    """
    rng = np.random.default_rng([seed, step])
    images = digits()[0]
    images = images[rng.integers(0, len(images), BATCH)]
    bits = np.unpackbits(images[..., None], axis=-1)
    soft = received(rng, bits)
    _, condition = condition_planes(soft)
    x0 = images.astype("float32") / 127.5 - 1
    chain, u = ConditionalChain(), low_discrepancy(rng, BATCH)[:, None, None, None]
    t = 1 + np.floor(u / (1 - last_level + 1e-12) * (chain.num_levels - 1))
    t = np.minimum(t, chain.num_levels).astype(int)
    sigma = chain.sigma[t].astype("float32")
    noise = rng.standard_normal(x0.shape, "float32")
    x = np.where(t < chain.num_levels, x0 + sigma * noise, 0)
    error_rate = np.mean(1 - soft * (2.0 * bits - 1), axis=(1, 2, 3, 4)) / 2
    weight = 0.1 / (error_rate + floor)[:, None, None, None]
    weight = weight * (1 / sigma**2 + 1 / SIGMA_DATA**2)
    return (x, sigma, np.asarray(condition)), x0, weight[..., 0]


def train_restorer(
    folder: Path,
    name: str,
    soft: bool,
    cycles: tuple,
    start: str | None = None,
    share: float = 1.0,
    floor: float = 0.05,
    seed: int = 1,
) -> None:
    """Trains and measures a restoring network.

    cycles: of `(steps, learning_rate, received, last_level)`; `received` draws the bits
    that the network is told. share: of the steps that are taken, to try things out.
    start: weights to begin with.
    """
    keras.utils.set_random_seed(seed)
    if start:
        denoiser = pretrained.load_model(start)
    else:
        network = UNet((28, 28, 11), 17, (64, 128), (1, 3), "mixed_bfloat16")
        denoiser = PixelDenoiser(network, SIGMA_DATA)
    batch = functools.partial(restoration_batch, floor=floor)
    planned = [
        (
            max(1, round(share * steps)),
            rate,
            functools.partial(batch, received=received, last_level=last_level),
        )
        for steps, rate, received, last_level in cycles
    ]
    seconds = train_in_cycles(denoiser, planned, folder, seed)
    told = [(steps, rate, draw.__name__, last) for steps, rate, draw, last in cycles]
    recipe = {"name": name, "start": start, "cycles": told, "share": share}
    shape, histograms = [28, 28, 1], "pixel-bayes-mnist"
    card = {
        "restorer": {"image_shape": shape, "soft": soft, "histograms": histograms},
        "data": DATA,
        "recipe": recipe | {"batch": BATCH, "floor": floor, "seed": seed},
    }
    publish(folder, name, denoiser, card, seconds, restoration_quality)


train_ddpm = functools.partial(
    train_restorer,
    name="ddpm",
    soft=True,
    cycles=(
        (9000, 1.5e-3, hard_bits, 0.6),
        (4000, 1.5e-3, soft_bits, 0.6),
        (1500, 7.5e-4, mixed_bits, 0.8),
    ),
)
train_regression = functools.partial(
    train_restorer,
    name="regression",
    soft=False,
    cycles=((400, 7.5e-4, flipped_bits, 1.0),),
    start="ddpm",
)


def restoration_quality(name: str, number: int = 5000) -> dict:
    """PSNR of the mean squared error on the evaluation digits, K = 1, in dB.

    `hard`: bits with independent flips at four rates; `soft`: LLRs whose signs have
    these error rates, if the restorer believes LLRs.
    """
    images = evaluation_digits()[:number]
    sent = np.asarray(image_from_levels(images))
    soft = pretrained.read_card(name)["restorer"]["soft"]
    quality = {"digits": len(images)}
    for kind in ("hard", "soft") if soft else ("hard",):
        restorer = ConditionalDDPM.from_preset(name, soft=kind == "soft")
        for rate, restored in restored_at(restorer, images, (0.2, 0.1, 0.05, 0.01)):
            error = np.mean((restored - sent) ** 2, dtype="float64")
            key = f"{kind}_psnr_db_at_bit_error_rate_{rate}"
            quality[key] = round(float(-10 * np.log10(error)), 2)
    return quality


def restored_at(restorer: keras.layers.Layer, images: np.ndarray, rates: tuple):
    """Yields each bit error rate and what the restorer makes of LLRs that err so."""
    model = keras.Sequential([keras.Input((*images.shape[1:], 8)), restorer])
    model.compile(jit_compile=False)
    for rate in rates:
        llr = received_llr(np.random.default_rng(7), images, rate)
        yield rate, model.predict(llr, batch_size=100, verbose=0)


def count_levels(folder: Path) -> None:
    """Counts how often each pixel of the training digits has each level."""
    pixels = digits()[0].reshape(-1, 28 * 28)
    counts = [np.bincount(column, minlength=256) for column in pixels.T]
    counts = np.reshape(counts, (28, 28, 1, 256)).astype("uint16")
    card = {"data": DATA, "recipe": {"name": "pixel-bayes-mnist"}}
    publish(folder, "pixel-bayes-mnist", {"counts": counts}, card)
