"""Training of `feedback-autoencoder`: channels of users of a site, told in bits."""

from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from link_sim.experiments.csi_fields import World
from link_sim.models import pretrained
from link_sim.models.channel_autoencoder import ChannelAutoencoder, water_levels
from link_sim.models.kronecker_mixture import covariances
from link_sim.models.training import low_discrepancy
from link_sim.receivers.feedback.autoencoder import AutoencoderCodec
from link_sim.recipes.channels import TEST_SEED
from link_sim.recipes.publishing import publish, train_in_cycles
from link_sim.scenarios.csi import Site
from link_sim.world.site_channels import responses

NAME = "feedback-autoencoder"
SCATTERED = 0.0, 0.3
"""Shares of the power of each path that are scattered, of half of the users each."""
FEWEST, MOST = 48, 1448
"""Bits of training."""
GROUPS = 4
"""Numbers of bits in a batch."""
LEARNED, TESTED = 4096, 200
"""Channels that the variances of components are told from; those of `quality`."""


@cache
def _worlds() -> list[World]:
    return [World(Site(diffuse=share), ("site",)) for share in SCATTERED]


def site_fields(rng, size: int, test: bool = False) -> np.ndarray:
    """Channels of users of the site, complex64 [size, antennas, carriers]."""
    cell, fields = Site(), []
    for world in _worlds():
        paths = world.users(rng, size // len(SCATTERED), test)
        fields.append(responses(paths, cell.antennas, cell.frequencies))
    return rng.permutation(np.concatenate(fields)).astype("complex64")


def feedback_batch(step: int, seed: int, size: int):
    """Channels, bits and noise of the test channel; a number of bits is that of a
    `GROUPS`th of the batch."""
    rng = np.random.default_rng([seed, step])
    h = site_fields(rng, size)
    bits = FEWEST * (MOST / FEWEST) ** low_discrepancy(rng, GROUPS)
    bits = np.repeat(bits, size // GROUPS).astype("float32")[:, None]
    noise = rng.standard_normal((size, *h.shape[1:], 2), "float32") / np.sqrt(2)
    inputs = np.stack([h.real, h.imag], axis=-1), bits, noise.astype("float32")
    return inputs, np.zeros(size, "float32"), None


class ToldInBits(keras.layers.Layer):
    """Logarithms of the mean error of each number of bits, from `feedback_batch`.

    Components pass the test channel of the rate-distortion function, with their
    variances in the batch: so their code has that many bits, whatever is learned.
    """

    def __init__(self, autoencoder: ChannelAutoencoder):
        super().__init__()
        self.autoencoder, self.built = autoencoder, True

    def call(self, h, bits, noise):
        h, noise = ops.view_as_complex(h), ops.view_as_complex(noise)
        z = self.autoencoder.encode(h)
        variances = ops.mean(ops.square(ops.abs(z)), axis=0)
        level = water_levels(ops.reshape(variances, (-1,)), bits[:, 0])
        told = _told(z, variances, level[:, None, None], noise)
        error = ops.square(ops.abs(self.autoencoder.decode(told, level) - h))
        error = ops.reshape(ops.mean(error, axis=(1, 2)), (GROUPS, -1))
        mean = ops.log(ops.mean(error, axis=1, keepdims=True))
        return ops.reshape(ops.broadcast_to(mean, ops.shape(error)), (-1,))

    def compute_output_shape(self, h_shape, bits_shape, noise_shape):
        return (h_shape[0],)


def _told(z, variances, level, noise):
    """(1 - D / variance) z + sqrt(D (1 - D / variance)) noise, D the level."""
    keep = ops.maximum(1 - level / ops.maximum(variances, 1e-12), 0)
    spread = ops.sqrt(ops.maximum(level * keep, 1e-20))
    return ops.cast(keep, z.dtype) * z + ops.cast(spread, z.dtype) * noise


def mean_error(_, errors):
    """The loss where the layer computes the logarithms of errors itself."""
    return ops.mean(errors)


def train_feedback(
    folder: Path,
    steps: int = 2400,
    size: int = 64,
    learning_rate: float = 1.5e-3,
    seed: int = 1,
) -> None:
    """Trains on users of the site that are not tested, with phases drawn anew."""
    keras.utils.set_random_seed(seed)
    autoencoder = ChannelAutoencoder()
    learned = site_fields(np.random.default_rng(seed), LEARNED)
    autoencoder.begin(covariances(learned))
    seconds = train_in_cycles(
        ToldInBits(autoencoder),
        [(steps, learning_rate, partial(feedback_batch, size=size))],
        folder,
        seed,
        loss=mean_error,
        ema_momentum=0.99,
        save_every=50,
    )
    _fill_variances(autoencoder, learned)
    recipe = {"name": NAME, "steps": steps, "batch": size, "seed": seed}
    card = {
        "recipe": recipe | {"learning_rate": learning_rate},
        "data": "Users of the site munich that are not tested, 16 antennas and 64 "
        "subcarriers of 20 MHz; half of them with 30 % of the power scattered",
    }
    publish(folder, NAME, autoencoder, card, seconds, quality)


def _fill_variances(autoencoder: ChannelAutoencoder, learned) -> None:
    z = np.concatenate([autoencoder.encode(h) for h in np.split(learned, 32)])
    autoencoder.variances.assign(np.mean(np.abs(z) ** 2, axis=0).ravel())


def quality(path: str) -> dict:
    """NMSE in dB of channels of tested users, by bits."""
    codec, found = AutoencoderCodec(pretrained.load_model(path)), {"channels": TESTED}
    h = site_fields(np.random.default_rng(TEST_SEED), TESTED, test=True)
    for bits in (64, 256, 1024):
        error = h - codec.decode(codec.encode(h, bits), bits)
        nmse = np.sum(np.abs(error) ** 2) / np.sum(np.abs(h) ** 2)
        found[f"nmse_db_at_{bits}_bits"] = round(float(10 * np.log10(nmse)), 2)
    return found
