"""Names of receivers: which there are, and what they are made of.

A name joins blocks with `+`, one of each slot of its kind of experiment.
"""

from collections.abc import Iterable, Mapping

from link_sim.receivers.catalog import ESTIMATORS, KINDS, OPTIONAL, SLOTS
from link_sim.receivers.entries import Table, find_block, parse_block


def list_receivers(slots: Mapping[str, Table] = SLOTS) -> dict[str, str]:
    """The blocks of slots by name, each with one line; join them with `+`."""
    return {
        name: f"{slot}: {entry.description}"
        for slot, table in slots.items()
        for name, entry in table.items()
    }


def list_all_receivers() -> dict[str, str]:
    """The blocks of all kinds of experiments by name, each with one line."""
    found: dict[str, str] = {}
    for kind, slots in KINDS.items():
        for name, line in list_receivers(slots).items():
            found.setdefault(name, line if kind == "link" else f"{kind}, {line}")
    return found


def check_receivers(kind: str, names: Iterable[str]) -> None:
    """Raises `ValueError` for a name that a kind of experiment does not know."""
    slots = KINDS.get(kind)
    for name in names if slots else ():
        if slots is SLOTS:
            parse_receiver(name)
            continue
        parts = name.split("+")
        needed = [slot for slot in slots if slot not in OPTIONAL]
        used = slots if len(parts) == len(slots) else needed
        if len(parts) != len(used):
            raise ValueError(
                f"the receiver '{name}' is not known: join one "
                + " and one ".join(needed)
                + f" by + of {', '.join(list_receivers(slots))}"
            )
        for part, table in zip(parts, (slots[slot] for slot in used), strict=True):
            parse_block(table, part)


def parse_receiver(name: str) -> tuple[str, ...]:
    """The names of estimator, detector, decoder, restorer and loop in a name.

    Raises `ValueError` for a name that is no chain of known blocks.
    """
    chosen = dict(detector="linear", decoder="bp", restorer="none", loop="once")
    taken = set()
    for part in name.split("+"):
        slots = [slot for slot, table in SLOTS.items() if find_block(table, part)]
        if not slots or slots[0] in taken:
            what = "repeats a kind of block" if slots else f"has no block '{part}'"
            raise ValueError(
                f"the receiver '{name}' {what}: join one estimator and at most one "
                "detector, decoder, restorer and loop of " + ", ".join(list_receivers())
            )
        parse_block(SLOTS[slots[0]], part)
        taken.add(slots[0])
        chosen[slots[0]] = part
    if "estimator" not in taken:
        raise ValueError(
            f"the receiver '{name}' has no channel estimator: begin it with one of "
            f"{', '.join(ESTIMATORS)}, such as '{next(iter(ESTIMATORS))}+{name}'"
        )
    return tuple(chosen[slot] for slot in SLOTS)


def list_weights(kind: str, names: Iterable[str]) -> set[str]:
    """The weights that receivers of a kind of experiment load, by their names."""
    tables = KINDS.get(kind, {}).values()
    found: set[str] = set()
    for part in (part for name in names for part in name.split("+")):
        for entry in (find_block(table, part) for table in tables):
            found |= set(entry[0].weights if entry else ())
    return found
