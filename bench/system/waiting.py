"""Words on a terminal while something takes its time before there is anything to report."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

ERASE = "\x1b[K"  # to the end of the line


@contextmanager
def waiting(words: str, quiet: bool = False) -> Iterator[None]:
    """Show words on standard error while the block runs, and erase them; a log gets nothing.

    So a refused request has its one line alone. A line that the block prints covers the words.

    Parameters
    ----------
    words : str
        What takes its time.
    quiet : bool
        Show nothing.
    """
    shown = not quiet and sys.stderr.isatty()
    if shown:
        print(words, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print(ERASE, end="", file=sys.stderr, flush=True)
