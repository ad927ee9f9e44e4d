"""Training recipes of semantic communication: encoders and their decoders.

Each system starts as the best linear analog transmission and is trained in two stages:
encoder and decoder together for the estimate from the symbols
alone, then the decoder with the encoder frozen: for the same estimate (`ae`, `vae`) or
for all noise levels (`cdiff`). So all three take the same number of steps, with the
same network; `ae` and `cdiff` share the first stage and the encoder.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras

from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder, num_symbols
from link_sim.recipes.classifiers import PICTURES
from link_sim.recipes.linear_start import start_linear
from link_sim.recipes.publishing import DATA, digits, publish, train_in_cycles
from link_sim.recipes.semantic_batches import RATIOS, Transmission, semantic_batch
from link_sim.recipes.semantic_quality import measure_decoder
from link_sim.recipes.table import SEMANTIC_SYSTEMS
from link_sim.world.sources import (
    evaluation_digits,
    evaluation_pictures,
    training_pictures,
)

START_BATCHES = 160
"""Half of all ratios, half of the largest one, which is all that tells of the symbols
that only it sends."""


class Source(NamedTuple):
    """What is trained for one kind of images."""

    images: Callable  # to train on, uint8 [number, height, width, channels]
    held_out: Callable  # to measure on
    sigma_data: float  # of the images scaled to [-1, 1]
    linear_error: float  # about that of their linear estimates
    flips: bool  # whether a mirrored image is as likely
    encoder_widths: tuple
    widths: tuple
    depths: tuple
    data: str


SOURCES = {
    "mnist": Source(
        lambda: digits()[0],
        lambda: evaluation_digits(),
        0.6,
        0.25,
        False,
        (32, 64, 128, 128),
        (64, 128),
        (1, 2),
        DATA,
    ),
    "cifar10": Source(
        lambda: training_pictures()[0],
        lambda: evaluation_pictures()[0],
        0.5,
        0.2,
        True,
        (64, 128, 256, 256),
        (64, 128),
        (1, 3),
        PICTURES,
    ),
}
SYSTEMS = {
    "mnist": ("mnist", 1),
    "cifar10-2users": ("cifar10", 2),
}
"""Name -> source and users."""


def train_semantic(
    folder: Path,
    kind: str,
    system: str,
    steps: int,
    decoder_steps: int,
    learning_rate: float = 1e-3,
    last_level: float = 0.6,
    ratio: float = 0.0,
    seed: int = 1,
) -> None:
    """Trains and measures a decoder, and the encoder that it goes with.

    kind: `ae`, `vae` or `cdiff`. system: of `SYSTEMS`. steps, decoder_steps: of the two
    stages. last_level: share of the second stage of `cdiff` that asks for the estimate
    from the symbols alone. ratio: the only bandwidth ratio trained for; 0 for all. The
    first stage is kept in `folder/joint-ae` or `folder/joint-vae`; `ae` and `cdiff`
    trained in the same folder share it. Raises `ValueError` for values out of range.
    """
    keras.utils.set_random_seed(seed)
    if ratio and not RATIOS[0] <= ratio <= RATIOS[1]:
        raise ValueError(f"ratio = {ratio} is not possible: use 1/48 to 1/6, or 0")
    if not 0 < last_level <= 1:
        raise ValueError(f"last_level = {last_level} is no share: use up to 1")
    source, users = SYSTEMS[system]
    made, variational = SOURCES[source], kind == "vae"
    images = made.images()
    max_symbols = num_symbols(RATIOS[1], images.shape[1:], users)
    encoder, denoiser = _networks(made, images.shape[1:], max_symbols, variational)
    batch = functools.partial(
        semantic_batch,
        images=images,
        users=users,
        max_symbols=max_symbols,
        sigma_data=made.sigma_data,
        ratio=ratio,
        flips=made.flips,
    )
    transmission = Transmission(encoder, denoiser, variational)
    ratios = [ratio or i % 2 * RATIOS[1] for i in range(START_BATCHES)]
    start = [batch(i, last_level=1.0, ratio=r) for i, r in enumerate(ratios)]
    start_linear(transmission, start, users)
    cycles = [(steps, learning_rate, functools.partial(batch, last_level=1.0))]
    name = f"joint-{'vae' if variational else 'ae'}"
    seconds = train_in_cycles(
        transmission, cycles, folder, seed, name, ema_momentum=0.99
    )
    encoder = mean_encoder(encoder, max_symbols) if variational else encoder
    encoder.trainable = False
    last = last_level if kind == "cdiff" else 1.0
    cycles = [(decoder_steps, learning_rate, functools.partial(batch, last_level=last))]
    seconds += train_in_cycles(
        Transmission(encoder, denoiser), cycles, folder, seed + 1, f"decoder-{kind}",
        ema_momentum=0.99,
    )  # fmt: skip
    recipe = {
        "steps": [steps, decoder_steps],
        "last_level": [1.0, last],
        "learning_rate": learning_rate,
        "ratio": ratio,
        "users": users,
        "seed": seed,
    }
    _save(Path(folder), kind, system, encoder, denoiser, seconds, recipe)


def _networks(made: Source, shape: tuple, max_symbols: int, variational: bool):
    """An encoder and a decoder that are not trained yet."""
    encoder = SemanticEncoder(
        shape, (4 if variational else 2) * max_symbols, made.encoder_widths
    )
    denoiser = SemanticDenoiser(
        shape, 2 * max_symbols, 2, made.linear_error, made.widths, made.depths,
        "mixed_bfloat16",
    )  # fmt: skip
    return encoder, denoiser


def _save(folder: Path, kind, system, encoder, denoiser, seconds, recipe: dict) -> None:
    """Writes encoder and decoder with their cards, and measures them."""
    source, users = SYSTEMS[system]
    made, name = SOURCES[source], f"semantic-{kind}-{system}"
    encoder_name = f"semantic-{'vae-' if kind == 'vae' else ''}encoder-{system}"
    card = {"data": made.data, "recipe": {"name": name, **recipe}}
    summary = f"Encoder of {SEMANTIC_SYSTEMS[system][0]}"
    publish(folder, encoder_name, encoder, card, seconds, summary=summary)
    config = denoiser.get_config()
    card["encoder"] = encoder_name
    card["decoder"] = {
        "image_shape": list(config["image_shape"]),
        "max_symbols": config["num_features"] // 2,
    }

    def measure(path: str) -> dict:
        return measure_decoder(
            SymbolEncoder(encoder),
            lambda num_steps: SemanticDecoder.from_preset(path, num_steps=num_steps),
            made.held_out(),
            (1, 8) if kind == "cdiff" else (1,),
            users,
        )

    publish(folder, name, denoiser, card, seconds, measure)


def mean_encoder(encoder: SemanticEncoder, max_symbols: int) -> SemanticEncoder:
    """The encoder whose output are the means of a variational one."""
    config = encoder.get_config() | {"num_features": 2 * max_symbols}
    means = SemanticEncoder.from_config(config)
    *weights, kernel, bias = encoder.get_weights()
    half = 2 * max_symbols
    means.set_weights([*weights, kernel[:, :half], bias[:half]])
    return means
