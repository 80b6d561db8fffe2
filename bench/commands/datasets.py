"""``bench datasets``: list the data sets."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.commands.output import Report, reporting, table

if TYPE_CHECKING:
    from bench.datasets import CatalogueRow


@click.command("datasets")
@click.option("--data-root", metavar="DIR", help="Folder of the data files [default: the cache folder].")
@reporting
def command(data_root: str | None) -> Report:
    """List the data sets, their sources and missing files."""
    from pathlib import Path

    from bench.datasets import list_datasets
    from bench.system import paths

    entries = list_datasets(Path(data_root) if data_root else paths.datasets(), paths.cache())
    rows = [
        (e.name, e.description, e.count, _pixels(e), e.channels, e.classes or None, e.present)
        for e in entries
    ]
    header = ("data set", "what", "samples", "pixels", "channels", "classes", "here")
    missing = [f"{e.name}: {e.missing}" for e in entries if e.missing]
    sources = [f"{e.name}: {e.source}" for e in entries]
    text = "\n\n".join(
        [table(rows, header), "Sources\n" + "\n".join(sources), "Missing\n" + "\n".join(missing)]
    )
    return Report({"datasets": [asdict(e) for e in entries]}, text)


def _pixels(entry: "CatalogueRow") -> str:
    """Return the side of the images as text."""
    if entry.judged_by == "points":
        return "2-D points"
    return "any" if entry.native_size is None else str(entry.native_size)
