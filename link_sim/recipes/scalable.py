"""Training recipes of the convolutional semantic networks, and of their flow.

`ae`: encoder and decoder together, for the least weighted error. `vae`: the same with a
variational encoder for seven tenths of the steps, then its decoder for its means.
`cdiff`: a flow from the images of `ae` to real ones; it takes the networks of a
training of `ae` in the same folder, or trains them first. `encoder`: another encoder
for the shipped decoder, which stays as it is and need not know of it.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from link_sim.models.pretrained import load_model
from link_sim.models.scalable import (
    BLOCK,
    FlowNetwork,
    ScalableDecoder,
    ScalableEncoder,
)
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

PER_PLACE = 16
"""Complex numbers of 4 x 4 pixels of three colours at the largest ratio, 1/3."""
ENLARGED, LARGEST_ZOOM = 1 / 3, 4.0
"""Which part of the images is enlarged, and how much at most."""
SHIFT = 2
"""Pixels by which training images are moved, at most."""
DECODER = "semantic-ae-cifar10"
DIGITS = 4
"""Binary digits of the mantissas in the files, one less of the flow's: images lose
0.03 dB by it."""
JOINT = 0.7
"""Share of the steps of `vae` that train its encoder."""


def train_scalable(
    folder: Path,
    kind: str,
    steps: int,
    flow_steps: int = 6100,
    batch: int = 256,
    learning_rate: float = 1e-3,
    ratio: float = 0.0,
    seed: int = 1,
) -> None:
    """Trains and measures a decoder, and what it goes with.

    kind: `ae`, `vae`, `cdiff` or `encoder`. steps, flow_steps: of encoder and decoder,
    and of the flow. ratio: the only bandwidth ratio trained for; 0 for all. Raises
    `ValueError` for values out of range.
    """
    keras.utils.set_random_seed(seed)
    if ratio and not RATIOS[0] <= ratio <= RATIOS[1]:
        raise ValueError(f"ratio = {ratio} is not possible: use 1/192 to 1/3, or 0")
    images = training_pictures()[0]
    variational = kind == "vae"
    encoder, decoder = _networks(images.shape[-1], variational)
    if kind == "encoder":
        _check_alone(folder)
        decoder = _frozen(load_model(DECODER))
    ratios = (ratio, ratio) if ratio else RATIOS
    draw = functools.partial(transmission_batch, images=images, size=batch)

    def train(layer, name: str, steps: int, draw: Callable = draw) -> float:
        cycle = steps, learning_rate, draw
        return train_in_cycles(layer, [cycle], folder, seed, name, ema_momentum=0.9995)

    joint = round(JOINT * steps) if variational else steps
    transmission = ScalableTransmission(encoder, decoder, variational, ratios)
    name = {"vae": "joint-vae", "encoder": "encoder"}.get(kind, "joint-ae")
    seconds = train(transmission, name, joint)
    if variational:
        encoder = _frozen(mean_encoder(encoder))
        transmission = ScalableTransmission(encoder, decoder, ratios=ratios)
        seconds += train(transmission, "decoder-vae", steps - joint)
    recipe = {"steps": steps, "batch": batch, "learning_rate": learning_rate}
    recipe |= {"ratio": ratio, "seed": seed}
    if kind == "encoder":
        card = _card("semantic-encoder-cifar10", recipe) | {"decoder": DECODER}
        publish(
            folder, "semantic-encoder-cifar10", encoder, card, seconds, digits=DIGITS
        )
    elif kind == "cdiff":
        publish_system(folder, "ae", encoder, decoder, seconds, recipe)
        flow = FlowNetwork(images.shape[-1])
        layer = FlowTransmission(transmission, flow)
        seconds += train(layer, "flow", flow_steps, functools.partial(draw, flow=True))
        publish_flow(folder, flow, seconds, recipe | {"flow_steps": flow_steps})
    else:
        publish_system(folder, kind, encoder, decoder, seconds, recipe)


def transmission_batch(step: int, images: np.ndarray, size: int, seed=1, flow=False):
    """Inputs and target of a training step of `ScalableTransmission`.

    Images are mirrored, moved and, for `ENLARGED` of them, enlarged, so that
    photographs of many pixels are known as well.

    flow : whether of `FlowTransmission`, which takes noise beside.
    """
    rng = np.random.default_rng([seed, step])
    image = images[rng.integers(0, len(images), size)].astype("float32") / 127.5 - 1
    mirrored = rng.random((size, 1, 1, 1)) < 0.5
    image = np.where(mirrored, image[:, :, ::-1], image)
    shares = LARGEST_ZOOM ** -rng.random(size, "float32")
    detail = np.where(rng.random(size) < ENLARGED, shares, np.float32(1))
    image = cut(image, rng.random((size, 2)), detail)
    uniforms = rng.random((size, 5), "float32")
    for column in (0, 1, 3):  # evenly spread over the batch
        uniforms[:, column] = (rng.permutation(size) + uniforms[:, column]) / size
    height, width = image.shape[1] // 4, image.shape[2] // 4
    normals = rng.standard_normal((size, height, width, 6 * PER_PLACE), "float32")
    blocks = rng.random((size, height // BLOCK, width // BLOCK), "float32")
    inputs = image, uniforms, blocks, normals, detail
    if flow:
        inputs += (rng.standard_normal(image.shape, "float32"),)
    return inputs, np.zeros_like(image), None


def cut(image, places, shares):
    """Parts of square images, enlarged to the size of the whole.

    Whole images are moved by whole pixels, up to `SHIFT` each way, mirrored at their
    edges. Cubic interpolation (Keys, "Cubic convolution interpolation for digital image
    processing", 1981, equation 15).

    places : where the parts lie, [batch, 2] in [0, 1). shares : their sides over that
    of the image, [batch], up to 1
    """
    side = image.shape[1]
    margins = (SHIFT, SHIFT)
    image = np.pad(image, ((0, 0), margins, margins, (0, 0)), "reflect")
    room = np.where(shares < 1, (1 - shares) * side, 2 * SHIFT)[:, None]
    first = places * room + np.where(shares < 1, SHIFT, 0)[:, None]
    first = np.where(shares[:, None] < 1, first, np.round(first))
    rows, columns = (
        _interpolation(first[:, axis], shares, side, image.shape[1]) for axis in (0, 1)
    )
    return np.einsum("bik,bjl,bklc->bijc", rows, columns, image, optimize=True)


def _interpolation(first, shares, count: int, size: int):
    """Weights of `size` pixels in each of `count`, [batch, count, size]."""
    centres = first[:, None] + (np.arange(count) + 0.5) * shares[:, None] - 0.5
    distance = np.abs(centres[:, :, None] - np.arange(size))
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return (weights / weights.sum(axis=-1, keepdims=True)).astype("float32")


def mean_encoder(encoder: ScalableEncoder) -> ScalableEncoder:
    """The encoder whose output are the means of a variational one."""
    config = encoder.get_config() | {"outputs": 2}
    means = ScalableEncoder.from_config(config)
    shapes = (weight.shape for weight in means.weights)
    pairs = zip(encoder.get_weights(), shapes, strict=True)
    means.set_weights([weight[..., : shape[-1]] for weight, shape in pairs])
    return means


def publish_system(
    folder: Path, kind: str, encoder, decoder, seconds, recipe: dict
) -> None:
    """Writes encoder and decoder with their cards, and measures them."""
    encoder_name = f"semantic-{'vae-' if kind == 'vae' else ''}encoder-cifar10"
    card = _card(f"semantic-{kind}-cifar10", recipe)
    summary = f"Encoder of {SEMANTIC_SYSTEMS['cifar10'][0]}"
    publish(
        folder, encoder_name, encoder, card, seconds, summary=summary, digits=DIGITS
    )
    card["encoder"] = encoder_name
    measure = functools.partial(_measure, folder, encoder_name, (1,))
    publish(
        folder,
        f"semantic-{kind}-cifar10",
        decoder,
        card,
        seconds,
        measure,
        digits=DIGITS,
    )


def publish_flow(folder: Path, flow, seconds, recipe: dict) -> None:
    """Writes a flow with its card, and measures it behind the decoder of `ae`."""
    encoder_name = "semantic-encoder-cifar10"
    card = _card("semantic-cdiff-cifar10", recipe)
    card |= {"encoder": encoder_name, "mean": "semantic-ae-cifar10"}
    measure = functools.partial(_measure, folder, encoder_name, (1, 4, 8))
    publish(
        folder,
        "semantic-cdiff-cifar10",
        flow,
        card,
        seconds,
        measure,
        digits=DIGITS - 1,
    )


def _networks(channels: int, variational: bool):
    outputs = 4 if variational else 2
    encoder = ScalableEncoder(channels, PER_PLACE, outputs=outputs)
    return encoder, ScalableDecoder(channels, PER_PLACE)


def _check_alone(folder: Path) -> None:
    if (Path(folder) / f"{DECODER}.npz").exists():
        raise ValueError(
            f"{folder} holds a decoder with an encoder of its own: use another folder"
        )


def _frozen(network):
    network.trainable = False
    return network


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
