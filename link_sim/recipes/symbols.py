"""The recipe of the denoiser of learned symbols: `cddm` in names of receivers."""

import functools
from pathlib import Path

import keras
import numpy as np
from keras import ops

from link_sim.models.symbol_denoiser import SymbolDenoiser
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.receivers.symbol_denoising import SymbolDenoising
from link_sim.recipes.classifiers import PICTURES
from link_sim.recipes.noise_levels import log_uniform, uniform_db
from link_sim.recipes.publishing import train_and_publish
from link_sim.recipes.semantic_quality import SNR_DB, decoder_quality
from link_sim.world.sources import evaluation_pictures, training_pictures

ENCODER, DECODER = "semantic-encoder-cifar10", "semantic-ae-cifar10"
LEVELS_DB = -2.0, 22.0
"""Ends of the SNRs of training, of what the encoder expects and of what is left."""
DIGITS = 4
"""Binary digits of the mantissas in the file."""
PART = 100
"""Images that are encoded together, at least if there are as many."""
EVALUATED = 200


def train_symbols(
    folder: Path,
    images: int = 6000,
    steps: int = 1500,
    batch: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 1,
) -> None:
    """Trains `semantic-symbols-cifar10` on what the shipped encoder sends.

    images: that are encoded once, each for an SNR and a number of symbols of its own;
    noise is drawn anew in each step, at any SNR, over AWGN or Rayleigh fading.
    """
    encoder = ScalableSymbolEncoder.from_preset(ENCODER)
    clean, mask = encoded(encoder, training_pictures()[0], images, seed)
    keras.utils.set_random_seed(seed)
    network = SymbolDenoiser(mask.shape[-1])
    shape = list(encoder.image_shape)
    card = {"data": PICTURES, "image_shape": shape, "encoder": ENCODER}
    card |= {"encoded_images": images}
    draw = functools.partial(noisy_symbols, clean=clean, mask=mask)
    train_and_publish(
        folder,
        "semantic-symbols-cifar10",
        lambda features, weights: network([features, weights]),
        network,
        draw,
        surprise,
        measure,
        card,
        steps,
        batch,
        learning_rate,
        seed,
        digits=DIGITS,
    )


def encoded(encoder, images: np.ndarray, number: int, seed: int) -> tuple:
    """Maps of symbols, real parts then imaginary parts, and of the places in use.

    Float16 [number, height, width, 2 per_place] and [number, height, width, per_place].
    """
    rng, shape = np.random.default_rng([seed, 0]), encoder.image_shape
    per_place = encoder.network.config["per_place"]
    picked = images[rng.permutation(len(images))[:number]]
    parts = max(len(picked) // PART, 1)
    counts = log_uniform(rng.random(parts), 16, encoder.max_symbols)
    levels = 10 ** (-rng.uniform(*LEVELS_DB, parts) / 10)
    clean, mask = [], []
    for part, count, no in zip(
        np.array_split(picked, parts), counts.astype(int), levels, strict=True
    ):
        image = image_from_levels(part[:, None].reshape(len(part), 1, *shape))
        x = np.asarray(encoder(image, int(count), np.float32(no)))[:, 0]
        sent = encoder.places.first(int(count), per_place)
        maps = [
            np.asarray(encoder.places.map_of(ops.convert_to_tensor(z), sent, per_place))
            for z in (x.real, x.imag, np.ones_like(x.real))
        ]
        clean.append(np.concatenate(maps[:2], axis=-1).astype("float16"))
        mask.append(maps[2].astype("float16"))
    return np.concatenate(clean), np.concatenate(mask)


def noisy_symbols(step: int, seed: int, size: int, clean, mask):
    """Inputs and target of a training step: symbols, and the places in use."""
    rng = np.random.default_rng([seed, step])
    picked = rng.integers(0, len(clean), size)
    x, used = (z[picked].astype("float32") for z in (clean, mask))
    no = uniform_db(rng, size, *LEVELS_DB).astype("float32")[:, None, None, None]
    fading = np.where(rng.random(no.shape) < 0.5, 1, rng.exponential(size=used.shape))
    no_eff = (no / np.maximum(fading, 1e-3)).astype("float32")
    std = np.sqrt(np.concatenate([no_eff, no_eff], axis=-1) / 2)
    x_hat = x + std * rng.standard_normal(x.shape, "float32")
    weights = used / (1 + no_eff)
    features = x_hat * np.concatenate([weights, weights], axis=-1)
    return (features, weights), np.concatenate([x, used], axis=-1), None


def surprise(target, estimates):
    """Minus log likelihood of symbols of which mean and variance are stated: [batch].

    target: real parts, imaginary parts, and 1 for the symbols that are sent.
    """
    real, imag, used = ops.split(target, 3, axis=-1)
    real_hat, imag_hat, variance = ops.split(estimates, 3, axis=-1)
    variance = ops.maximum(variance, 1e-5)
    error = (real - real_hat) ** 2 + (imag - imag_hat) ** 2
    total = ops.sum(used * (error / variance + ops.log(variance)), axis=(1, 2, 3))
    return total / ops.sum(used, axis=(1, 2, 3))


def measure(path: str) -> dict:
    """Error of symbols, and PSNR of the decoder behind them, on held-out images."""
    encoder = ScalableSymbolEncoder.from_preset(ENCODER)
    decoder = FlowDecoder.from_preset(DECODER)
    denoiser = SymbolDenoising.from_preset(path)
    images = evaluation_pictures()[0][:EVALUATED]
    found = {"images": EVALUATED, "snr_db": SNR_DB}

    def behind(x_hat, no_eff):
        return decoder(*denoiser(x_hat, no_eff))

    behind.image_shape = decoder.image_shape
    for name, each in (("", decoder), ("denoised_", behind)):
        for k, psnr_db in decoder_quality(encoder, each, images):
            found[f"{name}psnr_db_of_{k}_symbols"] = psnr_db
    return found | {"gain_db_of_128_symbols": symbol_gain(encoder, denoiser, images)}


def symbol_gain(encoder, denoiser, images: np.ndarray, count: int = 128) -> float:
    """How much smaller the error of 128 symbols is than that of linear estimates."""
    no, rng = np.float32(10 ** (-SNR_DB / 10)), np.random.default_rng(8)
    x = np.asarray(encoder(image_from_levels(images[:, None]), count, no))
    parts = np.sqrt(no / 2) * rng.standard_normal((2, *x.shape), "float32")
    x_hat = (x + parts[0] + 1j * parts[1]).astype("complex64")
    z, no_eff = (
        np.asarray(part) for part in denoiser(x_hat, np.full(x.shape, no, "float32"))
    )
    linear = np.mean(np.abs(x_hat / (1 + no) - x) ** 2)
    error = np.mean(np.abs(z / (1 + no_eff) - x) ** 2)
    return round(float(10 * np.log10(linear / error)), 2)
