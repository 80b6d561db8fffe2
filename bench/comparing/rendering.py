"""Result tables as text and files: Markdown, CSV, LaTeX, HTML, JSON and Parquet.

For people (Markdown, LaTeX, HTML) numbers are rounded to their uncertainty; for programs they are whole.
"""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
import pandas as pd
from tabulate import tabulate

from bench.comparing.numbers import MISSING
from bench.system.json_values import Json

_HTML = """\
<div class="bench-tables">
<style>
.bench-tables { font-family: sans-serif; font-size: 14px; line-height: 1.4; }
.bench-tables table { border-collapse: collapse; margin: 0 0 1.5em; }
.bench-tables caption { text-align: left; padding-bottom: 0.4em; }
.bench-tables th, .bench-tables td { padding: 0.25em 0.9em 0.25em 0; text-align: right; white-space: nowrap; }
.bench-tables th:last-child, .bench-tables td:last-child { padding-right: 0; }
.bench-tables th:first-child, .bench-tables td:first-child { text-align: left; white-space: normal; }
.bench-tables td { font-variant-numeric: tabular-nums; font-weight: normal; }
.bench-tables th { white-space: normal; vertical-align: bottom; }
.bench-tables td:first-child { min-width: 6em; }
.bench-tables .labels th { text-align: center; white-space: nowrap; }
.bench-tables .labels th:not(:empty) { background: linear-gradient(currentColor, currentColor) no-repeat; }
.bench-tables .labels th:not(:empty) { background-size: calc(100% - 1.8em) 1px; }
.bench-tables .labels th:not(:empty) { background-position: 0.9em 100%; }
.bench-tables thead { border-top: 2px solid; border-bottom: 1px solid; }
.bench-tables h3 { font-size: 16px; margin: 1em 0 0.5em; }
.bench-tables tbody tr:last-child { border-bottom: 2px solid; }
.bench-tables ul { padding-left: 1.2em; font-size: 12px; max-width: 60em; }
</style>
{% for table in tables -%}
{% if table.section and (loop.first or table.section != loop.previtem.section) -%}
<h3>{{ table.section }}</h3>
{% endif -%}
<table>
<caption>{{ table.caption }}</caption>
<thead>{% if table.spans %}<tr class="labels">
{%- for label, count in table.spans %}<th scope="colgroup" colspan="{{ count }}">{{ label }}</th>{% endfor -%}
</tr>
{% endif %}<tr>{% for word in table.header %}<th scope="col">{{ word }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows -%}
<tr>{% for cell in row %}<td>{{ cell | minus }}</td>{% endfor %}</tr>
{% endfor -%}
</tbody>
</table>
{% endfor -%}
<ul>
{% for note in notes -%}
<li>{{ note }}</li>
{% endfor -%}
</ul>
</div>
"""

_LATEX = r"""% \usepackage{booktabs, graphicx}
<% for table in tables %>
\begin{table}[htbp]
\centering
\small
\setlength{\tabcolsep}{4pt}
\caption{<< table.whole_caption | tex >>.}
% shrunk only where it is wider than the line
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{l<< "r" * (table.header | length - 1) >>}
\toprule
<% if table.spans %>
<< table.spans | spanned >>
<% endif %>
<< table.header | map("stacked") | join(" & ") >> \\
\midrule
<% for row in table.rows %>
<< row | map("tex") | join(" & ") >> \\
<% endfor %>
\bottomrule
\end{tabular}}
\end{table}

<% endfor %>
{\footnotesize\raggedright
<% for note in notes %>
\noindent << note | tex >>\par
<% endfor %>
}
"""

_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {character: f"\\{character}" for character in "&%$#_"}


# characters that Markdown reads as markup; an underscore within a word is none
_MARKDOWN = re.compile(r"[\\*<`]|(?<!\w)_|_(?!\w)")
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")


@dataclass(frozen=True)
class TextTable:
    """One table for people.

    Attributes
    ----------
    caption : str
        One line, without a full stop.
    header : tuple of str
        The first column names the row, the others hold numbers. A line break becomes a space, except in
        LaTeX, where width is short.
    rows : tuple of tuple of str
        Cells, as many per row as in the header.
    section : str
        Name of the section that the table belongs to; empty where there is one section only.
    spans : tuple of (str, int)
        Labels above the header, from left to right, with the number of columns below each; none where the
        header has one line.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    section: str = ""
    spans: tuple[tuple[str, int], ...] = ()

    @property
    def whole_caption(self) -> str:
        """The caption after the name of the section."""
        return ": ".join(filter(None, (self.section, self.caption)))

    @property
    def flat_header(self) -> tuple[str, ...]:
        """The header in one line: the first column below each label has it in front of its own heading."""
        words = list(self.header)
        place = 0
        for label, count in self.spans:
            words[place] = ": ".join(filter(None, (label, words[place])))
            place += count
        return tuple(words)


@dataclass(frozen=True)
class Tables:
    """Results to render: the same numbers for people and for programs.

    Attributes
    ----------
    texts : tuple of TextTable
        For Markdown, LaTeX and HTML.
    frame : DataFrame
        For CSV, JSON and Parquet, not rounded.
    notes : tuple of str
        Sentences below the tables; CSV has no place for them.
    """

    texts: tuple[TextTable, ...]
    frame: pd.DataFrame
    notes: tuple[str, ...]


def render(tables: Tables, form: str) -> str | bytes:
    """Tables in one of :data:`bench.comparing.defaults.FORMATS`.

    Returns
    -------
    str or bytes
        Text that ends in a line break; bytes for ``parquet``. LaTeX needs the packages booktabs and
        graphicx; HTML is a fragment.
    """
    if form == "parquet":
        buffer = io.BytesIO()
        frame = tables.frame.copy()
        frame.attrs = {"notes": list(tables.notes)}
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if form == "csv":
        return str(tables.frame.to_csv(index=False, lineterminator="\n"))
    if form == "json":
        return json.dumps(plain(tables), indent=2) + "\n"
    if form == "html":
        environment = jinja2.Environment(autoescape=True, keep_trailing_newline=True)
        environment.filters["minus"] = lambda text: _MINUS.sub("\N{MINUS SIGN}", text)
        return environment.from_string(_HTML).render(tables=tables.texts, notes=tables.notes)
    return _latex(tables) if form == "latex" else _markdown(tables.texts, tables.notes)


def plain(tables: Tables) -> dict[str, Json]:
    """Rows and notes as JSON holds them; None where there is no number."""
    cells = tables.frame.astype(object).where(tables.frame.notna(), None)
    rows = [dict(zip(cells.columns, row, strict=True)) for row in cells.itertuples(index=False)]
    return {"rows": rows, "notes": list(tables.notes)}


def _markdown(texts: Sequence[TextTable], notes: Sequence[str]) -> str:
    parts, section = [], ""
    for table in texts:
        if table.section != section:
            section = table.section
            parts.append(f"## {_markdown_text(section)}")
        header, *rows = [list(map(_markdown_cell, line)) for line in (table.flat_header, *table.rows)]
        alignment = ["left", *["right"] * (len(header) - 1)]
        drawn = tabulate(rows, header, tablefmt="pipe", colalign=alignment, disable_numparse=True)
        parts.append(f"{_markdown_text(table.caption)}\n\n{drawn}")
    return "\n\n".join([*parts, "\n".join(f"- {_markdown_text(note)}" for note in notes)]) + "\n"


def _markdown_text(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _markdown_cell(text: str) -> str:
    return _markdown_text(text).replace("|", r"\|").replace("\n", " ")


def _latex(tables: Tables) -> str:
    environment = jinja2.Environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"tex": _tex, "stacked": _stacked, "spanned": _spanned}
    return environment.from_string(_LATEX).render(tables=tables.texts, notes=tables.notes)


def _spanned(spans: Sequence[tuple[str, int]]) -> str:
    """Return the line of labels above a header, with a rule below each."""
    cells, rules, place = [], [], 1
    for label, count in spans:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{_tex(label)}}}" if label else "&" * (count - 1))
        rules += [rf"\cmidrule(lr){{{place}-{place + count - 1}}}"] if label else []
        place += count
    return " & ".join(cells) + r" \\" + "\n" + " ".join(rules)


def _stacked(header: str) -> str:
    lines = [_tex(line) for line in header.split("\n")]
    return lines[0] if len(lines) == 1 else r"\shortstack[r]{" + r"\\".join(lines) + "}"


def _tex(text: str) -> str:
    # beyond Latin-1 pdflatex knows hardly a character
    known = text.encode("latin-1", "replace").decode("latin-1")
    escaped = "".join(_TEX.get(character, character) for character in known)
    if escaped.startswith("["):  # after a line's end it would be an argument
        escaped = f"{{}}{escaped}"
    return "--" if text == MISSING else _MINUS.sub("$-$", escaped)
