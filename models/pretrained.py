"""Shipped weights: a `NAME.npz` file and a `NAME.json` card that describes it."""

import hashlib
from pathlib import Path

import keras
import numpy as np

from link_sim.models import (  # noqa: F401
    bit_planes,
    channel_autoencoder,
    classifier,
    denoiser,
    gated_field,
    graph_amp,
    pairwise,
    pixel_denoiser,
    scalable,
    semantic,
    spectral,
    unet,
    unrolled,
)
from link_sim.models.cards import (  # noqa: F401
    list_pretrained,
    read_card,
    update_card,
    weights_path,
    write_card,
)

FEW = 1000
"""Arrays of fewer numbers are never rounded: it would save nothing."""


def load_arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of `name`, after checking the SHA-256 in its card.

    Raises `ValueError` if the file is missing or differs from its card.
    """
    card, path = read_card(name), weights_path(name)
    if not path.is_file():
        raise ValueError(f"the weights file {path} is missing: install it again")
    if _sha256(path) != card["sha256"]:
        raise ValueError(f"the weights file {path} was altered: install it again")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:
        raise ValueError(f"{path} is not a file of weights: {error}") from None


def save_arrays(name: str, arrays: dict[str, np.ndarray], card: dict) -> Path:
    """Writes `arrays` and `card` (a dict with a one-line `summary`); returns the path.

    The hash is added to the card.
    """
    path = weights_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    write_card(str(path), card)
    return path


def load_model(name: str) -> keras.layers.Layer:
    """The network of `name`, rebuilt from its card and filled with its weights.

    Raises `ValueError` as `load_arrays` does, and if card and weights do not fit.
    """
    card, arrays = read_card(name), load_arrays(name)
    try:
        model = keras.saving.deserialize_keras_object(card["architecture"])
        model.set_weights([arrays[key].astype("float32") for key in sorted(arrays)])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"the card of '{name}' does not fit its weights ({error}): train it again"
        ) from None
    return model


def save_model(
    name: str, model: keras.layers.Layer, card: dict, digits: int = 10
) -> Path:
    """Writes a built network as float16 arrays in the order of `model.weights`.

    digits : binary ones of the mantissas of larger arrays, 1 to 10; the others are 0,
        so that the file is smaller. Raises `ValueError` for other numbers.
    """
    if not 1 <= digits <= 10:
        raise ValueError(f"digits = {digits} are no part of a mantissa: use 1 to 10")
    weights = model.get_weights()
    arrays = {f"{i:03d}": _rounded(w, digits) for i, w in enumerate(weights)}
    architecture = keras.saving.serialize_keras_object(model)
    parameters = int(sum(w.size for w in weights))
    card = {**card, "architecture": architecture, "parameters": parameters}
    return save_arrays(name, arrays, card)


def _rounded(weights: np.ndarray, digits: int) -> np.ndarray:
    """float16, the nearest with so many digits of the mantissa."""
    weights = weights.astype("float16")
    if digits == 10 or weights.size < FEW:
        return weights
    step = 1 << (10 - digits)
    bits = weights.view("uint16").astype("uint32") + step // 2
    return (bits // step * step).astype("uint16").view("float16")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
