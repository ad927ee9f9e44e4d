"""The documentation names what there is, and its examples work."""

import importlib
import re
from pathlib import Path

import pytest

from link_sim.models.pretrained import list_pretrained
from link_sim.receivers import catalog
from link_sim.scenarios.axes import AXES
from link_sim.scenarios.loading import list_scenarios, load_scenario

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path: path.read_text() for path in sorted(DOCS.rglob("*.md"))}
EXAMPLES = [
    x for page in PAGES.values() for x in re.findall(r"```toml\n(.*?)```", page, re.S)
]
NAMES = [
    *list_scenarios(), *catalog.list_all_receivers(), *list_pretrained(), *AXES,
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


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_scenarios_are_valid(example, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(example)
    assert load_scenario(str(path)).receivers


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
