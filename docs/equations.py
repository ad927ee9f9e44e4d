"""Equations as MathML, which browsers draw without a script or a network."""

import html
import re

from latex2mathml.converter import convert

EQUATION = re.compile(r'class="arithmatex">\\([(\[])(.*?)\\[)\]]<', re.S)


def on_page_content(content: str, **kwargs) -> str:
    """Called by mkdocs with a page, in which arithmatex has marked the LaTeX."""
    return EQUATION.sub(_as_mathml, content)


def _as_mathml(match: re.Match) -> str:
    display = "block" if match[1] == "[" else "inline"
    return f'class="equation">{convert(html.unescape(match[2]), display=display)}<'
