"""Training recipe of the bit-plane denoiser, the image model of joint decoding."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.models.bit_planes import BitPlaneDenoiser
from link_sim.models.unet import UNet
from link_sim.receivers.images.pixel_bayes import log_histograms
from link_sim.recipes import restorers as recipes
from link_sim.recipes.bit_noise import decoder_llr, received_llr

SHAPE = 28, 28, 1


def bit_batch(step: int, seed: int):
    """Inputs and targets of one training step of the bit-plane denoiser."""
    rng = np.random.default_rng([seed, step])
    images = recipes.digits()[0]
    images = images[rng.integers(0, len(images), recipes.BATCH)]
    bits = np.unpackbits(images[..., None], axis=-1)
    return (decoder_llr(rng, bits, skew=2),), bits.astype("float32"), None


def train_bit_planes(
    folder: Path,
    steps: int = 3000,
    refine: int = 2400,
    learning_rate: float = 1.5e-3,
    seed: int = 1,
    report: Callable = recipes.show_progress,
) -> None:
    """Trains and measures the bit-plane denoiser, beginning at independent pixels."""
    keras.utils.set_random_seed(seed)
    network = UNet((28, 28, 24), 8, (64, 128), (1, 3), "mixed_bfloat16")
    denoiser = BitPlaneDenoiser(network, SHAPE)
    denoiser.log_prior.assign(log_histograms("pixel-bayes-mnist"))
    seconds = recipes.train_in_cycles(
        denoiser,
        [(steps, learning_rate, bit_batch), (refine, learning_rate / 2, bit_batch)],
        folder,
        seed,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        report=report,
    )
    recipe = {"name": "bit-planes", "steps": steps, "refine": refine, "seed": seed}
    card = {
        "summary": "Bit-plane denoiser of digits: LLRs to posterior logits of all bits",
        "data": recipes.DATA,
        "cost": recipes.cost(seconds),
        "recipe": recipe | {"batch": recipes.BATCH, "learning_rate": learning_rate},
    }
    path = str(Path(folder) / "bit-planes.npz")
    pretrained.save_model(path, denoiser, card)
    pretrained.update_card(path, quality=bit_quality(pretrained.load_model(path)))


def bit_quality(denoiser, digits: int = 5000) -> dict:
    """Bits per image bit that remain unknown on the evaluation digits.

    Cross entropy of the posterior logits, for LLRs whose signs have three error rates.
    """
    images = recipes.evaluation_digits()[:digits]
    bits = np.unpackbits(images[..., None], axis=-1).astype("float32")
    quality = {"digits": len(images)}
    for rate in (0.3, 0.2, 0.1):
        llr = received_llr(np.random.default_rng(7), images, rate)
        logits = recipes.restorer_output(denoiser, llr)
        nats = np.mean(np.logaddexp(0, (1 - 2 * bits) * logits), dtype="float64")
        quality[f"bits_at_bit_error_rate_{rate}"] = round(float(nats / np.log(2)), 4)
    return quality


RECIPES = {"bit-planes": train_bit_planes}
"""Weights name -> function(folder, **overrides)."""
