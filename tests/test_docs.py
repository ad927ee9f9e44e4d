"""The documentation names what there is, and its examples work."""

import importlib.util
import re
import shlex
import tomllib
from typing import get_args

import pandas as pd
import pytest
import typer
from documented import (
    COMMANDS,
    DOCS,
    EXAMPLES,
    GUIDES,
    PAGES,
    RUNS,
    checked_run,
    parsed,
)
from PIL import Image

from link_sim import cli
from link_sim.bench.table import BENCHES
from link_sim.metrics.rates import METRICS
from link_sim.models.cards import list_pretrained
from link_sim.receivers import catalog, names
from link_sim.recipes.table import RECIPES
from link_sim.scenarios.axes import AXES
from link_sim.scenarios.loading import list_scenarios, load_scenario
from link_sim.scenarios.radio import Channel

NAMES = [
    *list_scenarios(), *names.list_all_receivers(), *list_pretrained(), *AXES,
]  # fmt: skip
NOTEBOOKS = (DOCS.parent / "notebooks").glob("*.ipynb")
MADE = {DOCS / "notebooks" / f"{path.stem}.md" for path in NOTEBOOKS} | {
    DOCS / "results" / "scenarios" / f"{name}.md" for name in (*RUNS, "index")
}
"""Pages that are made when the documentation is built."""


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


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_kept_is_that_of_its_command(name, beside_mine):
    _, scenario = checked_run(parsed(shlex.split(RUNS[name]["command"])[1:]))
    rows = pd.read_csv(DOCS / "results" / "runs" / f"{name}.csv")
    about = tomllib.loads((DOCS / "results" / "runs" / "about.toml").read_text())[name]
    assert name.startswith(scenario.name)
    assert set(rows["receiver"]) == set(scenario.receivers)
    assert set(rows["point"]) == set(scenario.sweep.points)
    assert (DOCS / about["page"]).exists()
    assert {"bound", "classical", "published"} < about.keys()
    assert METRICS[about["metrics"][0]].plotted
    assert set(about["metrics"]) & set(rows["metric"])
    assert RUNS[name]["weights"].keys() <= list_pretrained().keys()


@pytest.mark.parametrize("name", RUNS)
def test_its_page_shows_its_tables(name):
    pytest.importorskip("mkdocs")
    from markdown import markdown

    gallery = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    pages = importlib.util.module_from_spec(gallery)
    gallery.loader.exec_module(pages)
    about = tomllib.loads((pages.RUNS / "about.toml").read_text())[name]
    page = pages.as_page(name, pages.load_rows(name), about, [])
    html = markdown(page, extensions=["tables"])
    assert html.count("<table>") > 0 and "---" not in html
    assert "<td><code>" in html


def test_the_table_over_level_and_bandwidth_holds_the_runs_that_are_kept():
    runs = DOCS / "results" / "runs"
    both = pd.read_csv(runs / "separation-both.csv").query("esno_db == 10")
    kept = pd.read_csv(runs / "separation-ratio.csv")
    kept = kept.rename(columns={"point": "bandwidth_ratio"})
    keys = ["receiver", "bandwidth_ratio", "metric"]
    both, kept = (t.set_index(keys)["value"].sort_index() for t in (both, kept))
    pd.testing.assert_series_equal(both, kept)


def test_energies_are_measured_for_every_channel_model():
    page = (DOCS / "how-to" / "channels.md").read_text()
    table = page[page.index("## What the axis means") :]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert named >= set(get_args(Channel.model_fields["model"].annotation))


def test_the_readme_is_a_page():
    assert len((DOCS.parent / "README.md").read_bytes()) <= 7000


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.name)
def test_links_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", GUIDES[page]):
        path = (page.parent / link).resolve()
        assert link.startswith("https://") or path.exists() or path in MADE, link


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.name)
def test_examples_import_link_sim_before_keras(page):
    """Then TensorFlow, which Keras loads, writes no log."""
    for code in re.findall(r"^```python\n(.*?)^```$", GUIDES[page], re.M | re.S):
        order = re.findall(r"^(?:import|from) (\w+)", code, re.M)
        others = [order.index(x) for x in ("keras", "tensorflow") if x in order]
        if "link_sim" in order and others:
            assert order.index("link_sim") < min(others)


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
