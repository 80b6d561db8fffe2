"""Result tables as text and files: Markdown, CSV, LaTeX, HTML, JSON and Parquet.

For people (Markdown, LaTeX, HTML) numbers are rounded to their uncertainty; for programs they are whole.
"""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from bench.comparing.numbers import MISSING, number, with_interval, with_range
from bench.comparing.statistics import CONFIDENCE

if TYPE_CHECKING:
    from bench.comparing.summary import Summary

FORMATS = ("md", "csv", "latex", "html", "json", "parquet")

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
.bench-tables thead tr { border-top: 2px solid; border-bottom: 1px solid; }
.bench-tables tbody tr:last-child { border-bottom: 2px solid; }
.bench-tables ul { padding-left: 1.2em; font-size: 12px; max-width: 60em; }
</style>
{% for table in tables -%}
<table>
<caption>{{ table.caption }}</caption>
<thead><tr>{% for word in table.header %}<th scope="col">{{ word }}</th>{% endfor %}</tr></thead>
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
\caption{<< table.caption | tex >>.}
% shrunk only where it is wider than the line
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{l<< "r" * (table.header | length - 1) >>}
\toprule
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


# what Markdown would read as markup; an underscore within a word is none
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
        The first column names the row, the others hold numbers. A line break is one in LaTeX, where
        width is short, and a space elsewhere.
    rows : tuple of tuple of str
        Cells, as many a row as in the header.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Tables:
    """What is rendered: the same numbers for people and for programs.

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


def of_summary(summary: "Summary") -> Tables:
    """One table a metric."""
    texts = []
    for metric in summary.table["metric"].unique():
        rows = summary.table[summary.table["metric"] == metric]
        texts.append(_metric_table(str(metric), rows.to_dict("records"), summary))
    notes = summary.notes
    if summary.baseline is not None:
        notes += (
            f"Differences to {summary.baseline} are of interquartile means over shared seeds, resampled in "
            f"pairs; P(better) is the probability that a run is better than one of {summary.baseline}, over "
            "all pairs of runs; ties count half, a diverged run as worse than any other.",
        )
    return Tables(tuple(texts), summary.table, notes)


def _metric_table(metric: str, rows: list[dict[str, Any]], summary: "Summary") -> TextTable:
    selects = summary.rule.name != "last"
    baseline = summary.baseline
    header = ["group", "runs", "collapsed\n[exact]", "mean", _headed("IQM", rows, "iqm", "")]
    if selects:
        header += ["mean\nat the end", _headed("IQM at the end", rows, "last_iqm", "last_")]
    if baseline is not None:
        header.append(_headed(f"difference to\n{baseline}", rows, "difference", "difference_", " "))
        header.append(_headed(f"P(better than\n{baseline})", rows, "improvement", None, " "))
    lines = []
    for row in rows:
        runs = str(row["runs"]) + (f" + {row['diverged']} diverged" if row["diverged"] else "")
        rate = f"[{row['collapse_low']:.2f}, {row['collapse_high']:.2f}]"
        line = [row["group"], runs, f"{row['collapsed']} of {row['complete']} {rate}"]
        line += [_mean(row, "mean", "iqm", ""), spread(row, "iqm", "")]
        if selects:
            line += [_mean(row, "last_mean", "last_iqm", "last_"), spread(row, "last_iqm", "last_")]
        if baseline is not None:
            low, high = row["improvement_low"], row["improvement_high"]
            line.append(spread(row, "difference", "difference_", sign=True))
            line.append(with_interval(row["improvement"], low, high, places=2))
        lines.append(tuple(line))
    step = {"last": "last evaluation"}.get(summary.rule.name, f"step selected by {summary.rule.name}")
    return TextTable(f"{metric} ({rows[0]['better']} is better), {step}", tuple(header), tuple(lines))


def _headed(
    words: str, rows: list[dict[str, Any]], name: str, prefix: str | None, between: str = "\n"
) -> str:
    """A column's heading, with what stands beside its numbers: an interval, a range, or both."""
    kinds = []
    if any(pd.notna(row[f"{name}_low"]) for row in rows):
        kinds.append(f"[{CONFIDENCE:.0%} bootstrap]")
    if prefix is not None and any(_is_range(row, name, prefix) for row in rows):
        kinds.append("(range)")
    return words + (between + " or ".join(kinds) if kinds else "")


def _is_range(row: dict[str, Any], name: str, prefix: str) -> bool:
    return pd.isna(row[f"{name}_low"]) and pd.notna(row[f"{prefix}lowest"])


def _mean(row: dict[str, Any], mean: str, name: str, prefix: str) -> str:
    """The mean with as many decimals as the interquartile mean beside it."""
    text = spread(row, name, prefix).partition(" ")[0]
    beside = pd.notna(row[f"{name}_low"]) or pd.notna(row[f"{prefix}lowest"])
    return number(row[mean], len(text.partition(".")[2]) if beside else None)


def spread(row: Mapping[str, Any], name: str, prefix: str, sign: bool = False) -> str:
    """A number with its interval, or where runs are too few for one with their range.

    Parameters
    ----------
    row : mapping
        A row of :attr:`bench.comparing.summary.Summary.table`.
    name, prefix : str
        The column; what its range's columns ``lowest`` and ``highest`` begin with.
    sign : bool
        Whether a positive number has a sign.
    """
    if _is_range(dict(row), name, prefix):
        return with_range(row[name], row[f"{prefix}lowest"], row[f"{prefix}highest"], sign)
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], sign)


def render(tables: Tables, form: str) -> str | bytes:
    """Tables in one of :data:`FORMATS`.

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


def plain(tables: Tables) -> dict[str, Any]:
    """Rows and notes in plain values; None where there is no number."""
    rows = tables.frame.astype(object).where(tables.frame.notna(), None).to_dict("records")
    return {"rows": rows, "notes": list(tables.notes)}


def _markdown(texts: Sequence[TextTable], notes: Sequence[str]) -> str:
    parts = []
    for table in texts:
        lines = [list(map(_markdown_cell, line)) for line in (table.header, *table.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = [
            [
                cell.ljust(w) if i == 0 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ]
            for line in lines
        ]
        rule = ["-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
        drawn = "\n".join(f"| {' | '.join(line)} |" for line in (aligned[0], rule, *aligned[1:]))
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
    environment.filters |= {"tex": _tex, "stacked": _stacked}
    return environment.from_string(_LATEX).render(tables=tables.texts, notes=tables.notes)


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
