"""The page: content as one HTML5 document that loads nothing and runs nothing."""

import re
from functools import lru_cache

import jinja2
from markupsafe import Markup

from bench.comparing.numbers import MISSING
from bench.comparing.rendering import TextTable
from bench.reporting.content import Content
from bench.reporting.privacy import without_paths

_NUMBER = re.compile(r"[-+]?[\d.]")
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
_ARXIV = re.compile(r"arXiv (?:preprint )?(\d{4}\.\d{4,5})")


def render(content: Content) -> str:
    """Return a report as one HTML document without absolute paths of this machine."""
    return _environment().get_template("page.html.jinja").render(content=content)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.reporting", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        finalize=_private,
    )
    environment.filters["numeric"] = numeric_columns
    environment.filters["cell"] = _cell
    environment.filters["breakable"] = _breakable
    environment.filters["linked"] = _linked
    return environment


def _private(value: object) -> object:
    return without_paths(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def numeric_columns(table: TextTable) -> list[bool]:
    """Whether each column of a table holds numbers (and dashes) only, and so is aligned right."""
    columns = zip(*table.rows, strict=True)
    found = [
        all(cell == MISSING or _NUMBER.match(cell) for cell in column) and any(c != MISSING for c in column)
        for column in columns
    ]
    return found or [False] * len(table.header)


def _cell(text: str) -> str:
    """Return a cell with typographic dashes and minus signs."""
    return "\N{EN DASH}" if text == MISSING else _MINUS.sub("\N{MINUS SIGN}", text)


def _breakable(word: str) -> Markup:
    """Return a heading that may break at underscores."""
    return Markup(str(Markup.escape(without_paths(word))).replace("_", "_<wbr>"))


def _linked(source: str) -> Markup:
    """Return the source of a method, with a link to a paper on arXiv."""
    escaped = str(Markup.escape(without_paths(source)))
    return Markup(_ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">\g<0></a>', escaped))
