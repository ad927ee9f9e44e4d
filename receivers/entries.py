"""What a table of receiver blocks holds, and how its names are read.

An entry says the way to the code that builds a block; TensorFlow loads when the first
is built.
"""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any, NamedTuple

ARGUMENTS = "preset", "histograms"
"""Of what builds a block, for its weights in order."""


class Suffix(NamedTuple):
    """What N is in a name such as `ddpm-4`, and an argument of what builds the block.

    required : whether the name means nothing without it
    """

    argument: str
    meaning: str
    low: int
    high: int
    required: bool = False


class Entry(NamedTuple):
    """A block: what builds it, a line about it, and the number its name may end with.

    build : a function, or where one is, `module:name` below `link_sim.receivers`;
        `None` if nothing has to be built
    weights : that it loads, handed to what builds it as `ARGUMENTS`
    """

    build: Callable | str | None
    description: str
    suffix: Suffix | None = None
    weights: tuple[str, ...] = ()

    def make(
        self,
        *context,
        number: int | None = None,
        find: Callable[[str], str] = str,
    ) -> Any:
        """The block for a context, of the kind that its slot has.

        find : where weights are, by name
        """
        build = self.build
        if build is None:
            return None
        if isinstance(build, str):
            module, name = build.split(":")
            module = import_module(f"link_sim.receivers.{module}")
            build = attrgetter(name)(module)
        options = dict(zip(ARGUMENTS, map(find, self.weights), strict=False))
        if number is not None:
            options[self.suffix.argument] = number
        return build(*context, **options)


Table = Mapping[str, Entry]


def find_block(table: Table, name: str) -> tuple[Entry, int | None] | None:
    """Entry and number of a name, whatever the number; `None` if there is no entry."""
    if name in table and not (table[name].suffix and table[name].suffix.required):
        return table[name], None
    parts = re.fullmatch(r"(.*[^-])-(0|-?[1-9][0-9]{0,8})", name)
    if parts and parts[1] in table and table[parts[1]].suffix:
        return table[parts[1]], int(parts[2])
    return None


def parse_block(table: Table, name: str) -> tuple[Entry, int | None]:
    """The entry of a block's name, and N if it is one of `name-N`.

    Raises `ValueError` for a name or a number that the table does not have.
    """
    found = find_block(table, name)
    if found is None:
        raise ValueError(f"there is no '{name}': use one of {', '.join(table)}")
    entry, number = found
    suffix = entry.suffix
    if number is not None and not suffix.low <= number <= suffix.high:
        raise ValueError(
            f"the number in '{name}' is not {suffix.meaning} from {suffix.low} to "
            f"{suffix.high}: change it"
        )
    return entry, number


def build_block(table: Table, name: str, *context, find=str) -> Any:
    """The block of a name, for a context; see `parse_block` and `Entry.make`."""
    entry, number = parse_block(table, name)
    return entry.make(*context, number=number, find=find)
