"""``bench report``: compare runs in one self-contained HTML page."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import OutFile, comparison, selection
from bench.commands.output import Report, reporting

if TYPE_CHECKING:
    from bench.reporting.content import Content


@click.command("report")
@selection
@comparison
@click.option("--title", metavar="TEXT", help="Title [default: variants and data].")
@click.option(
    "--out",
    type=OutFile(),
    help="Output file [default: report.html in mlruns/].",
)
@reporting
def command(
    out: Path | None,
    title: str | None,
    select: str | None,
    metrics: tuple[str, ...],
    baseline: str | None,
    **runs: str | None,
) -> Report:
    """Write a report on runs to one HTML file.

    It has tables, figures, health, configurations and commands. Each data set has a section. The file
    loads nothing from elsewhere and names no folder of this machine. Missing figures of runs are drawn.
    """
    from bench.reporting.content import gather
    from bench.reporting.page import render
    from bench.system import paths
    from bench.system.atomic_files import destination, write_bytes
    from bench.system.errors import RequestError, shown

    path = out or paths.results() / "report.html"
    if out is not None and not out.parent.is_dir():
        raise RequestError(f"--out {shown(str(out))}: there is no folder {shown(str(out.parent))}")
    destination(path)
    content = gather(title=title, select=select or "last", metrics=metrics, baseline=baseline, **runs)
    page = render(content).encode()
    write_bytes(path, page)
    return Report(_data(content, path, len(page)), _text(content, path, len(page)))


def _data(content: "Content", path: Path, size: int) -> dict[str, object]:
    return {
        "out": str(path),
        "title": content.title,
        "bytes": size,
        "runs": content.runs,
        "sections": [
            {"heading": section.heading, "findings": list(section.findings)} for section in content.sections
        ],
    }


def _text(content: "Content", path: Path, size: int) -> str:
    lines = []
    for section in content.sections:
        lines += [section.heading, *(f"- {finding}" for finding in section.findings)]
    return "\n".join([*lines, f"wrote {path} ({size / 1e6:.1f} MB)"])
