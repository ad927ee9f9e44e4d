"""Cards of weights: a `NAME.json` beside each `NAME.npz` that says what it is.

Everywhere a name is expected, the path of an `.npz` file (with its card beside
it) serves as well, so freshly trained weights are used like shipped ones.
"""

import hashlib
import json
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"


def list_pretrained() -> dict[str, str]:
    """Names of the shipped files, each with the first line of its card."""
    return {
        path.stem: json.loads(path.read_text())["summary"]
        for path in sorted(WEIGHTS.glob("*.json"))
    }


def read_card(name: str) -> dict:
    """The card of `name`: what it is, how it was made, how good it is.

    Raises `ValueError` if there is no such card, or if it is damaged.
    """
    path = weights_path(name).with_suffix(".json")
    if not path.is_file():
        known = ", ".join(list_pretrained()) or "none"
        raise ValueError(f"no weights named '{name}' ({path} is missing): use {known}")
    try:
        card = json.loads(path.read_text())
        card["sha256"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ValueError(
            f"{path} is not a card of weights: install or train it again"
        ) from None
    return card


def write_card(name: str, card: dict) -> None:
    """Writes the card of `name`, with the SHA-256 of its weights."""
    path = weights_path(name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = json.dumps({**card, "sha256": digest}, indent=2)
    path.with_suffix(".json").write_text(text + "\n")


def update_card(name: str, **entries) -> None:
    """Adds entries to the card of `name`, such as a measured quality."""
    write_card(name, {**read_card(name), **entries})


def weights_path(name: str) -> Path:
    """The file of shipped weights, or the path that the name already is."""
    return Path(name) if name.endswith(".npz") else WEIGHTS / f"{name}.npz"
