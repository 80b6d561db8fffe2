"""Grids of samples of conditional runs: a row for each class."""

COLUMNS = 10  # samples of a class
MOST_ROWS = 100  # of a grid


def classes_shown(classes: int) -> list[int]:
    """Return the numbers of the classes that have a row: all, or 100 evenly spread ones of more."""
    rows = min(classes, MOST_ROWS)
    return [row * classes // rows for row in range(rows)]
