"""Panels of images in rows and columns, with text; each image pixel is a whole number of dots."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 16  # dots between panels
EDGE = 12  # dots around everything
LINE = 20  # dots of a line of text
HEADING = 24  # dots of a line of the title
TEXT, TITLE, CAPTION = 8, 9, 7.5  # sizes of text in points
PRINTED_WIDTH = 1200  # dots: 8 inches, a page nearly without margins

Panel = np.ndarray | None


def scale_for(width: int) -> int:
    """Return the dots per pixel with which `width` pixels fill a printed page, 1 to 4."""
    return max(1, min(4, PRINTED_WIDTH // max(width, 1)))


def draw_panels(
    rows: Sequence[Sequence[Panel]],
    title: str,
    column_titles: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    caption: str = "",
    scale: int | None = None,
) -> "Figure":
    """Draw panels.

    Parameters
    ----------
    rows : sequence of sequences
        Panels as uint8 (H, W, 1) or (H, W, 3), or None for an empty cell; one width per column, and one
        height per row.
    title, caption : str
        Above and below everything; lines are broken by the caller.
    column_titles, row_labels : sequence of str
        Above the columns, left of the rows.
    scale : int, optional
        Dots per pixel; where not given, a page is filled.

    Returns
    -------
    Figure
        To be saved by :func:`bench.figures.style.save`.
    """
    widths = [max(_extent(row[place], 1) for row in rows) for place in range(len(rows[0]))]
    heights = [max(_extent(panel, 0) for panel in row) for row in rows]
    scale = scale or scale_for(sum(widths))
    lines = max((label.count("\n") + 1 for label in column_titles), default=0)
    longest = max((_width(label, TEXT) for label in row_labels), default=0)
    left = EDGE + (longest + EDGE if longest else 0)
    top = EDGE + (HEADING * (title.count("\n") + 1) + 4 if title else 0) + lines * LINE
    bottom = EDGE + (LINE * (caption.count("\n") + 1) if caption else 0)
    across = left + sum(widths) * scale + GAP * (len(widths) - 1) + EDGE
    across = max(across, 2 * EDGE + max(_width(title, TITLE), _width(caption, CAPTION)))
    down = top + sum(heights) * scale + GAP * (len(heights) - 1) + bottom
    with style.styled():
        figure = style.blank(across / style.DOTS_PER_INCH, down / style.DOTS_PER_INCH)
        figure.text(EDGE / across, 1 - EDGE / down, title, va="top", ha="left", fontsize=TITLE)
        figure.text(EDGE / across, EDGE / down / 2, caption, va="bottom", ha="left", fontsize=CAPTION)
        y = top
        for row_number, (row, height) in enumerate(zip(rows, heights, strict=True)):
            x = left
            for column, (panel, width) in enumerate(zip(row, widths, strict=True)):
                size = width * scale / across, height * scale / down
                axis = figure.add_axes((x / across, 1 - y / down - size[1], *size))
                axis.set_axis_off()
                if panel is None:
                    axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes)
                else:
                    _show(axis, panel)
                if row_number == 0 and column < len(column_titles):
                    axis.set_title(column_titles[column], pad=3)
                if column == 0 and row_number < len(row_labels):
                    place = EDGE / across, 1 - y / down - size[1] / 2
                    figure.text(*place, row_labels[row_number], ha="left", va="center", fontsize=TEXT)
                x += width * scale + GAP
            y += height * scale + GAP
    return figure


def _width(text: str, points: float) -> int:
    """Return the width of a text in dots, with a margin: letters are drawn on whole dots."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family=style.FONT, size=points)
    lines = [TextPath((0, 0), line, prop=font).get_extents().x1 for line in text.split("\n") if line.strip()]
    return round(1.06 * max(lines, default=0) * style.DOTS_PER_INCH / 72)


def _extent(panel: Panel, axis: int) -> int:
    return 0 if panel is None else int(panel.shape[axis])


def _show(axis: "Axes", panel: np.ndarray) -> None:
    # as RGB: a grey colour map rounds some levels down
    pixels = panel if panel.shape[2] == 3 else panel.repeat(3, axis=2)
    axis.imshow(pixels, interpolation="none", aspect="auto")
