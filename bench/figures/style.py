"""The style of every figure, and how figures are saved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from bench.system.atomic_files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
SUFFIXES = (".png", ".svg")

# Okabe and Ito 2008: distinguishable for colour-blind eyes. Their yellow is left out, too pale on white. Each
# has its own line style and marker, so that curves also differ in a grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILION = COLOURS[:2]
LineStyle = str | tuple[int, tuple[int, ...]]
LINES: tuple[LineStyle, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Line(TypedDict):
    """Look of a curve, as matplotlib names it."""

    color: str
    linestyle: LineStyle
    marker: str


FONT = "DejaVu Sans"  # comes with matplotlib: the same everywhere

_STYLE: dict[Any, Any] = {
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
def styled() -> Iterator[None]:
    """Draw in the project's style within the block, whatever a user's matplotlibrc says."""
    from matplotlib import rc_context, rcParamsDefault

    defaults = {name: value for name, value in rcParamsDefault.items() if not name.startswith("backend")}
    with rc_context(defaults | _STYLE):
        yield


def font_file() -> Path:
    """Return the file of the figures' font, for pictures that matplotlib does not draw."""
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{FONT.replace(' ', '')}.ttf")


def line(number: int) -> Line:
    """Return colour, line style and marker of a curve by its number; they repeat after the last."""
    turn = number % len(COLOURS)
    return {"color": COLOURS[turn], "linestyle": LINES[turn], "marker": MARKERS[turn]}


def blank(width: float, height: float, layout: Literal["constrained"] | None = None) -> "Figure":
    """Return an empty figure of that many inches, outside pyplot, which would keep it open."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout=layout)


def save(figure: "Figure", path: Path) -> list[Path]:
    """Write a figure as PNG and as SVG; the same figure always gives the same bytes.

    Parameters
    ----------
    figure : Figure
        Made by :func:`blank` within :func:`styled`.
    path : Path
        File without suffix; a missing folder is created.

    Returns
    -------
    list of Path
        The files.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with styled():
        for canvas, suffix, metadata in (
            (FigureCanvasAgg, ".png", {}),
            (FigureCanvasSVG, ".svg", {"Date": None}),
        ):
            write: Callable[..., None] = canvas(figure).print_figure
            with replacing(named(path, suffix)) as aside:
                write(aside, dpi=DOTS_PER_INCH, metadata=metadata)
    return [named(path, suffix) for suffix in SUFFIXES]


def named(path: Path, suffix: str) -> Path:
    """Return the file of a figure; dots in the figure's name are kept."""
    return path.with_name(path.name + suffix)
