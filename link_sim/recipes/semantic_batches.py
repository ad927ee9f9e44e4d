"""Training data of semantic communication: images, channels, and diffusion noise."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from link_sim.models.training import low_discrepancy
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.semantic import (
    SIGMA_INFINITE,
    normalise_power,
    num_symbols,
    observe,
)
from link_sim.recipes.noise_levels import log_uniform, uniform_db
from link_sim.recipes.scalable_batches import SNR_DB

BATCH = 64
"""Images of a step."""
RATIOS = 1 / 48, 1 / 6
"""Ends of the bandwidth ratios that one network is trained for."""
SIGMAS = 0.01, 2.0
"""Ends of the levels of diffusion noise of training."""
LARGEST_SHAPE = 100.0
"""Nakagami shapes of training fading go from 1 (Rayleigh) to this (hardly any)."""


class Channel(NamedTuple):
    """A channel of one receive antenna, [images, k] unless stated."""

    noise: np.ndarray  # n / h, complex
    no_eff: np.ndarray  # infinite where nothing is sent
    bits: np.ndarray  # [images], what the channel can carry


def draw_channel(rng, counts: np.ndarray, max_symbols: int) -> Channel:
    """Channels of images with `counts` symbols: half AWGN, half fading.

    Fading is Nakagami, independent for each symbol, which is equalised by its own gain.
    """
    number = len(counts)
    no = uniform_db(rng, number, *SNR_DB)[:, None]
    shape = log_uniform(rng.random((number, 1)), 1.0, LARGEST_SHAPE)
    size = number, max_symbols
    fading = rng.random((number, 1)) < 0.5
    gain = np.where(fading, rng.gamma(shape, 1 / shape, size), 1.0)
    power = np.maximum(gain, 1e-6)
    sent = np.arange(max_symbols) < counts[:, None]
    normal = rng.standard_normal((2, *size))
    noise = np.sqrt(no / power / 2) * (normal[0] + 1j * normal[1])
    bits = (sent * np.log2(1 + power / no)).sum(axis=1)
    return Channel(noise, np.where(sent, no / power, np.inf), bits)


def semantic_batch(
    step: int,
    images: np.ndarray,
    max_symbols: int,
    sigma_data: float,
    last_level: float,
    ratio: float = 0.0,
    seed: int = 1,
):
    """Inputs, target and weights of one training step of `Transmission`.

    A share `last_level` of the images asks for the estimate from the symbols alone, the
    rest for levels from 0.01 to 2, evenly in log. The bandwidth ratio is uniform in log
    between the ends, or `ratio` if that is not 0. The weight of an image is the inverse
    of about the squared error that its channel allows, so that poor and good channels
    count alike in dB: sigma_data^2 / (1 + 100 bits / n), and 1 / sigma^2 is added as
    for the information in the noisy image.
    """
    rng = np.random.default_rng([seed, step])
    picked = images[rng.integers(0, len(images), BATCH)]
    ends = (ratio or end for end in RATIOS)
    ratios = log_uniform(low_discrepancy(rng, BATCH), *ends)
    counts = np.array([num_symbols(r, images.shape[1:]) for r in ratios])
    counts = np.minimum(counts, max_symbols)
    channel = draw_channel(rng, counts, max_symbols)

    u = low_discrepancy(rng, BATCH)
    sigma = log_uniform((u - last_level) / (1 - last_level + 1e-12), *SIGMAS)
    asked = u >= last_level
    sigma = np.where(asked, sigma, SIGMA_INFINITE)[:, None, None, None]
    x0 = picked.astype("float32") / 127.5 - 1
    noise = rng.standard_normal(x0.shape, "float32")
    x = np.where(sigma < SIGMA_INFINITE, x0 + sigma * noise, 0)

    values = np.prod(images.shape[1:])
    precision = (1 + 100 * channel.bits / values) / sigma_data**2
    weight = precision + 1 / sigma[:, 0, 0, 0] ** 2
    inputs = (
        np.asarray(image_from_levels(picked)),
        x,
        sigma,
        _parts(channel.noise),
        channel.no_eff,
        counts[:, None],
    )
    weight = np.broadcast_to(weight[:, None, None], x0.shape[:-1])
    inputs = tuple(np.asarray(array, "float32") for array in inputs)
    return inputs, x0, weight.astype("float32")


class Transmission(keras.layers.Layer):
    """Encoder, channel and denoiser in one, for training.

    Call arguments are the inputs of `semantic_batch`; returns estimates of the images,
    scaled to [-1, 1], [images, height, width, channels].

    Args:
        encoder: Image to a real vector of the symbols; with `variational`, to means and
            then log variances, whose divergence from N(0, 1) becomes a loss, in units
            of the weighted squared error.
        denoiser: `denoiser(x, sigma, vector, levels)`.
    """

    def __init__(self, encoder, denoiser, variational: bool = False):
        super().__init__()
        self.encoder, self.denoiser = encoder, denoiser
        self.variational = variational
        self.noise = keras.random.SeedGenerator(1)

    def call(self, image, x, sigma, noise, no_eff, count):
        vector, levels = self.observe(image, noise, no_eff, count)
        return self.denoiser(x, sigma, vector, levels)

    def observe(self, image, noise, no_eff, count):
        """What the denoiser is told after transmission: a vector, and levels."""
        max_symbols = no_eff.shape[-1]
        z = self.encoder(image)
        if self.variational:
            z = self._sample(z, np.prod(image.shape[1:]))
        z = ops.reshape(z, (-1, 2, max_symbols))
        sent = ops.cast(no_eff < np.inf, z.dtype)[..., None]
        parts = ops.stack([z[:, 0], z[:, 1]], axis=-1) * sent
        parts = normalise_power(parts, count[:, :, None])
        x_hat = ops.view_as_complex(parts) + ops.view_as_complex(noise)
        return observe(x_hat[:, None], no_eff[:, None], max_symbols)

    def _sample(self, z, dimension):
        mean, log_var = ops.split(z, 2, axis=-1)
        log_var = ops.clip(log_var, -20, 10)
        divergence = 0.5 * ops.sum(mean**2 + ops.exp(log_var) - 1 - log_var, axis=-1)
        self.add_loss(2 * ops.mean(divergence) / dimension)
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        return mean + ops.exp(log_var / 2) * noise


def _parts(z):
    return np.stack([z.real, z.imag], axis=-1)
