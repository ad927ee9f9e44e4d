"""Training recipes of the published kind of semantic networks, for digits.

Each system starts as the best linear analog transmission and is trained in two stages:
encoder and decoder together for the estimate from the symbols
alone, then the decoder with the encoder frozen: for the same estimate (`ae`, `vae`) or
for all noise levels (`cdiff`). So all three take the same number of steps, with the
same network; `ae` and `cdiff` share the first stage and the encoder.
"""

import functools
from pathlib import Path

import keras

from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder, num_symbols
from link_sim.recipes.linear_start import start_linear
from link_sim.recipes.publishing import DATA, digits, publish, train_in_cycles
from link_sim.recipes.semantic_batches import RATIOS, Transmission, semantic_batch
from link_sim.recipes.semantic_quality import measure_decoder
from link_sim.recipes.table import SEMANTIC_SYSTEMS
from link_sim.world.sources import evaluation_digits

START_BATCHES = 160
"""Half of all ratios, half of the largest one, which is all that tells of the symbols
that only it sends."""


DIGITS = 5
"""Binary digits of the mantissas in the files: images lose less than 0.1 dB by it."""
SHAPE = 28, 28, 1
SIGMA_DATA = 0.6
"""Of the images scaled to [-1, 1]."""
LINEAR_ERROR = 0.25
"""About that of their linear estimates."""
ENCODER_WIDTHS = 32, 64, 128, 128


def train_semantic(
    folder: Path,
    kind: str,
    steps: int,
    decoder_steps: int,
    learning_rate: float = 1e-3,
    last_level: float = 0.6,
    ratio: float = 0.0,
    seed: int = 1,
) -> None:
    """Trains and measures a decoder, and the encoder that it goes with.

    kind: `ae`, `vae` or `cdiff`. steps, decoder_steps: of the two
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
    variational, images = kind == "vae", digits()[0]
    max_symbols = num_symbols(RATIOS[1], SHAPE)
    encoder, denoiser = _networks(max_symbols, variational)
    batch = functools.partial(
        semantic_batch,
        images=images,
        max_symbols=max_symbols,
        sigma_data=SIGMA_DATA,
        ratio=ratio,
    )
    transmission = Transmission(encoder, denoiser, variational)
    ratios = [ratio or i % 2 * RATIOS[1] for i in range(START_BATCHES)]
    start = [batch(i, last_level=1.0, ratio=r) for i, r in enumerate(ratios)]
    start_linear(transmission, start)
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
        "seed": seed,
    }
    _save(Path(folder), kind, encoder, denoiser, seconds, recipe)


def _networks(max_symbols: int, variational: bool):
    """An encoder and a decoder that are not trained yet."""
    numbers = (4 if variational else 2) * max_symbols
    encoder = SemanticEncoder(SHAPE, numbers, ENCODER_WIDTHS)
    denoiser = SemanticDenoiser(
        SHAPE, 2 * max_symbols, 2, LINEAR_ERROR, (64, 128), (1, 2), "mixed_bfloat16"
    )
    return encoder, denoiser


def _save(folder: Path, kind, encoder, denoiser, seconds, recipe: dict) -> None:
    """Writes encoder and decoder with their cards, and measures them."""
    name = f"semantic-{kind}-mnist"
    encoder_name = f"semantic-{'vae-' if kind == 'vae' else ''}encoder-mnist"
    card = {"data": DATA, "recipe": {"name": name, **recipe}}
    summary = f"Encoder of {SEMANTIC_SYSTEMS['mnist'][0]}"
    publish(
        folder, encoder_name, encoder, card, seconds, summary=summary, digits=DIGITS
    )
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
            evaluation_digits(),
            (1, 8) if kind == "cdiff" else (1,),
        )

    publish(folder, name, denoiser, card, seconds, measure, digits=DIGITS)


def mean_encoder(encoder: SemanticEncoder, max_symbols: int) -> SemanticEncoder:
    """The encoder whose output are the means of a variational one."""
    config = encoder.get_config() | {"num_features": 2 * max_symbols}
    means = SemanticEncoder.from_config(config)
    *weights, kernel, bias = encoder.get_weights()
    half = 2 * max_symbols
    means.set_weights([*weights, kernel[:, :half], bias[:half]])
    return means
