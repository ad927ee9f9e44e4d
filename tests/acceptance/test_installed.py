"""The program as its wheel installs it, among packages that want to hide it."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOURCES = "pyproject.toml", "README.md", "LICENSE", "link_sim", "models", "receivers"
LARGEST = 100e6
"""Bytes of a wheel: what package indexes take unasked."""
PIP = sys.executable, "-m", "pip", "--disable-pip-version-check"


def done(*command, **options):
    """What a command that must succeed writes to standard output."""
    result = subprocess.run(command, capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of nothing but the sources, without what an earlier build left."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    options = "--no-deps", "--no-build-isolation", "--wheel-dir", str(out)
    done(*PIP, "wheel", *options, str(source))
    return next(out.glob("link_sim-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The executables of a fresh environment that shares what the wheel depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    # paths in such a file are added as they are: no editable install comes with them
    shared = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "shared.pth").write_text("\n".join(shared))
    install = "--python", str(python), "install", "--no-deps", "--no-index"
    done(*PIP, *install, str(wheel))
    return folder / "bin"


@pytest.fixture
def hostile(tmp_path):
    """A working directory, first on the path, whose packages fail to import."""
    for name in "models", "receivers":
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('hostile')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    return {"cwd": tmp_path, "env": environment}


def test_the_wheel_holds_what_the_program_needs_and_is_small(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    weights = {f"link_sim/models/weights/{p.name}" for p in weight_files()}
    scenarios = (ROOT / "link_sim" / "scenarios").glob("*.toml")
    scenarios = {f"link_sim/scenarios/{path.name}" for path in scenarios}
    assert weights and scenarios and weights | scenarios < names
    assert {"link_sim/show/report.html", "link_sim/py.typed"} < names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"link_sim"}
    stated = (ROOT / "docs" / "install.md").read_text()
    megabytes = float(re.search(r"wheel of link-sim has about (\d+) MB", stated)[1])
    size = wheel.stat().st_size
    assert size < LARGEST and abs(size / 1e6 - megabytes) < 0.25 * megabytes


def test_the_space_that_is_stated_is_what_it_takes(wheel):
    found = sum(sizes("link-sim", {}).values()) + wheel.stat().st_size
    for page in "README.md", "docs/install.md":
        stated = float(re.search(r"about ([\d.]+) GB", (ROOT / page).read_text())[1])
        assert abs(found / 1e9 - stated) < 0.15 * stated, page


def sizes(name, found, extras=()):
    """Bytes of a distribution and of all that it needs, as they are installed."""
    if name.lower() not in found:
        known = metadata.distribution(name)
        files = (Path(file.locate()) for file in known.files or ())
        found[name.lower()] = sum(f.stat().st_size for f in files if f.is_file())
        for need in map(Requirement, known.requires or ()):
            chosen = ({"extra": extra} for extra in ("", *extras))
            if not need.marker or any(map(need.marker.evaluate, chosen)):
                sizes(need.name, found, need.extras)
    return found


def weight_files():
    return [*ROOT.glob("models/weights/*.npz"), *ROOT.glob("models/weights/*.json")]


def test_every_module_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in "link_sim", "models", "receivers":
        for path in (ROOT / folder).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            name = name if folder == "link_sim" else f"link_sim/{name}"
            assert name in names, "add its package to pyproject.toml"


def test_it_runs_beside_packages_of_the_same_names(installed, hostile):
    command = str(installed / "link-sim"), "run", "smoke", "--set", "stop.max_batches=1"
    assert "Results: results/smoke" in done(*command, **hostile)
    lines = (hostile["cwd"] / "results" / "smoke" / "counts.jsonl").read_text()
    assert lines.count("\n") == 2


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_it_runs_under_each_python_that_is_installed(version, wheel, tmp_path):
    own = version == f"{sys.version_info.major}.{sys.version_info.minor}"
    python = sys.executable if own else shutil.which(f"python{version}")
    needs = python and [python, "-c", "import sionna.phy, tensorflow, filelock"]
    if not needs or subprocess.run(needs, capture_output=True).returncode:
        pytest.skip(f"there is no python{version} with Sionna and TensorFlow")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    run = python, "-m", "link_sim", "run", "smoke", "--set", "stop.max_batches=1"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    assert "Results: results/smoke" in done(*run, cwd=tmp_path, env=environment)
    made = (tmp_path / "results" / "smoke" / "versions.json").read_text()
    assert f'"python": "{version}.' in made


def test_importing_it_loads_no_framework(installed, hostile):
    code = (
        "import sys, link_sim; print(link_sim.__file__, link_sim.__version__, "
        "*sys.modules.keys() & {'tensorflow', 'keras', 'sionna'})"
    )
    file, version, *loaded = done(installed / "python", "-c", code, **hostile).split()
    assert Path(file).is_relative_to(installed.parent) and version
    assert not loaded
