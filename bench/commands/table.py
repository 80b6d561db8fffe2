"""``bench table``: tables of results, with intervals or beside published results."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import OutFile, comparison, selection
from bench.commands.output import Report, reporting
from bench.comparing.defaults import FOR_PEOPLE, FORMATS

if TYPE_CHECKING:
    from bench.comparing.rendering import Tables


@click.command("table")
@selection
@comparison
@click.option(
    "--wide",
    is_flag=True,
    help="One table with a line per group: data sets and metrics side by side (md, latex, html).",
)
@click.option("--paper", metavar="NAME", help="Compare with a published table instead: table3.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="md",
    show_default=True,
    help="csv, json and parquet have unrounded numbers.",
)
@click.option("--out", type=OutFile(), help="Output file [default: standard output].")
@reporting
def command(
    form: str,
    out: Path | None,
    wide: bool,
    paper: str | None,
    select: str | None,
    metrics: tuple[str, ...],
    baseline: str | None,
    **runs: str | None,
) -> Report:
    """Summarise runs over their seeds in a table.

    Each group of runs that differ only in their seed has a line. Each data set has a section, in the order of
    --dataset. On one data set runs are compared only if their protocol is the same, and of a training scalar
    the knobs that its scale depends on. Otherwise the command fails and names the options that select
    comparable runs.
    """
    from bench.comparing.rendering import plain, render
    from bench.system.atomic_files import write_bytes
    from bench.system.errors import RequestError, shown

    if form == "parquet" and out is None:
        raise RequestError("--format parquet is binary: it needs --out FILE")
    if wide and form not in FOR_PEOPLE:
        raise RequestError(
            f"--wide is a layout of {', '.join(FOR_PEOPLE)}: --format {form} has one row per group, metric "
            "and data set"
        )
    if out is not None and not out.parent.is_dir():
        raise RequestError(f"--out {shown(str(out))}: there is no folder {shown(str(out.parent))}")
    if paper is None:
        tables = _summary(wide, select, metrics, baseline, **runs)
    else:
        if wide:
            raise RequestError("--wide has no meaning with --paper, which has one layout")
        tables = _beside(paper, select, metrics, baseline, **runs)
    rendered = render(tables, form)
    data = plain(tables) | {"out": None if out is None else str(out)}
    if out is None:
        assert isinstance(rendered, str)
        if form == "csv" and not click.get_current_context().ensure_object(dict).get("json"):
            for note in tables.notes:
                click.echo(note, err=True)
        return Report(data, rendered.rstrip("\n"))
    write_bytes(out, rendered if isinstance(rendered, bytes) else rendered.encode())
    return Report(data, f"wrote {out}")


def _summary(
    wide: bool, select: str | None, metrics: tuple[str, ...], baseline: str | None, **runs: str | None
) -> "Tables":
    from bench.comparing import result_tables
    from bench.comparing.frame import results
    from bench.comparing.sections import by_data, summarise_by_data

    selected = results(select=select or "last", **runs)
    last = selected if select in (None, "last") else results(select="last", **runs)
    order = [name.strip() for name in (runs["dataset"] or "").split(",")]
    sections = summarise_by_data(by_data(selected, last, order), metrics, baseline)
    return result_tables.wide(sections) if wide else result_tables.of_sections(sections)


def _beside(
    paper: str, select: str | None, metrics: tuple[str, ...], baseline: str | None, **runs: str | None
) -> "Tables":
    from bench.comparing.frame import results
    from bench.comparing.published import side_by_side, table_named
    from bench.system.errors import RequestError

    published = table_named(paper)
    for option, value in (("--select", select), ("--metric", metrics), ("--baseline", baseline)):
        if value:
            raise RequestError(f"{option} has no meaning with --paper, which reports what the paper does")
    return side_by_side(published, results(select="last", **runs))
