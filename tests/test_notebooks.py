"""The notebooks are stories: executed without a warning, small, and free of classes.

`make notebooks`, which CI runs before the tests, executes them where they are.
"""

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CLASS_LINES = {
    "05_own_receiver": 20,
    "06_train_an_estimator": 25,
    "08_train_a_detector": 20,
}
"""How long a class may be; elsewhere there is none."""


def cells(path):
    found = json.loads(path.read_text())["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_they_are_numbered():
    numbers = [f"{i:02}_" for i in range(1, len(NOTEBOOKS) + 1)]
    assert [path.stem[:3] for path in NOTEBOOKS] == numbers


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_executed_in_order_without_a_warning(path):
    assert [cell["execution_count"] for cell in cells(path)] == list(
        range(1, len(cells(path)) + 1)
    )
    outputs = [output for cell in cells(path) for output in cell["outputs"]]
    kinds = {output.get("name", output["output_type"]) for output in outputs}
    assert not kinds & {"error", "stderr"}
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_small_and_tells_nothing_of_the_machine(path):
    assert path.stat().st_size < 600_000
    text = re.sub(r'"image/png": ".*?"', "", path.read_text())
    assert not re.search(r"/(home|root|tmp|usr|work)/", text)
    assert "iopub" not in text  # times of execution


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_a_page_of_the_documentation(path):
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs/notebooks.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    page = pages.as_markdown(path)
    shown = [
        output.get("data", {}) for cell in cells(path) for output in cell["outputs"]
    ]
    assert page.count("````python\n") == len(cells(path))
    assert page.count("<img ") == sum("image/png" in data for data in shown)
    assert page.count("<table>") == sum(
        "<tbody>" in "".join(data.get("text/html", "")) for data in shown
    )
    assert ".ipynb)" not in page
    assert f"- notebooks/{path.stem}.md\n" in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_classes_are_in_the_packages(path):
    code = "\n".join("".join(cell["source"]) for cell in cells(path))
    lines = [
        node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ClassDef)
    ]
    allowed = CLASS_LINES.get(path.stem, 0)
    assert bool(lines) == bool(allowed)
    assert sum(lines) <= allowed
