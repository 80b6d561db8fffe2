"""Figures of runs as data URIs: missing ones are drawn, large ones are shrunk."""

import base64
import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from bench.comparing.numbers import listed
from bench.figures import of_run, style
from bench.figures.grid import read_png
from bench.figures.of_comparison import MOST_ROWS, draw_comparison, drawn_scalars
from bench.reporting.findings import tag
from bench.runs.data_location import samples_of
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import RequestError, WorkError

LARGEST_SVG = 400_000  # bytes; above that a PNG is smaller and faster to show
WIDEST = 1400  # dots; the page is at most 1000 wide, screens have up to two dots per pixel
GREYS = 32  # levels of a grey picture: the difference is invisible, and the file is half as large
COLOURS = 256

# a run's figures, in the order of the page: title, caption, whether the figure fills the page's width
OF_RUN = {
    "points": (
        "Generated points over real ones",
        "As many samples as real points, none selected; crosses mark the centres of the known modes. A point "
        "beyond the axes stands at their edge.",
        False,
    ),
    "landscape": (
        "What is reconstructed",
        "How far the reconstruction of a point lies from it, for every point of the plane: "
        "light where it is near. Training makes it light at real points.",
        False,
    ),
    "triptych": (
        "Real, reconstructed, generated",
        "Real images; the same ones reconstructed, where the variant has an encoder; and samples from "
        "fixed latents. None is selected.",
        True,
    ),
    "neighbours": (
        "Nearest training images",
        "Samples, each beside its three nearest training images by pixels and, where features were computed, "
        "by the judge's features. A copied image would equal its neighbour.",
        False,
    ),
    "missing-bins": (
        "Where samples are missing",
        "Training samples are put into bins of like ones by k-means of the judge's features (NDB). Shown are "
        "the bins whose share of samples falls most short of that of real ones: of images, real ones of the "
        "bin beside samples in it, the nearest to its centre first; of points, the centres of such bins.",
        True,
    ),
    "interpolation-samples": (
        "Between latents",
        "Samples on the way from one latent to another, in straight lines (linear) and on arcs (slerp). A "
        "generator that covers its data changes gradually along a row.",
        False,
    ),
    "interpolation-encoded": (
        "Between real images",
        "Two real images at the ends; between them what is decoded on the way from the "
        "left one's code to the right one's.",
        False,
    ),
}
MOST_UNWELL = 6  # unhealthy runs whose samples are shown
# figures that every run has whose figures were drawn: of images, of points
_ALWAYS = ("triptych", "neighbours", "interpolation-samples"), ("points", "samples-by-step")


@dataclass(frozen=True)
class Figure:
    """A picture of the page.

    Attributes
    ----------
    source : str
        A data URI.
    width, height : int
        In dots.
    title, caption : str
        What the picture shows; how to read it and how it was made.
    wide : bool
        Whether the picture fills the page's width.
    """

    source: str
    width: int
    height: int
    title: str
    caption: str
    wide: bool


@dataclass(frozen=True)
class RunFigures:
    """The figures of one run, the example of its group.

    Attributes
    ----------
    heading : str
        Group and seed of the run.
    figures : tuple of Figure
        The pictures.
    problem : str
        Why figures are missing, or empty.
    """

    heading: str
    figures: tuple[Figure, ...]
    problem: str


def of_groups(kept: pd.DataFrame) -> list[Figure]:
    """Return the scalars with bands over seeds, and samples by step, of the runs of one section.

    Parameters
    ----------
    kept : DataFrame
        One run per group and seed, with the column ``group``.
    """
    scalars = drawn_scalars(kept)
    meanings = "".join(f" {scalar.name}: {scalar.title}." for scalar in scalars)
    captions = {
        "trajectories": (
            f"{listed([scalar.name for scalar in scalars])} by step",
            "Lines are means over the seeds of a group, bands reach from the lowest to the highest run. Each "
            f"is first averaged over windows of steps, as the legend says.{meanings}",
        ),
        "samples-by-step": (
            "Samples as training went on",
            "One row a group, its lowest seed; one column a step. Each cell is what the evaluation saved, "
            "of images the corner of the grid, from the same latents at every step. None is selected."
            + (f" The first {MOST_ROWS} groups." if kept["group"].nunique() > MOST_ROWS else ""),
        ),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_comparison(kept, folder)
        return [
            embedded(folder / stem, title, caption, wide=True)
            for stem, (title, caption) in captions.items()
            if style.named(folder / stem, ".png").exists()
        ]


def of_each_group(kept: pd.DataFrame) -> list[RunFigures]:
    """Return the figures of one run per group: its finished run of the lowest seed."""
    finished = kept[kept["status"] == "FINISHED"].sort_values("seed", kind="stable")
    chosen = finished.drop_duplicates("group").sort_values("group", kind="stable")
    return [
        _of_run(RunFolder(paths.runs() / str(run["run_id"])), f"{run['group']}, seed {run['seed']}")
        for _, run in chosen.iterrows()
    ]


def _of_run(run: RunFolder, heading: str) -> RunFigures:
    there = {path.stem for path in run.figures.glob("*.png")}
    if any(there.issuperset(names) for names in _ALWAYS):
        return RunFigures(heading, _embedded_of(run.figures, heading), "")
    with tempfile.TemporaryDirectory() as name:
        problem = ""
        try:
            trained, array = load(run), samples_of(run.describe())
            materials = of_run.Materials(trained, array, of_run.extractor_of(run, array))
            of_run.draw_samples(materials, Path(name), of_run.FEATURES_AT_END)
        except (WorkError, RequestError) as error:
            problem = str(error)
        return RunFigures(heading, _embedded_of(Path(name), heading), problem)


def of_unwell(runs: pd.DataFrame) -> list[Figure]:
    """Return the last sample pictures of unhealthy runs, the first :data:`MOST_UNWELL` that have one."""
    found: list[Figure] = []
    for _, run in runs.sort_values(["group", "seed"], kind="stable").iterrows():
        grids = sorted((paths.runs() / str(run["run_id"]) / "samples").glob("step-*.png"))
        if grids and len(found) < MOST_UNWELL:
            step = int(grids[-1].stem.removeprefix("step-"))
            title = f"{run['group']}, seed {run['seed']}: samples at step {step:,}"
            found.append(embedded(grids[-1].with_suffix(""), title, f"Health: {tag(run)}.", wide=False))
    return found


def _embedded_of(folder: Path, heading: str) -> tuple[Figure, ...]:
    return tuple(
        embedded(folder / stem, f"{title}: {heading}", caption, wide)
        for stem, (title, caption, wide) in OF_RUN.items()
        if style.named(folder / stem, ".png").exists()
    )


def embedded(path: Path, title: str, caption: str, wide: bool) -> Figure:
    """Return a figure as a data URI: lines as SVG unless that is large, images as a shrunk PNG.

    Parameters
    ----------
    path : Path
        Without suffix; its PNG exists.
    title, caption : str
        As in :class:`Figure`.
    wide : bool
        Whether the picture fills the page's width.
    """
    picture = Image.fromarray(read_png(style.named(path, ".png"))).convert("RGB")
    drawing = _drawing(style.named(path, ".svg")) if path.name == "trajectories" else b""
    if 0 < len(drawing) <= LARGEST_SVG:
        source = f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}"
    else:
        picture = _narrowed(picture)
        source = f"data:image/png;base64,{base64.b64encode(_shrunk(picture)).decode()}"
    return Figure(source, picture.width, picture.height, title, caption, wide)


def _drawing(path: Path) -> bytes:
    """Return an SVG without metadata and comments; empty where there is no file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE.*?>", "", text, flags=re.DOTALL).encode()


def _narrowed(picture: Image.Image) -> Image.Image:
    if picture.width <= WIDEST:
        return picture
    return picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)


def _shrunk(picture: Image.Image) -> bytes:
    """Return a PNG of few colours."""
    bands = picture.split()
    if bands[0].tobytes() == bands[1].tobytes() == bands[2].tobytes():
        # 255 and 0 stay what they are
        levels = [round(value * (GREYS - 1) / 255) for value in range(256)]
        small = bands[0].point([round(level * 255 / (GREYS - 1)) for level in levels])
    else:
        small = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
