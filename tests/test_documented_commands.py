"""Every `link-sim` command of README and documentation, executed by its letter.

Runs are shortened by settings to a batch of two frames at one point and to two or
three of the receivers. Trainings and benches, which have tests of their own, have
stand-ins: shipped weights stand for trained ones. What makes files comes before what
needs them.
"""

import glob
import importlib.util
import inspect
import os
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from documented import COMMANDS, EXAMPLES, checked_run, parsed
from PIL import Image
from typer.testing import CliRunner

import link_sim
from link_sim import cli
from link_sim.bench.table import Bench
from link_sim.cli import terminal
from link_sim.experiments import csi
from link_sim.metrics import lpips_weights
from link_sim.models.cards import list_pretrained
from link_sim.receivers import PixelBayes, catalog
from link_sim.recipes.table import RECIPES, Recipe
from link_sim.world import ensembles

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("eager")]

ORDER = (
    "lpips channels generate train run merge show list bench hardware --version "
    "--install-completion"
)
NAMED = {("merge",), ("lpips", "convert"), ("show",), ("train",), ("generate",)}
"""Commands that a text names without what they need."""
PLACES = {"DIR": "results/smoke", "RECEIVER": "ls", "FILE": "measured.npz"}
"""Of what stands for a user's own."""
RNG = np.random.default_rng(0)


def distinct():
    """The commands, each once, makers of files first."""
    found = {tuple(arguments) for _, arguments in COMMANDS} - NAMED
    found = {c for c in found if c[0] != "trace"}  # in `test_site_channels`
    order = ORDER.split()
    return sorted(found, key=lambda command: (order.index(command[0]), command))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the pages say is a user's own."""
    own = tmp_path_factory.mktemp("documented")
    (own / "FOLDER").mkdir()
    for name in "abc":
        picture = RNG.integers(0, 256, (48, 40, 3), np.uint8)
        Image.fromarray(picture).save(own / "FOLDER" / f"{name}.png")
    (own / "mine.toml").write_text(EXAMPLES[0])
    for name in "published", "network":
        (own / f"{name}.csv").write_text("point,value,metric\n0,20,psnr\n")
    a = RNG.standard_normal((40, 8, 2, 5, 1, 2)) @ [1, 1j]
    link_sim.save_channels(own / "measured.npz", a, RNG.uniform(0, 3e-7, (40, 5)))
    write_lpips(own)
    return own


def write_lpips(own: Path):
    """Random weights in the published files of LPIPS."""
    path = Path(__file__).parent / "link_sim/metrics/test_lpips_weights.py"
    spec = importlib.util.spec_from_file_location("lpips_files", path)
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    linear, features = files.published()
    (own / "alexnet-owt-7be5be79.pth").write_bytes(files.archive(features))
    with zipfile.ZipFile(own / "lpips-0.1.4-py3-none-any.whl", "w") as wheel:
        wheel.writestr(lpips_weights.IN_PACKAGE, files.before_archives(linear))


@pytest.fixture
def ready(monkeypatch, folder):
    """In that folder, with the receiver of CONTRIBUTING and the stand-ins."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))  # completion is written there
    monkeypatch.setitem(catalog.RESTORERS, "median", catalog.Entry(PixelBayes, ""))
    monkeypatch.setattr(terminal, "load_tensorflow", lambda console: None)
    monkeypatch.setattr(Bench, "open", lambda bench: lambda: [{"name": "one", "ms": 1}])
    monkeypatch.setattr(Recipe, "open", stand_in)
    monkeypatch.setattr(csi, "TRAINING_CHANNELS", 50)  # of the covariance of lmmse
    monkeypatch.setattr(ensembles, "CHUNK", 5)
    monkeypatch.setattr(ensembles, "cdl_scale", lambda profile: 1.0)


def stand_in(recipe: Recipe):
    """Takes what the recipe takes, and leaves shipped weights in the folder."""
    (name,) = (name for name, other in RECIPES.items() if other is recipe)
    module, _, function = recipe.function.partition(":")
    module = importlib.import_module(f"link_sim.recipes.{module}")
    real = inspect.signature(getattr(module, function))

    def train(folder, **numbers):
        real.bind(folder, **recipe.settings | numbers)
        folder.mkdir(parents=True, exist_ok=True)
        if name in list_pretrained():
            weights = Path(link_sim.__file__).parents[1] / "models" / "weights"
            for file in weights.glob(f"{name}.*"):
                shutil.copy(file, folder)
        if numbers.get("channels"):
            shutil.copy(numbers["channels"], folder / "held-out.npz")

    given = [
        p.replace(default=recipe.settings.get(p.name, p.default))
        for p in real.parameters.values()
    ]
    train.__signature__ = real.replace(parameters=given)
    return train


def shortened(command):
    """Arguments of a command that takes long, in settings that do not."""
    arguments = [PLACES.get(word, word) for word in command]
    if arguments[0] == "merge":
        paths = [glob.glob(word) or [word] for word in arguments]
        return [*sum(paths, []), "--out", "results/merged"]
    if arguments[0] == "generate":
        return [*arguments, "--number", "4"]
    if arguments[0] != "run":
        return arguments
    options = parsed(arguments)
    where, scenario = checked_run(options)
    if "--executor" in arguments:  # others have tests of their own
        place = arguments.index("--executor")
        del arguments[place : place + 2]
    batches = options["shard"].partition("/")[2]
    short = [f"stop.max_batches={batches}", "batch_size=2"]
    short.append(f"sweep.points=[{scenario.sweep.points[0]}]")
    few = list(scenario.receivers[:2])
    if any(word.startswith("weights=") for word in arguments):
        few.append(scenario.receivers[-1])
    arguments += [word for setting in short for word in ("--set", setting)]
    names = ",".join(dict.fromkeys(few))
    return [*arguments, "--receivers", names, "--out", str(where)]


@pytest.mark.parametrize("command", distinct(), ids=shlex.join)
def test_it_runs(command, ready):
    text = shlex.join(command)
    if "cifar10" in text and not os.environ.get("LINK_SIM_DATA"):
        pytest.skip("needs CIFAR-10, in a folder that LINK_SIM_DATA names")
    result = CliRunner().invoke(cli.app, shortened(command))
    assert result.exit_code == 0, result.output[-2000:]


def test_no_command_is_left_out():
    assert len(distinct()) > 90
