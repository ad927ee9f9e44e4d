"""The software and the weight files that made the counts of a results folder."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from link_sim.engine.count_lines import ResultsError
from link_sim.engine.pins import weights_used
from link_sim.scenarios.base import Scenario

PACKAGES = ("link-sim", "sionna-no-rt", "sionna", "tensorflow", "keras", "numpy")


class _Versions(TypedDict, total=False):
    """An entry of versions.json."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    python: str
    packages: dict[str, str]
    commit: str | None
    weights: dict[str, str]


ENTRIES = TypeAdapter(list[_Versions])


def load(folder: Path) -> list[dict]:
    """The versions that wrote to a folder, oldest first; none where none are known."""
    path = folder / "versions.json"
    if not path.is_file():
        return []
    try:
        return [dict(entry) for entry in ENTRIES.validate_json(path.read_bytes())]
    except ValueError:
        raise ResultsError(
            f"{path} is damaged: delete it, the versions of today are written anew"
        ) from None


def join(
    known: list[dict],
    more: list[dict],
    folder: Path,
    remedy: str = "install those again, or choose another folder with --out",
) -> list[dict]:
    """Versions with those of more batches.

    Raises `ResultsError`, with the remedy, unless all have the same weights.
    """
    joined = known + [each for each in more if each not in known]
    weights: dict[str, str] = {}
    for versions in joined:
        for name, sha256 in versions.get("weights", {}).items():
            if weights.setdefault(name, sha256) != sha256:
                raise ResultsError(
                    f"{folder} was made with other weights of the name {name} (sha256 "
                    f"in versions.json): {remedy}"
                )
    return joined


def of_today(scenario: Scenario) -> dict:
    """The versions of Python, packages and source tree, and the weights of a run."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": packages,
        "commit": _commit(),
        "weights": weights_used(scenario),
    }


def _commit() -> str | None:
    """The git commit of this source tree, if it is one."""
    source = Path(__file__).parents[2]
    if not (source / ".git").exists():  # installed, maybe in another repository
        return None
    command = "git", "-C", source, "describe", "--always", "--dirty", "--abbrev=40"
    try:
        return subprocess.check_output(
            command, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None
