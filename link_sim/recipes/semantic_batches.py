"""Training data of semantic communication: images, channels, and diffusion noise."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from link_sim.models.training import low_discrepancy
from link_sim.receivers.images.bits import image_from_levels
from link_sim.receivers.semantic import (
    SIGMA_INFINITE,
    assign_places,
    normalise_power,
    num_symbols,
    observe,
)
from link_sim.recipes.noise_levels import log_uniform, uniform_db

BATCH = 64
"""Images of a step, those of all users counted."""
RATIOS = 1 / 48, 1 / 6
"""Ends of the bandwidth ratios that one network is trained for."""
SNR_DB = -2.0, 22.0
"""Ends of the true SNR 1 / no of training, in dB."""
SIGMAS = 0.01, 2.0
"""Ends of the levels of diffusion noise of training."""
LARGEST_SHAPE = 100.0
"""Nakagami shapes of training fading go from 1 (Rayleigh) to this (hardly any)."""


class Channel(NamedTuple):
    """A channel of one receive antenna, [frames, users, k] unless stated."""

    coupling: np.ndarray  # [frames, users, users, k], h_v / h_u, complex
    noise: np.ndarray  # n / h_u, complex
    no_eff: np.ndarray  # of x_hat_u; infinite where nothing is sent
    bits: np.ndarray  # [frames], what the channel can carry per image


def draw_channel(rng, users: int, counts: np.ndarray, max_symbols: int) -> Channel:
    """Channels of frames with `counts` [frames] symbols: half AWGN, half fading.

    Fading is Nakagami, independent for each symbol. User u is equalised by its own
    gain, `x_hat_u = y / h_u`, and no_eff_u = (sum of |h_v|^2 over the others + no) /
    |h_u|^2, as by LMMSE equalisation with one antenna.
    """
    frames = len(counts)
    no = uniform_db(rng, frames, *SNR_DB)[:, None, None]
    shape = log_uniform(rng.random((frames, 1, 1)), 1.0, LARGEST_SHAPE)
    size = frames, users, max_symbols
    fading = rng.random((frames, 1, 1)) < 0.5
    gain = np.where(fading, rng.gamma(shape, 1 / shape, size), 1.0)
    phase = np.where(fading, 2 * np.pi * rng.random(size), 0.0)
    h = np.sqrt(np.maximum(gain, 1e-6)) * np.exp(1j * phase)
    power = np.abs(h) ** 2
    total = power.sum(axis=1, keepdims=True)
    sent = np.arange(max_symbols) < counts[:, None, None]
    no_eff = np.where(sent, (total - power + no) / power, np.inf)
    normal = rng.standard_normal((2, frames, 1, max_symbols))
    noise = np.sqrt(no / 2) * (normal[0] + 1j * normal[1]) / h
    bits = (sent * np.log2(1 + total / no)).sum(axis=(1, 2)) / users
    return Channel(h[:, None] / h[:, :, None], noise, no_eff, bits)


def semantic_batch(
    step: int,
    images: np.ndarray,
    users: int,
    max_symbols: int,
    sigma_data: float,
    last_level: float,
    ratio: float = 0.0,
    flips: bool = False,
    seed: int = 1,
):
    """Inputs, target and weights of one training step of `Transmission`.

    A share `last_level` of the frames asks for the estimate from the symbols alone, the
    rest for levels from 0.01 to 2, evenly in log. The bandwidth ratio is uniform in log
    between the ends, or `ratio` if that is not 0. The weight of an image is the inverse
    of about the squared error that its channel allows, so that poor and good channels
    count alike in dB: sigma_data^2 / (1 + 100 bits / n), and 1 / sigma^2 is added as
    for the information in the noisy image.
    """
    rng = np.random.default_rng([seed, step])
    frames, shape = BATCH // users, images.shape[1:]
    picked = images[rng.integers(0, len(images), (frames, users))]
    if flips:
        mirrored = rng.random((frames, users, 1, 1, 1)) < 0.5
        picked = np.where(mirrored, picked[:, :, :, ::-1], picked)
    ends = (ratio or end for end in RATIOS)
    ratios = log_uniform(low_discrepancy(rng, frames), *ends)
    counts = np.array([num_symbols(r, shape, users) for r in ratios])
    counts = np.minimum(counts, max_symbols)
    channel = draw_channel(rng, users, counts, max_symbols)

    u = low_discrepancy(rng, frames)
    sigma = log_uniform((u - last_level) / (1 - last_level + 1e-12), *SIGMAS)
    asked = u >= last_level
    sigma = np.where(asked, sigma, SIGMA_INFINITE)[:, None, None, None, None]
    x0 = picked.astype("float32") / 127.5 - 1
    noise = rng.standard_normal(x0.shape, "float32")
    x = np.where(sigma < SIGMA_INFINITE, x0 + sigma * noise, 0)

    precision = (1 + 100 * channel.bits / np.prod(shape)) / sigma_data**2
    weight = precision + 1 / sigma[:, 0, 0, 0, 0] ** 2
    inputs = (
        np.asarray(image_from_levels(picked)),
        x,
        np.broadcast_to(sigma, (frames, users, 1, 1, 1)),
        _parts(channel.coupling),
        _parts(channel.noise),
        channel.no_eff,
        counts[:, None],
    )
    weight = np.broadcast_to(weight[:, None, None, None], x0.shape[:-1])
    inputs = tuple(np.asarray(array, "float32") for array in inputs)
    return inputs, x0, weight.astype("float32")


class Transmission(keras.layers.Layer):
    """Encoder, channel and denoiser in one, for training.

    Call arguments are the inputs of `semantic_batch`; returns estimates of the images,
    scaled to [-1, 1], [frames, users, height, width, channels].

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

    def call(self, image, x, sigma, coupling, noise, no_eff, count):
        users, shape = image.shape[1], image.shape[2:]
        vector, levels = self.observe(image, coupling, noise, no_eff, count)
        x = ops.reshape(x, (-1, *shape))
        x0_hat = self.denoiser(x, ops.reshape(sigma, (-1, 1, 1, 1)), vector, levels)
        return ops.reshape(x0_hat, (-1, users, *shape))

    def observe(self, image, coupling, noise, no_eff, count):
        """What the denoiser is told after transmission: a vector, and levels."""
        users, shape = image.shape[1], image.shape[2:]
        max_symbols = no_eff.shape[-1]
        z = self.encoder(ops.reshape(image, (-1, *shape)))
        if self.variational:
            z = self._sample(z, np.prod(shape))
        z = ops.reshape(z, (-1, users, 2, max_symbols))
        sent = ops.cast(no_eff < np.inf, z.dtype)[..., None]
        parts = ops.stack([z[:, :, 0], z[:, :, 1]], axis=-1) * sent
        parts = normalise_power(parts, count[:, :, None, None])
        symbols = assign_places(ops.view_as_complex(parts))
        coupling, noise = ops.view_as_complex(coupling), ops.view_as_complex(noise)
        x_hat = ops.sum(coupling * symbols[:, None], axis=2) + noise
        return observe(x_hat, no_eff, max_symbols)

    def _sample(self, z, dimension):
        mean, log_var = ops.split(z, 2, axis=-1)
        log_var = ops.clip(log_var, -20, 10)
        divergence = 0.5 * ops.sum(mean**2 + ops.exp(log_var) - 1 - log_var, axis=-1)
        self.add_loss(2 * ops.mean(divergence) / dimension)
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        return mean + ops.exp(log_var / 2) * noise


def _parts(z):
    return np.stack([z.real, z.imag], axis=-1)
