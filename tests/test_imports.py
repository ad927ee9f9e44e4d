"""The house: imports run one way between its rooms, and never in a circle."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"models", "scenarios", "mistakes"},
    {"receivers", "metrics"},
    {"world"},
    {"experiments", "recipes"},
    {"engine", "bench"},
    {"show"},
    {"cli"},
    {"__main__"},
]
"""From the ground up: a module imports from its own floor and those below it."""
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
FOREIGN = {
    "models": {"tensorflow", "sionna", "torch", "jax"},
    "scenarios": {"tensorflow", "sionna", "keras"},
    "cli": {"tensorflow", "sionna", "keras"},
}
"""What these rooms never import; `cli` only inside `load_tensorflow`."""


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "link_sim" else ["link_sim", *parts])


FILES = {
    module_name(path): path
    for folder in ("link_sim", "models", "receivers")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it, as they are written."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import: name the module"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(names: set[str]) -> set[str]:
    """Those that are modules of ours, packages without code left out."""
    found = set()
    for name in names:
        while name and name not in FILES:
            name = name.rpartition(".")[0]
        if name and FILES[name].name != "__init__.py":
            found.add(name)
    return found


EDGES = {name: own(imported(path)) - {name} for name, path in FILES.items()}


def rooms(names: set[str]) -> set[str]:
    """Rooms that imports lead to, by a module or by what a package exports."""
    found = {name.split(".")[1] for name in names if name.startswith("link_sim.")}
    return found - {"__version__"}


ROOMS = {name: rooms(imported(path)) for name, path in FILES.items()}


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", [name for name in FILES if room(name)])
def test_every_module_has_a_room_and_imports_nothing_above_it(name):
    assert room(name) in FLOOR, f"{name} is in no room: see the layout in CONTRIBUTING"
    unknown = ROOMS[name] - FLOOR.keys()
    assert not unknown, f"{name} imports from the public face: name the module"
    upwards = [n for n in ROOMS[name] if FLOOR[n] > FLOOR[room(name)]]
    assert not upwards, f"{name} imports what stands above it"
    if room(name) == "models":
        assert ROOMS[name] <= {"models"}, f"{name} knows more than models"


def test_there_is_no_circle():
    left = dict(EDGES)
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left, "these import each other"


@pytest.mark.parametrize("where", FOREIGN)
def test_rooms_that_stay_light(where):
    for name, path in FILES.items():
        if room(name) == where:
            packages = {n.split(".")[0] for n in imported(path)}
            allowed = {"tensorflow"} if where == "cli" else set()
            assert not packages & FOREIGN[where] - allowed, name


def test_every_package_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = settings["tool"]["setuptools"]["packages"]
    found = {name.rpartition(".")[0] or name for name in FILES if name != "link_sim"}
    found = {name for name in found if "__pycache__" not in name}
    assert sorted(listed) == sorted(found)
