"""The notebooks as pages, with the outputs that they were last executed with."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.structure.files import File, Files

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
FENCE = "````"
"""Longer than any in a notebook."""


def on_files(files: Files, config, **kwargs) -> Files:
    """Called by mkdocs with the pages in its folder."""
    for path in NOTEBOOKS:
        page = f"notebooks/{path.stem}.md"
        files.append(File.generated(config, page, content=as_markdown(path)))
    return files


def as_markdown(path: Path) -> str:
    """A notebook as Markdown: its text, its code, and what that showed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _parts(cell))


def _parts(cell: dict) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", source)
        return
    yield f"{FENCE}python\n{source}\n{FENCE}"
    for output in cell["outputs"]:
        yield _shown(output.get("data", {"text/plain": output.get("text", "")}))


def _shown(data: dict) -> str:
    """The richest form of an output that a page can show; of progress, nothing."""
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{"".join(data["image/png"])}">'
    table = re.search(r"<thead>.*</tbody>", "".join(data.get("text/html", "")), re.S)
    if table:  # of pandas, in the looks of the page
        return re.sub(r"\n\s*", "", f"<table>{table[0]}</table>")
    text = "".join(data["text/plain"])
    return f"{FENCE}text\n{text}\n{FENCE}" if text.strip() else ""
