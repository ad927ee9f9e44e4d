"""Training recipes of the convolutional semantic networks, and of their flow.

`ae`: encoder and decoder together, for the least weighted error. `vae`: the same with a
variational encoder for seven tenths of the steps, then its decoder for its means.
`cdiff`: a flow from the images of `ae` to real ones; it takes the networks of a
training of `ae` in the same folder, or trains them first.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from link_sim.models.scalable import FlowNetwork, ScalableDecoder, ScalableEncoder
from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
from link_sim.recipes.classifiers import PICTURES
from link_sim.recipes.publishing import publish, train_in_cycles
from link_sim.recipes.scalable_batches import (
    RATIOS,
    FlowTransmission,
    ScalableTransmission,
)
from link_sim.recipes.semantic_quality import measure_decoder
from link_sim.recipes.table import SEMANTIC_SYSTEMS
from link_sim.world.sources import evaluation_pictures, training_pictures

PER_PLACE = 8
"""Complex numbers of 4 x 4 pixels of three colours at the largest ratio, 1/6."""
SHIFT = 2
"""Pixels by which training images are moved, at most."""
JOINT = 0.7
"""Share of the steps of `vae` that train its encoder."""


def train_scalable(
    folder: Path,
    kind: str,
    system: str,
    steps: int,
    flow_steps: int,
    batch: int = 256,
    learning_rate: float = 1e-3,
    ratio: float = 0.0,
    seed: int = 1,
) -> None:
    """Trains and measures a decoder, and what it goes with.

    kind: `ae`, `vae` or `cdiff`. steps, flow_steps: of encoder and decoder, and of the
    flow. ratio: the only bandwidth ratio trained for; 0 for all. Raises `ValueError`
    for values out of range.
    """
    keras.utils.set_random_seed(seed)
    if ratio and not RATIOS[0] <= ratio <= RATIOS[1]:
        raise ValueError(f"ratio = {ratio} is not possible: use 1/48 to 1/6, or 0")
    images = training_pictures()[0]
    variational = kind == "vae"
    encoder, decoder = _networks(images.shape[-1], variational)
    ratios = (ratio, ratio) if ratio else RATIOS
    draw = functools.partial(transmission_batch, images=images, size=batch)

    def train(layer, name: str, steps: int, draw: Callable = draw) -> float:
        cycle = steps, learning_rate, draw
        return train_in_cycles(layer, [cycle], folder, seed, name, ema_momentum=0.9995)

    joint = round(JOINT * steps) if variational else steps
    transmission = ScalableTransmission(encoder, decoder, variational, ratios)
    seconds = train(transmission, f"joint-{'vae' if variational else 'ae'}", joint)
    if variational:
        encoder = mean_encoder(encoder)
        encoder.trainable = False
        transmission = ScalableTransmission(encoder, decoder, ratios=ratios)
        seconds += train(transmission, "decoder-vae", steps - joint)
    recipe = {"steps": steps, "batch": batch, "learning_rate": learning_rate}
    recipe |= {"ratio": ratio, "seed": seed}
    if kind == "cdiff":
        flow, recipe["flow_steps"] = FlowNetwork(images.shape[-1]), flow_steps
        layer = FlowTransmission(transmission, flow)
        seconds += train(layer, "flow", flow_steps, functools.partial(draw, flow=True))
        publish_system(folder, "ae", system, encoder, decoder, seconds, recipe)
        publish_flow(folder, system, flow, seconds, recipe)
    else:
        publish_system(folder, kind, system, encoder, decoder, seconds, recipe)


def transmission_batch(step: int, images: np.ndarray, size: int, seed=1, flow=False):
    """Inputs and target of a training step of `ScalableTransmission`.

    flow : whether of `FlowTransmission`, which takes noise beside.
    """
    rng = np.random.default_rng([seed, step])
    picked = images[rng.integers(0, len(images), size)]
    mirrored = rng.random((size, 1, 1, 1)) < 0.5
    picked = np.where(mirrored, picked[:, :, ::-1], picked).astype("float32")
    image = moved(picked / 127.5 - 1, rng.integers(0, 2 * SHIFT + 1, (size, 2)))
    uniforms = rng.random((size, 4), "float32")
    for column in (0, 1, 3):  # evenly spread over the batch
        uniforms[:, column] = (rng.permutation(size) + uniforms[:, column]) / size
    height, width = image.shape[1] // 4, image.shape[2] // 4
    normals = rng.standard_normal((size, height, width, 6 * PER_PLACE), "float32")
    inputs = image, uniforms, normals
    if flow:
        inputs += (rng.standard_normal(image.shape, "float32"),)
    return inputs, np.zeros_like(image), None


def moved(image, offsets):
    """Images moved by up to `SHIFT` pixels each way, mirrored at their edges."""
    _, height, width, _ = image.shape
    margins = (SHIFT, SHIFT)
    padded = np.pad(image, ((0, 0), margins, margins, (0, 0)), "reflect")
    rows = offsets[:, :1] + np.arange(height)
    columns = offsets[:, 1:] + np.arange(width)
    each = np.arange(len(image))[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]]


def mean_encoder(encoder: ScalableEncoder) -> ScalableEncoder:
    """The encoder whose output are the means of a variational one."""
    config = encoder.get_config() | {"outputs": 2}
    means = ScalableEncoder.from_config(config)
    *weights, kernel, bias = encoder.get_weights()
    half = bias.size // 2
    means.set_weights([*weights, kernel[..., :half], bias[:half]])
    return means


def publish_system(
    folder: Path, kind: str, system: str, encoder, decoder, seconds, recipe: dict
) -> None:
    """Writes encoder and decoder with their cards, and measures them."""
    encoder_name = f"semantic-{'vae-' if kind == 'vae' else ''}encoder-{system}"
    card = _card(f"semantic-{kind}-{system}", recipe)
    summary = f"Encoder of {SEMANTIC_SYSTEMS[system][0]}"
    publish(folder, encoder_name, encoder, card, seconds, summary=summary)
    card["encoder"] = encoder_name
    measure = functools.partial(_measure, folder, encoder_name, (1,))
    publish(folder, f"semantic-{kind}-{system}", decoder, card, seconds, measure)


def publish_flow(folder: Path, system: str, flow, seconds, recipe: dict) -> None:
    """Writes a flow with its card, and measures it behind the decoder of `ae`."""
    encoder_name = f"semantic-encoder-{system}"
    card = _card(f"semantic-cdiff-{system}", recipe)
    card |= {"encoder": encoder_name, "mean": f"semantic-ae-{system}"}
    measure = functools.partial(_measure, folder, encoder_name, (1, 4, 8))
    publish(folder, f"semantic-cdiff-{system}", flow, card, seconds, measure)


def _networks(channels: int, variational: bool):
    outputs = 4 if variational else 2
    encoder = ScalableEncoder(channels, PER_PLACE, outputs=outputs)
    return encoder, ScalableDecoder(channels, PER_PLACE)


def _card(name: str, recipe: dict) -> dict:
    shape = list(training_pictures()[0].shape[1:])
    return {
        "data": PICTURES,
        "recipe": {"name": name, **recipe},
        "image_shape": shape,
    }


def _measure(folder: Path, encoder_name: str, steps: tuple, path: str) -> dict:
    file = str(Path(folder) / f"{encoder_name}.npz")
    encoder = ScalableSymbolEncoder.from_preset(file)
    return measure_decoder(
        encoder,
        lambda num_steps: FlowDecoder.from_preset(path, num_steps),
        evaluation_pictures()[0],
        steps,
    )
