"""The weights of LPIPS in a file of ours, and that file from the published ones."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from link_sim.metrics.torch_files import read_tensors
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile

SHAPES = [(11, 11, 3, 64), (5, 5, 64, 192), (3, 3, 192, 384), (3, 3, 384, 256),
          (3, 3, 256, 256)]  # fmt: skip
CONVOLUTIONS = 0, 3, 6, 8, 10
"""Of `features` in torchvision's AlexNet."""
IN_PACKAGE = "lpips/weights/v0.1/alex.pth"


def convert(linear: Path, alexnet: Path, out: Path) -> None:
    """Writes the `.npz` that `metrics.lpips` reads.

    linear: `alex.pth` of the package `lpips` 0.1, or its wheel. alexnet: the weights of
    torchvision's AlexNet, such as `alexnet-owt-7be5be79.pth`. Raises `ValueError` for
    other files.
    """
    lin, features = _tensors(linear), _tensors(alexnet)
    arrays: dict[str, Any] = {}
    for layer, (shape, place) in enumerate(zip(SHAPES, CONVOLUTIONS, strict=True)):
        kernel, name = (shape[3], shape[2], *shape[:2]), f"features.{place}"
        weight = _taken(alexnet, features, f"{name}.weight", kernel)
        arrays[f"conv{layer + 1}_kernel"] = weight.transpose(2, 3, 1, 0)
        bias = _taken(alexnet, features, f"{name}.bias", shape[-1:])
        arrays[f"conv{layer + 1}_bias"] = bias
        weight = _taken(linear, lin, f"lin{layer}.model.1.weight", (1, shape[-1], 1, 1))
        arrays[f"lin{layer + 1}"] = weight.reshape(-1)
    np.savez(out, **arrays)


def read(file: DataFile) -> list[tuple]:
    """Kernel, bias and channel weights of each layer; `ScenarioError` if none."""
    path = Path(file.path)
    if not path.is_file():
        raise ScenarioError(
            f"lpips = '{path}' is not a file: make it with link-sim lpips convert, or "
            "leave lpips out"
        )
    file.checked()
    try:
        with np.load(path, allow_pickle=False) as arrays:
            layers = [
                tuple(
                    arrays[name].astype("float32", casting="same_kind")
                    for name in names
                )
                for names in (
                    (f"conv{i}_kernel", f"conv{i}_bias", f"lin{i}") for i in range(1, 6)
                )
            ]
    except Exception as error:
        raise ScenarioError(
            f"lpips = '{path}' is not an .npz with conv1_kernel, conv1_bias, lin1 … "
            f"lin5: {error}"
        ) from None
    expected = [(shape, shape[-1:], shape[-1:]) for shape in SHAPES]
    if [tuple(array.shape for array in layer) for layer in layers] != expected:
        raise ScenarioError(
            f"lpips = '{path}' is not AlexNet: the shapes of its arrays differ"
        )
    if not all(np.isfinite(array).all() for layer in layers for array in layer):
        raise ScenarioError(f"lpips = '{path}' has values that are not finite")
    return layers


def _tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        content = path.read_bytes()
        if path.suffix == ".whl":
            content = zipfile.ZipFile(path).read(IN_PACKAGE)
        return read_tensors(content)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a file of weights ({error}): name alex.pth of the package "
            "lpips, and then the weights of torchvision's AlexNet"
        ) from None


def _taken(path: Path, tensors: dict, name: str, shape: tuple) -> np.ndarray:
    if name not in tensors or tensors[name].shape != shape:
        raise ValueError(
            f"{path} has no {name} of shape {list(shape)}: name alex.pth of the "
            "package lpips first, and then the weights of torchvision's AlexNet"
        )
    return tensors[name]
