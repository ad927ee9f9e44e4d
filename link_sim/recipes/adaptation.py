"""The prior of `score`, adapted to channels that were only received in noise."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from link_sim.models import pretrained
from link_sim.models.pilot_losses import sure
from link_sim.models.spectral import SpectralDenoiser
from link_sim.recipes.channels import TEST_SEED
from link_sim.recipes.noise_levels import uniform_db
from link_sim.recipes.publishing import publish, train_in_cycles

LOWEST_DB = -12.0
"""SNR down to which more noise is added in training."""


class Received(NamedTuple):
    """Channels in noise, [examples, snapshots, antennas, frequencies] of unit power.

    held_out : those that are not learned from; snr_db : of both
    into : basis of modes, [frequencies, modes]; axes : responses of antennas and modes
    """

    learned: np.ndarray
    held_out: np.ndarray
    snr_db: float
    into: np.ndarray
    axes: tuple

    @property
    def no(self) -> float:
        """Noise variance of an element."""
        return 1 / (1 + 10 ** (self.snr_db / 10))


def adapt(
    folder: Path,
    name: str,
    received: Received,
    points: tuple[int, int],
    rank: int,
    card: dict,
    options: dict[str, Any],
) -> None:
    """Trains shipped weights by Stein's estimate of the error, and publishes them.

    rank : of what is added to each kernel (Hu et al., "LoRA: low-rank adaptation of
    large language models", 2021), 0 to train the kernels. options : steps, size,
    learning_rate, least_noise, seed
    """
    shipped = widened(pretrained.load_model(name), received, points)
    keras.utils.set_random_seed(options["seed"])
    denoiser = widened(shipped, received, points, options["least_noise"])
    for layer in kernels(denoiser) if rank else ():
        layer.enable_lora(rank)
    seconds = train_in_cycles(
        partial(risk, denoiser, received.axes),
        [(options["steps"], options["learning_rate"],
          partial(pilot_batch, received=received, size=options["size"]))],
        folder,
        options["seed"],
        loss=lambda _, found: ops.mean(found, axis=-1),
        ema_momentum=0.99,
        save_every=50,
    )  # fmt: skip
    trained = sum(np.prod(w.shape) for w in denoiser.trainable_weights)
    card = card | {"trained_parameters": int(trained)}
    card["recipe"] = {"name": name, "rank": rank, **options}
    card["recipe"]["pilots_db"] = received.snr_db

    def measure(path: str) -> dict:
        return {
            "channels": len(received.held_out),
            "estimated_nmse_db": estimated(pretrained.load_model(path), received),
            "shipped_estimated_nmse_db": estimated(shipped, received),
        }

    merged = widened(denoiser, received, points)
    publish(folder, name, merged, card, seconds, measure)


def pilot_batch(step: int, seed: int, size: int, received: Received):
    """Inputs of a step, in modes: pilots with more noise, sigma, and random signs."""
    rng, no = np.random.default_rng([seed, step]), received.no
    y = received.learned[rng.integers(0, len(received.learned), size)]
    total = (1 - no) * uniform_db(rng, size, LOWEST_DB, received.snr_db)
    extra = np.sqrt(np.maximum(total - no, 0) / 2).reshape(-1, 1, 1, 1)
    n = rng.standard_normal((2, *y.shape))
    return _inputs(rng, y + extra * (n[0] + 1j * n[1]), total, received), *_nothing(y)


def risk(denoiser, axes, x, sigma, probe):
    """Stein's estimate of the error over the noise of each round, [batch, rounds]."""
    return sure(partial(denoiser, responses=axes, training=True), x, sigma, probe)


def estimated(denoiser, received: Received) -> float | None:
    """NMSE [dB] of channels that were held out, as Stein's estimate has it.

    None where that is not positive: so few examples do not tell it.
    """
    y, no = received.held_out, received.no
    rng = np.random.default_rng(TEST_SEED)
    inputs = _inputs(rng, y, np.full(len(y), no), received)
    error = np.mean(risk(denoiser, received.axes, *inputs)[:, -1])
    share = received.into.shape[1] / received.into.shape[0]
    nmse = float(error) * share * no / (1 - no)
    return round(10 * np.log10(nmse), 2) if nmse > 0 else None


def kernels(denoiser: SpectralDenoiser) -> list:
    """Layers with a kernel, in order."""
    return [
        layer
        for network in denoiser.networks
        for layer in (*network.local, *network.pooled, network.last)
    ]


def widened(denoiser, received: Received, points, least_noise=None) -> SpectralDenoiser:
    """A copy for the received arrays, with what `enable_lora` added in its kernels."""
    config = denoiser.get_config() | {"lengths": received.learned.shape[2:]}
    config["points"] = points
    config["least_noise"] = least_noise or config["least_noise"]
    copy = SpectralDenoiser.from_config(config)
    for own, layer in zip(kernels(copy), kernels(denoiser), strict=True):
        own.kernel.assign(layer.kernel)
        own.bias.assign(layer.bias)
    return copy


def _inputs(rng, y, no, received: Received) -> tuple:
    x = y @ received.into
    x = np.stack([x.real, x.imag], axis=-1).astype("float32")
    sigma = np.sqrt(no / 2).astype("float32").reshape(-1, 1, 1, 1, 1)
    return x, sigma, rng.choice(np.array([-1, 1], "float32"), x.shape)


def _nothing(y):
    """Target and sample weights of a loss that needs neither."""
    return np.zeros(len(y), "float32"), None
