"""Training recipe of the bit-plane denoiser, the image model of joint decoding."""

from pathlib import Path

import keras
import numpy as np

from link_sim.models import pretrained
from link_sim.models.bit_planes import BitPlaneDenoiser
from link_sim.models.unet import UNet
from link_sim.receivers.images.pixel_bayes import log_histograms
from link_sim.recipes.bit_noise import decoder_llr
from link_sim.recipes.publishing import BATCH, DATA, digits, publish, train_in_cycles
from link_sim.recipes.restorers import restored_at
from link_sim.world.sources import evaluation_digits

SHAPE = 28, 28, 1


def bit_batch(step: int, seed: int):
    """Inputs and targets of one training step of the bit-plane denoiser."""
    rng = np.random.default_rng([seed, step])
    images = digits()[0]
    images = images[rng.integers(0, len(images), BATCH)]
    bits = np.unpackbits(images[..., None], axis=-1)
    return (decoder_llr(rng, bits, skew=2),), bits.astype("float32"), None


def train_bit_planes(
    folder: Path,
    steps: int = 3000,
    refine: int = 2400,
    learning_rate: float = 1.5e-3,
    seed: int = 1,
) -> None:
    """Trains and measures the bit-plane denoiser, beginning at independent pixels."""
    keras.utils.set_random_seed(seed)
    network = UNet((28, 28, 24), 8, (64, 128), (1, 3), "mixed_bfloat16")
    denoiser = BitPlaneDenoiser(network, SHAPE)
    denoiser.log_prior.assign(log_histograms("pixel-bayes-mnist"))
    cycles = [(steps, learning_rate, bit_batch), (refine, learning_rate / 2, bit_batch)]
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    seconds = train_in_cycles(denoiser, cycles, folder, seed, loss=loss)
    recipe = {"name": "bit-planes", "steps": steps, "refine": refine, "seed": seed}
    recipe |= {"batch": BATCH, "learning_rate": learning_rate}
    card = {"data": DATA, "recipe": recipe}
    publish(
        folder,
        "bit-planes",
        denoiser,
        card,
        seconds,
        lambda path: bit_quality(pretrained.load_model(path)),
    )


def bit_quality(denoiser, number: int = 5000) -> dict:
    """Bits per image bit that remain unknown on the evaluation digits.

    Cross entropy of the posterior logits, for LLRs whose signs have three error rates.
    """
    images = evaluation_digits()[:number]
    bits = np.unpackbits(images[..., None], axis=-1).astype("float32")
    quality = {"digits": len(images)}
    for rate, logits in restored_at(denoiser, images, (0.3, 0.2, 0.1)):
        nats = np.mean(np.logaddexp(0, (1 - 2 * bits) * logits), dtype="float64")
        quality[f"bits_at_bit_error_rate_{rate}"] = round(float(nats / np.log(2)), 4)
    return quality
