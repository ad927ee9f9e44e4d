"""Data files that a scenario names: inside its folder, and with known content.

A name in a scenario file is relative to the folder of that file and does not leave it;
on the command line it may be any path. A scenario that was read holds absolute paths
and the SHA-256 of what was there, so that all batches come from the same data.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from link_sim.scenarios.sections import SOURCES

FILES = {
    "channel.file": "channel.sha256",
    "payload.source": "payload.sha256",
    "lpips": "lpips_sha256",
}
"""Keys of a scenario that name files, each with the key for their SHA-256."""
FOLDERS = {"weights": "weights_sha256"}
"""The same for folders; the scenario itself knows which of their files it takes."""


def place(data: dict, folder: Path) -> None:
    """Makes the names in a scenario's raw `data` paths inside a folder, in place.

    Raises `ValueError` for a name that leads out of the folder.
    """
    for key, values, name in _named(data, FILES | FOLDERS):
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(
                f"{key} = {name!r} leads out of the scenario's folder: put "
                f"it beside the scenario, or use --set {key}=PATH"
            )
        values[_last(key)] = str(path)


def identify(data: dict) -> None:
    """Makes the paths in a scenario's raw `data` absolute, and adds their SHA-256."""
    for key, values, name in _named(data, FILES):
        path = Path(name).absolute()
        if path.is_file():
            values |= {_last(key): str(path), _last(FILES[key]): sha256(path)}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: str, expected: str | None) -> None:
    """Raises `ValueError` if a file is not the one that the scenario was read with."""
    if expected is not None and sha256(Path(path)) != expected:
        raise ValueError(
            f"{path} has other content than the scenario says (sha256): restore it, or "
            "begin a new run"
        )


def _named(data: dict, keys: Iterable[str]) -> list[tuple[str, dict, str]]:
    """Those of the keys that are there, each with its section and the name it has."""
    found = []
    for key in keys:
        section = key.rpartition(".")[0]
        values = data.get(section) if section else data
        name = values.get(_last(key)) if isinstance(values, dict) else None
        if isinstance(name, str) and name not in SOURCES and "\0" not in name:
            found.append((key, values, name))
    return found


def _last(key: str) -> str:
    return key.rpartition(".")[2]
