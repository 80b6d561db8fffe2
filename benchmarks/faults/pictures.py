"""Odd pictures in a folder of images: each is used, or refused by name in one line."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from bench.datasets import load
from bench.system.errors import RequestError, WorkError, printable
from faults import Request, Tally
from faults.forked import call
from faults.odd_picture import OddPicture, encoded, noise
from faults.odd_pictures import odd_pictures
from faults.processes import Ended, environment


def drill(request: Request) -> Iterator[Tally]:
    """Load, for each odd picture, a folder of that and a good picture in a separate process."""
    tally = Tally(
        "odd picture in a folder of images (cut, disguised, huge, animated, FIFO, link loop, odd name)",
        "used, left out as no image, or refused in one line with its name; nothing hangs or is executed",
    )
    pictures = list(odd_pictures(request.seed))
    for number, picture in enumerate(pictures[: request.trials(len(pictures))]):
        folder = request.folder / f"{number:03d}"
        folder.mkdir(parents=True)
        (folder / "good.png").write_bytes(encoded(noise(), "PNG"))
        path = picture.write(folder)
        current = request.folder / f"{number:03d}.current"
        ended = call(partial(_load, folder, request.cache), environment(request, current), current)
        problem = _wrong(picture, path, ended)
        tally.add(f"{picture.kind}: {problem}" if problem else None)
    yield tally


def _load(folder: Path, cache: Path) -> int:
    """Print the number of images of a folder and return 0; return 1 with a line if the folder is refused."""
    try:
        loaded = load(f"folder:{folder}", image_size=8, channels=3, data_root=folder, cache=cache)
    except (RequestError, WorkError) as error:
        click.echo(f"bench: {error}", err=True)
        return 1
    click.echo(loaded.count)
    return 0


def _wrong(picture: OddPicture, path: Path, ended: Ended) -> str | None:
    if ended.status == 0:
        allowed = {"used": {2}, "left out": {1}, "refused": set(), "either": {2}}[picture.outcome]
        return (
            None if int(ended.out) in allowed else f"{ended.out.strip()} images, {picture.outcome} expected"
        )
    if picture.outcome in ("used", "left out"):
        return f"{picture.outcome} expected: {ended.err[-200:]}"
    if problem := ended.one_line(1):
        return problem
    return None if printable(path.name)[-60:] in ended.err else f"not named: {ended.err[-200:]}"
