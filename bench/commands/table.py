"""``bench table``: tables of results, with intervals or beside published results."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import OutFile, comparison, selection
from bench.commands.output import Report, reporting
from bench.comparing.defaults import FORMATS

if TYPE_CHECKING:
    from bench.comparing.rendering import Tables


@click.command("table")
@selection
@comparison
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
    paper: str | None,
    select: str | None,
    metrics: tuple[str, ...],
    baseline: str | None,
    **runs: str | None,
) -> Report:
    """Summarise runs over their seeds in a table.

    Each group of runs that differ only in their seed has a line. Runs are compared only if protocol and
    data are the same, and of a training scalar the knobs that its scale depends on. Otherwise the command
    fails and names the options that select comparable runs.
    """
    from bench.comparing.rendering import plain, render
    from bench.system.atomic_files import write_bytes
    from bench.system.errors import RequestError, shown

    if form == "parquet" and out is None:
        raise RequestError("--format parquet is binary: it needs --out FILE")
    if out is not None and not out.parent.is_dir():
        raise RequestError(f"--out {shown(str(out))}: there is no folder {shown(str(out.parent))}")
    if paper is None:
        tables = _summary(select, metrics, baseline, **runs)
    else:
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
    select: str | None, metrics: tuple[str, ...], baseline: str | None, **runs: str | None
) -> "Tables":
    from bench.comparing.frame import results
    from bench.comparing.rendering import of_summary
    from bench.comparing.summary import default_metrics, summarise

    selected = results(select=select or "last", **runs)
    last = selected if select in (None, "last") else results(select="last", **runs)
    return of_summary(summarise(selected, last, metrics or default_metrics(last), baseline))


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
