"""Docstrings as Markdown: named sections in bold, lines `name : …` as lists."""

import inspect
import re

import griffe

ENTRY = re.compile(r"(?P<names>[A-Za-z_]\w*(, [A-Za-z_]\w*)*)? ?: (?P<text>\S.*)")


class MarkdownDocstrings(griffe.Extension):
    """Rewrites each docstring before it is rendered."""

    def on_object(self, *, obj, **kwargs) -> None:
        """Called by griffe for each module, class and function."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """A docstring with underlined or indented sections and entries, as Markdown."""
    text = text.replace("] [", "] \\[")  # a shape and a unit, not a link
    text = re.sub(r"^([A-Z][\w ]*)\n-{3,}$", r"**\1**\n", text, flags=re.M)
    text = re.sub(r"^([A-Z][\w ]*):\n((?:    .*\n?|\n)+)", _section, text, flags=re.M)
    first, *rest = text.splitlines()
    lines, listing = [first], False
    for line in rest:
        entry = ENTRY.fullmatch(line)
        if listing and line.startswith(("Raises ", "Returns ")):
            lines.append("")
        elif entry:
            lines += [] if listing else [""]
            names = entry["names"]
            line = f"- {f'`{names}`: ' if names else ''}{entry['text']}"
        listing = bool(line) and (listing or bool(entry))
        lines.append(line)
    return re.sub(
        r"(?m)^(>>> (?:.*\n?)+?)(?=\n|\Z)", r"```python\n\1\n```", "\n".join(lines)
    )


def _section(match: re.Match) -> str:
    return f"**{match[1]}**\n\n{inspect.cleandoc(match[2])}\n\n"
