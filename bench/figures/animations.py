"""Animated pictures of a run: samples of fixed latents during training, and a walk through the latents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from bench.figures import style
from bench.figures.grid import MARGIN, read_grid, tiled, to_bytes
from bench.figures.of_run import name_of
from bench.figures.points import read_points
from bench.figures.samples_by_step import grid_path, judged_steps
from bench.runs.generator import TrainedGenerator
from bench.runs.run_folder import RunFolder
from bench.system.atomic_files import replacing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Format = Literal["webp", "gif"]
FORMATS: tuple[Format, ...] = get_args(Format)

MOST_FRAMES = 60  # of the progress of training
WIDTH = 420  # pixels of a picture, about
SIDE = 56  # pixels of an image in the progress of training, at least

WALK_SIDE, WALK_WIDTH, WALK_COLUMNS = 84, 400, 4
STOPS, BETWEEN = 5, 12  # latents that a walk passes, and frames from one to the next
TITLE, TEXT = 14, 12  # pixels of letters
EDGE, LINE = 12, 20  # pixels around everything, and of a line of text
MILLISECONDS, SLOW, END = 80, 400, 2000  # a frame; a frame of few; the last one of training
TRAINING = 8000  # milliseconds of the whole training, unless there are few frames
QUALITY = 70  # of WebP


@dataclass(frozen=True)
class Frame:
    """One picture of an animation.

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8 (H, W, C), C 1 or 3; all frames of an animation have the same shape.
    label : str
        A line above the picture.
    milliseconds : int
        How long it is shown.
    """

    pixels: np.ndarray
    label: str
    milliseconds: int


def draw_animations(trained: TrainedGenerator, folder: Path, form: Format = "webp") -> list[Path]:
    """Draw ``progress`` and, of images, ``walk``; the same run gives the same bytes.

    Parameters
    ----------
    trained : TrainedGenerator
        The networks of the checkpoint through whose latents the walk goes.
    folder : Path
        Destination.
    form : {"webp", "gif"}
        Format and suffix of the files.

    Returns
    -------
    list of Path
        The files; without ``progress`` if the run kept no sample grids.

    Raises
    ------
    WorkError
        If a sample grid of the run is damaged.
    """
    title, files = name_of(trained.run), []
    if frames := progress_frames(trained.run):
        files.append(save_animation(frames, folder / f"progress.{form}", title))
    if not trained.makes_points:
        title += f", step {trained.step:,}"
        files.append(save_animation(walk_frames(trained), folder / f"walk.{form}", title))
    return files


def progress_frames(run: RunFolder, most: int = MOST_FRAMES) -> list[Frame]:
    """Return the sample grids of a run, whose latents are the same at every step, by rising step.

    Parameters
    ----------
    run : RunFolder
        The run.
    most : int
        Of more grids as many are shown, evenly spread, the first and the last among them.

    Returns
    -------
    list of Frame
        The upper left corner of each grid as far as it fits, or each picture of points. Where a part is left
        out the label says so.
    """
    steps = judged_steps(run)
    if len(steps) > most:
        places = np.linspace(0, len(steps) - 1, most).round().astype(int)
        steps = [steps[place] for place in places]
    size = run.describe().config.image_size
    pause = max(MILLISECONDS, min(SLOW, TRAINING // max(1, len(steps))))
    frames = []
    for step in steps:
        pixels, part = (
            (read_points(grid_path(run, step)), "") if size is None else _corner(grid_path(run, step), size)
        )
        label = f"step {step:,} of {steps[-1]:,}{part}"
        frames.append(Frame(pixels, label, END if step == steps[-1] else pause))
    return frames


def _corner(path: Path, size: int) -> tuple[np.ndarray, str]:
    """Return the upper left corner of a grid, as high as wide at most, and words for the part it is."""
    scale = max(1, -(-SIDE // size))
    side = max(1, WIDTH // (scale * (size + MARGIN)))
    grid = read_grid(path, size)
    cells = grid[:side, :side]
    shown, there = (f"{rows} x {columns}" for rows, columns in (cells.shape[:2], grid.shape[:2]))
    part = "" if shown == there else f"; {shown} of the grid's {there} samples"
    return _enlarged(tiled(cells.reshape(-1, *cells.shape[2:]), cells.shape[1]), scale), part


def walk_frames(trained: TrainedGenerator, seed: int = 0) -> list[Frame]:
    """Return the images of a closed walk through the latents, in every cell of a square grid another one.

    A walk goes over great circles from one latent to the next, and from the last back to the first. A walk of
    a conditional run keeps its class.

    Parameters
    ----------
    trained : TrainedGenerator
        Networks for images.
    seed : int
        Seed of the latents.
    """
    _, size, _ = trained.sample_shape
    scale = max(1, round(WALK_SIDE / size))
    columns = max(1, min(WALK_COLUMNS, WALK_WIDTH // (scale * (size + MARGIN))))
    starts = [trained.pairs_of_latents(columns**2, seed + stop)[0] for stop in range(STOPS)]
    frames = []
    for stop, start in enumerate(starts):
        then = (stop + 1) % STOPS
        # the end is the first picture of what follows
        points = trained.path(start, starts[then], BETWEEN + 1, "slerp")[:, :-1]
        for place in range(BETWEEN):
            sheet = tiled(to_bytes(trained.generate(points[:, place])), columns)
            label = f"G(z), from z{stop + 1} to z{then + 1}: {place / BETWEEN:.0%}"
            frames.append(Frame(_enlarged(sheet, scale), label, MILLISECONDS))
    return frames


def save_animation(frames: Sequence[Frame], path: Path, title: str) -> Path:
    """Save frames as one animated WebP or GIF that repeats without end; return the path.

    Parameters
    ----------
    frames : sequence of Frame
        At least one.
    path : Path
        The file; its suffix is the format.
    title : str
        A line above every frame's own label.
    """
    from PIL import ImageFont

    file = str(style.font_file())
    large, plain = ImageFont.truetype(file, TITLE), ImageFont.truetype(file, TEXT)
    longest = max([large.getlength(title), *(plain.getlength(frame.label) for frame in frames)])
    width = max(frames[0].pixels.shape[1], math.ceil(longest)) + 2 * EDGE
    pictures = [_labelled(frame, width, [(title, large), (frame.label, plain)]) for frame in frames]
    settings = {"quality": QUALITY, "method": 4} if path.suffix == ".webp" else {"optimize": True}
    with replacing(path) as aside:
        pictures[0].save(
            aside,
            format=path.suffix[1:].upper(),
            save_all=True,
            append_images=pictures[1:],
            duration=[frame.milliseconds for frame in frames],
            loop=0,
            **settings,
        )
    return path


def _labelled(frame: Frame, width: int, lines: Sequence[tuple[str, "FreeTypeFont"]]) -> "Image":
    """Return a picture below lines of text, on white, with a margin around everything."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(frame.pixels[:, :, 0] if frame.pixels.shape[2] == 1 else frame.pixels)
    top = EDGE + len(lines) * LINE
    sheet = Image.new(picture.mode, (width, top + picture.height + EDGE), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (text, font) in enumerate(lines):
        draw.text((EDGE, EDGE + number * LINE), text, fill="black", font=font, anchor="lt")
    sheet.paste(picture, (EDGE, top))
    return sheet


def _enlarged(sheet: np.ndarray, scale: int) -> np.ndarray:
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)
