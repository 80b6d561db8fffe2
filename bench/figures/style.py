"""One look for every figure, and the way to disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.system.atomic_files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
SUFFIXES = (".png", ".svg")

# Okabe and Ito 2008: told apart by colour-blind eyes. Their yellow is left out, too pale on white. Each
# has a line and a marker of its own, so that a grey print does as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILION = COLOURS[:2]
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

FONT = "DejaVu Sans"  # comes with matplotlib: the same everywhere

_LOOK: dict[Any, Any] = {
    "font.family": FONT,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "figure.titlesize": 9,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.linewidth": 0.6,
    "figure.facecolor": "white",
    "svg.hashsalt": "began-bench",  # else element names differ from one drawing to the next
    "path.simplify": True,
}


@contextmanager
def look() -> Iterator[None]:
    """Let what is drawn in the block have the project's look, whatever a user's matplotlibrc says."""
    from matplotlib import rc_context, rcParamsDefault

    settings: dict[Any, Any] = {
        name: value for name, value in rcParamsDefault.items() if not name.startswith("backend")
    }
    with rc_context(settings | _LOOK):
        yield


def line(place: int) -> dict[str, Any]:
    """Colour, line style and marker of the curve in a place; they come round after the last."""
    turn = place % len(COLOURS)
    return {"color": COLOURS[turn], "linestyle": LINES[turn], "marker": MARKERS[turn]}


def blank(width: float, height: float, **options: Any) -> "Figure":
    """An empty figure of that many inches, outside pyplot: nothing is kept open."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, **options)


def save(figure: "Figure", path: Path) -> list[Path]:
    """Write a figure as PNG and as SVG; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
        Made by :func:`blank` within :func:`look`.
    path : Path
        File without suffix; its folder is made if need be.

    Returns
    -------
    list of Path
        The files.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with look():
        for canvas, suffix, metadata in (
            (FigureCanvasAgg, ".png", {}),
            (FigureCanvasSVG, ".svg", {"Date": None}),
        ):
            write: Callable[..., None] = canvas(figure).print_figure
            with replacing(named(path, suffix)) as aside:
                write(aside, dpi=DOTS_PER_INCH, metadata=metadata)
    return [named(path, suffix) for suffix in SUFFIXES]


def named(path: Path, suffix: str) -> Path:
    """The file of a figure; dots in its name stay."""
    return path.with_name(path.name + suffix)
