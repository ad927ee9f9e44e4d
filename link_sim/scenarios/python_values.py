"""What Python has for lists, numbers and names, as a scenario takes it."""

from collections.abc import Mapping
from pathlib import PurePath
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np


def as_plain(value: Any) -> Any:
    """Dictionaries, lists, numbers and text of what Python and NumPy have beside."""
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_plain(value.tolist())
    if isinstance(value, list | tuple | range | set):
        return [as_plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def fitted(value: Any, annotation: Any) -> Any:
    """A plain value in the types of a field: lists as tuples, names in their case."""
    kinds = _choices(annotation)
    if isinstance(value, str):
        words = [
            w for kind in kinds if get_origin(kind) is Literal for w in _words(kind)
        ]
        return next((w for w in words if w.lower() == value.lower()), value)
    tuples = [kind for kind in kinds if get_origin(kind) is tuple]
    if isinstance(value, list) and tuples:
        items = get_args(tuples[0])
        return tuple(fitted(item, items[0]) for item in value)
    return value


def _choices(annotation: Any) -> tuple:
    """The members of a union, or what is no union alone; without remarks on them."""
    if get_origin(annotation) in (Union, UnionType):
        return tuple(k for kind in get_args(annotation) for k in _choices(kind))
    if hasattr(annotation, "__metadata__"):
        return _choices(annotation.__origin__)
    return (annotation,)


def _words(kind: Any) -> list[str]:
    return [word for word in get_args(kind) if isinstance(word, str)]
