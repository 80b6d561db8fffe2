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

from bench.comparing.numbers import MISSING, decimals, number, with_interval, with_range
from bench.comparing.statistics import CONFIDENCE
from bench.comparing.summary import Estimate, GroupResult, Summary
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
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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


def of_summary(summary: Summary) -> Tables:
    """Return the tables of a summary, one per metric."""
    notes = summary.notes
    if summary.baseline is not None:
        notes += (
            f"Differences to {summary.baseline} are of interquartile means over shared seeds, resampled in "
            f"pairs; P(better) is the probability that a run is better than one of {summary.baseline}, over "
            "all pairs of runs; ties count half, a diverged run as worse than any other.",
        )
    texts = tuple(_metric_table(summary.of_metric(metric), summary) for metric in summary.metrics)
    return Tables(texts, summary.table, notes)


def _metric_table(results: list[GroupResult], summary: Summary) -> TextTable:
    selects = summary.rule.name != "last"
    baseline = summary.baseline
    header = ["group", "runs", "collapsed\n[exact]", "mean", _headed("IQM", [r.iqm for r in results])]
    if selects:
        header += ["mean\nat the end", _headed("IQM at the end", [r.last_iqm for r in results])]
    if baseline is not None:
        header.append(_headed(f"difference to\n{baseline}", [r.difference for r in results], " "))
        header.append(_headed(f"P(better than\n{baseline})", [r.improvement for r in results], " "))
    rows = []
    for result in results:
        runs = str(result.iqm.count) + (f" + {result.diverged} diverged" if result.diverged else "")
        low, high = result.collapse_interval
        cells = [result.group, runs, f"{result.collapsed} of {result.complete} [{low:.2f}, {high:.2f}]"]
        cells += [_mean(result.mean, result.iqm), spread(result.iqm)]
        if selects:
            cells += [_mean(result.last_mean, result.last_iqm), spread(result.last_iqm)]
        if baseline is not None:
            improvement = result.improvement or Estimate(0)
            cells.append(spread(result.difference or Estimate(0), sign=True))
            cells.append(with_interval(improvement.value, improvement.interval, places=2))
        rows.append(tuple(cells))
    first = results[0]
    step = {"last": "last evaluation"}.get(summary.rule.name, f"step selected by {summary.rule.name}")
    return TextTable(f"{first.metric} ({first.better} is better), {step}", tuple(header), tuple(rows))


def _headed(title: str, estimates: list[Estimate | None], between: str = "\n") -> str:
    """Heading of a column, with the kinds of uncertainty beside its numbers: intervals, ranges or both."""
    kinds = []
    if any(each and each.interval for each in estimates):
        kinds.append(f"[{CONFIDENCE:.0%} bootstrap]")
    if any(each and each.extent and not each.interval for each in estimates):
        kinds.append("(range)")
    return title + (between + " or ".join(kinds) if kinds else "")


def _mean(mean: float | None, beside: Estimate) -> str:
    """The mean with as many decimals as the interquartile mean beside it."""
    bounds = beside.interval or beside.extent
    places = None if beside.value is None or bounds is None else decimals(beside.value, bounds)
    return number(mean, places)


def spread(estimate: Estimate, sign: bool = False) -> str:
    """A number with its interval, or with the range of its runs where they are too few for an interval.

    Parameters
    ----------
    estimate : Estimate
        The number.
    sign : bool
        Whether a positive number has a sign.
    """
    if estimate.value is not None and estimate.extent is not None and estimate.interval is None:
        return with_range(estimate.value, estimate.extent, sign)
    return with_interval(estimate.value, estimate.interval, sign)


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
    parts = []
    for table in texts:
        header, *rows = [list(map(_markdown_cell, line)) for line in (table.header, *table.rows)]
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
