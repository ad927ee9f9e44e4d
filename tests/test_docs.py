"""The documentation names what there is, and its examples work."""

import re
from pathlib import Path

import pytest

from link_sim.experiments import semantic_receivers
from link_sim.metrics.rates import estimate
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
    *list_scenarios(), *catalog.list_receivers(), *semantic_receivers.DESCRIPTIONS,
    *list_pretrained(), *AXES,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_place(name):
    assert any(f"`{name}`" in page for page in PAGES.values())


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_scenarios_are_valid(example, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(example)
    assert load_scenario(str(path)).receivers


@pytest.mark.slow
def test_receiver_of_the_readme_works(monkeypatch):
    readme = (DOCS.parent / "README.md").read_text()
    code = re.search(r"start:receiver.*?```python\n(.*?)```", readme, re.S)[1]
    monkeypatch.setattr(catalog, "RESTORERS", dict(catalog.RESTORERS))
    made = {}
    exec(code, made)
    counts = made["link"].simulate(9.0, batch_index=0)
    plain, median = (estimate(counts[name], "psnr") for name in counts)
    assert median.low > plain.high
