"""The packages as one tree of links, which can be read without importing them."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREE = ROOT / "build" / "tree" / "link_sim"


def on_startup(**kwargs) -> None:
    """Called by mkdocs before it reads anything."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    for source in *ROOT.glob("link_sim/*"), ROOT / "models", ROOT / "receivers":
        (TREE / source.name).symlink_to(source)
