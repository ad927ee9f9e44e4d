"""The documentation names what there is, and its examples work."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from PIL import Image

from link_sim import cli
from link_sim.bench.table import BENCHES
from link_sim.cli import simulating
from link_sim.engine.executors import open_executor
from link_sim.engine.shards import Shard
from link_sim.models.cards import list_pretrained
from link_sim.receivers import catalog, names
from link_sim.recipes.table import RECIPES
from link_sim.scenarios.axes import AXES
from link_sim.scenarios.loading import list_scenarios, load_scenario

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path: path.read_text() for path in sorted(DOCS.rglob("*.md"))}
GUIDES = {DOCS.parent / name: (DOCS.parent / name).read_text() for name in (
    "README.md", "CONTRIBUTING.md",
)} | PAGES  # fmt: skip
VALUES = {"SLURM_ARRAY_TASK_ID": "8", "kind": "ae", "address": "192.0.2.1:8786"}
"""Of the variables in commands."""
EXAMPLES = [
    x for page in PAGES.values() for x in re.findall(r"```toml\n(.*?)```", page, re.S)
]
NAMES = [
    *list_scenarios(), *names.list_all_receivers(), *list_pretrained(), *AXES,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_place(name):
    assert any(f"`{name}`" in page for page in PAGES.values())


@pytest.mark.parametrize(
    "package", ["link_sim", "link_sim.receivers", "link_sim.models"]
)
def test_every_public_name_is_in_the_reference(package):
    shown = {x for page in PAGES.values() for x in re.findall(r"^::: (.*)", page, re.M)}
    module = importlib.import_module(package)
    for name in set(module.__all__) - {"__version__"}:
        assert getattr(module, name).__module__ in shown, name


def test_the_reference_shows_modules_that_exist_and_each_once():
    shown = [x for page in PAGES.values() for x in re.findall(r"^::: (.*)", page, re.M)]
    assert len(set(shown)) == len(shown)
    assert all(importlib.util.find_spec(name) for name in shown)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_scenarios_are_valid(example, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(example)
    assert load_scenario(str(path)).receivers


def commands(text):
    """Arguments of the `link-sim` commands in code of a page, a list each."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    lines = "\n".join([*blocks, *re.findall(r"^ {4}(.*)", plain, re.M)])
    found = re.findall(r"(?:^|; do |uvx --from \. )link-sim (.*)", lines, re.M)
    found += re.findall(
        r"`link-sim ([^`]+)`", re.sub(r"^ {4}.*", "", plain, flags=re.M)
    )
    return [shlex.split(shell(line), comments=True) for line in found]


def shell(line):
    """A line with a value for each of its variables, up to the end of the command."""
    line = re.sub(r"\$(\w+)", lambda name: VALUES[name[1]], line)
    return line.partition(";")[0]


def parsed(arguments, given=True):
    """What the command line makes of a command's arguments; nothing is run."""
    commands = typer.main.get_command(cli.app).commands
    assert arguments[0] in commands
    context = commands[arguments[0]].make_context(
        arguments[0], arguments[1:], resilient_parsing=not given
    )
    return context.params


def checked_run(options):
    """The folder and the scenario of a `run`; raises what the command would."""
    overrides = list(options["settings"])
    if options["receivers"]:
        overrides.append(f"receivers={json.dumps(options['receivers'].split(','))}")
    scenario = load_scenario(options["scenario"], overrides)
    names.check_receivers(scenario.kind, scenario.receivers)
    shard = Shard.parse(options["shard"])
    shard.stop(scenario.stop)
    open_executor(options["executor"])
    default = simulating.default_folder(options["scenario"], scenario, shard)
    return options["out"] or default, scenario


COMMANDS = [
    (str(path.relative_to(DOCS.parent)), arguments)
    for path, text in GUIDES.items()
    for arguments in commands(text)
]


def test_commands_are_found():
    assert len(COMMANDS) > 50
    assert {arguments[0] for _, arguments in COMMANDS} >= {
        "list", "run", "merge", "show", "train", "bench", "--version",
    }  # fmt: skip


@pytest.fixture
def beside_mine(monkeypatch, tmp_path):
    """A scenario and an image of one's own, and the receiver of CONTRIBUTING."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "FOLDER" / "image.png")
    (tmp_path / "mine.toml").write_text(EXAMPLES[0])
    monkeypatch.setitem(catalog.RESTORERS, "median", catalog.Entry(None, ""))


@pytest.mark.parametrize(("page", "arguments"), COMMANDS)
def test_every_command_is_one(page, arguments, beside_mine):
    if arguments[0].startswith("-"):
        group = typer.main.get_command(cli.app)
        known = {name for option in group.params for name in option.opts}
        assert arguments[0] in known
        return
    options = parsed(arguments, given=len(arguments) > 1)
    if arguments[0] == "run":
        checked_run(options)
    if arguments[0] == "train" and options["weights"]:
        assert options["weights"] in RECIPES
    if arguments[0] == "bench":
        assert options["name"] in {*BENCHES, "all"}


def test_no_two_commands_share_a_folder(beside_mine):
    """A folder is of one scenario, whatever its receivers, points and stop rules."""
    kept = {}
    for page, arguments in COMMANDS:
        if arguments[0] != "run" or "mine.toml" in arguments:
            continue
        folder, scenario = checked_run(parsed(arguments))
        free = {"sweep": scenario.sweep.model_copy(update={"points": ()})}
        free |= {"stop": None, "receivers": ()}
        scenario = scenario.model_copy(update=free)
        assert kept.setdefault(folder, scenario) == scenario, (page, folder)


def test_the_readme_is_a_page():
    assert len((DOCS.parent / "README.md").read_bytes()) <= 7000


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.name)
def test_links_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", GUIDES[page]):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.slow
def test_receiver_of_the_readme_works(monkeypatch):
    readme = (DOCS.parent / "README.md").read_text()
    code = re.search(r"start:receiver.*?```python\n(.*?)```", readme, re.S)[1]
    monkeypatch.setitem(catalog.RESTORERS, "median", None)  # taken away afterwards
    made = {}
    exec(code, made)
    plain, median = "perfect-csi", "perfect-csi+median"
    table = made["compared"].frame().query("metric == 'psnr' and point == 9")
    table = table.set_index("receiver")
    assert table.loc[median, "low"] > table.loc[plain, "high"]
