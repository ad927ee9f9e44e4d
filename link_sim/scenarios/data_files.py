"""Files of the user that a scenario names: inside its folder, and with known content.

A name in a scenario file is relative to the folder of that file and does not leave it;
on the command line it may be any path. A scenario that was read holds absolute paths
and the SHA-256 of what was there, so that all batches come from the same data.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.lib.npyio import NpzFile
from pydantic import model_validator

from link_sim.scenarios.sections import Section, Sha256


class DataFile(Section):
    """A file: its path, and the SHA-256 that it had when the scenario was read.

    In a scenario file its name stands for it.
    """

    path: str
    sha256: Sha256 | None = None

    @model_validator(mode="before")
    @classmethod
    def from_name(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    def checked(self) -> Path:
        """The path; `ValueError` if the file is not the one that the scenario means."""
        path = Path(self.path)
        if self.sha256 is not None and sha256(path) != self.sha256:
            raise ValueError(
                f"{path} has other content than the scenario says (sha256): restore "
                "it, or begin a new run"
            )
        return path

    def arrays(self) -> NpzFile:
        """The named arrays in it; `ValueError` as `checked`, or if there are none."""
        found = np.load(self.checked(), allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("it is an .npy, one array without a name")
        return found


class DataFolder(Section):
    """A folder, and the SHA-256 of its files that matter, by their names."""

    path: str
    sha256: dict[str, Sha256] = {}

    @model_validator(mode="before")
    @classmethod
    def from_name(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place(data: dict, model: type[Section], folder: Path) -> None:
    """Makes the names in a scenario's raw `data` paths inside a folder, in place.

    Raises `ValueError` for a name that leads out of the folder.
    """
    for key, section, last, _ in _named(data, model):
        name = section[last]
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(
                f"{key} = {name!r} leads out of the scenario's folder: put "
                f"it beside the scenario, or use --set {key}=PATH"
            )
        section[last] = str(path)


def identify(data: dict, model: type[Section]) -> None:
    """Makes the paths in a scenario's raw `data` absolute, and adds their SHA-256."""
    for _, section, last, kind in _named(data, model):
        path = Path(section[last]).absolute()
        if kind is DataFolder or path.is_file():
            section[last] = {"path": str(path)}
        if kind is DataFile and path.is_file():
            section[last]["sha256"] = sha256(path)


def _named(data: dict, model: type[Section]) -> Iterator[tuple[str, dict, str, type]]:
    """Keys that name a file or a folder: each with its section, last part and type."""
    for key, section, last, kinds in _file_keys(data, model, ""):
        name = section.get(last)
        words = [word for kind in kinds for word in get_args(kind)]
        if isinstance(name, str) and name not in words and "\0" not in name:
            yield key, section, last, DataFile if DataFile in kinds else DataFolder


def _file_keys(data: dict, model: type[Section], prefix: str) -> Iterator[tuple]:
    for name, field in model.model_fields.items():
        kinds = get_args(field.annotation) or (field.annotation,)
        if DataFile in kinds or DataFolder in kinds:
            yield prefix + name, data, name, kinds
            continue
        inner = data.get(name)
        for kind in kinds:
            nested = isinstance(kind, type) and issubclass(kind, Section)
            if nested and isinstance(inner, dict):
                yield from _file_keys(inner, kind, f"{prefix}{name}.")


FORMER = {
    "channel.sha256": "channel.file",
    "payload.sha256": "payload.source",
    "lpips_sha256": "lpips",
    "weights_sha256": "weights",
}
"""Keys of version 0.1 for hashes, with the files they belonged to."""


def modernise(data: dict) -> None:
    """Turns keys of version 0.1 in a scenario's raw `data` into those of today."""
    for old, new in FORMER.items():
        section = data.get(old.rpartition(".")[0]) if "." in old else data
        last, name = (key.rpartition(".")[2] for key in (old, new))
        if isinstance(section, dict) and last in section:
            digest = section.pop(last)
            section[name] = {"path": section.get(name), "sha256": digest}
