"""Arrays in files that `torch.save` wrote, without PyTorch and without running code.

Of the pickle inside only ordered dictionaries and tensors are let through. Both layouts
are known: the zip archive, and the one before PyTorch 1.6.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
"""First number of a file before PyTorch 1.6."""
DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2",
          "LongStorage": "<i8"}  # fmt: skip
VIEWS = {"_rebuild_tensor", "_rebuild_tensor_v2"}


class _View(NamedTuple):
    """A tensor: where it is in a storage, in elements."""

    storage: tuple[str, str]  # its type and its name
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """The arrays by name in the content of a `.pth` file with a dictionary of tensors.

    Raises `ValueError` for anything else.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            views, storage = _archive(zipfile.ZipFile(io.BytesIO(content)))
        else:
            views, storage = _before_archives(io.BytesIO(content))
        found = {name: v for name, v in views.items() if isinstance(v, _View)}
        return {name: _array(view, storage(view)) for name, view in found.items()}
    except Exception as error:
        raise ValueError(f"it is no dictionary of tensors: {error}") from None


def _archive(file: zipfile.ZipFile) -> tuple[dict, Callable[[_View], bytes]]:
    (pickled,) = (name for name in file.namelist() if name.endswith("/data.pkl"))
    folder = str(Path(pickled).parent.as_posix())
    return (
        _Tensors(io.BytesIO(file.read(pickled))).load(),
        lambda view: file.read(f"{folder}/data/{view.storage[1]}"),
    )


def _before_archives(file: io.BytesIO) -> tuple[dict, Callable[[_View], bytes]]:
    magic, _, _, views, names = (_Tensors(file).load() for _ in range(5))
    if magic != MAGIC:
        raise ValueError("it does not begin as such files do")
    types = dict(v.storage[::-1] for v in views.values() if isinstance(v, _View))
    contents = {}
    for name in names:
        number = int.from_bytes(file.read(8), "little")
        contents[name] = file.read(number * np.dtype(DTYPES[types[name]]).itemsize)
    return views, lambda view: contents[view.storage[1]]


class _Tensors(pickle.Unpickler):
    """Makes dictionaries and views of storages, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name in VIEWS:
            return lambda storage, offset, shape, strides, *_: _View(
                storage, offset, shape, strides
            )
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda view, *_: view
        if module == "torch" and name in DTYPES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it holds {module}.{name}")

    def persistent_load(self, pid: tuple) -> tuple[str, str]:
        kind, storage_type, name = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds a {kind}")
        return storage_type, name


def _array(view: _View, content: bytes) -> np.ndarray:
    flat = np.frombuffer(content, DTYPES[view.storage[0]])
    last = sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if min(view.offset, *view.strides, 0) < 0 or view.offset + last >= flat.size:
        raise ValueError("a tensor is not inside its storage")
    strides = [s * flat.itemsize for s in view.strides]
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
