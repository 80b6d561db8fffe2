"""One warning for all damaged files whose runs a command leaves out."""

import sys
from collections.abc import Iterable
from pathlib import Path

# files of earlier warnings of this command
_warned: set[Path] = set()


def warn_of_damaged(damaged: Iterable[Path]) -> None:
    """Warn in one line on standard error of damaged files, unless earlier warnings covered all of them."""
    files = list(damaged)
    if not _warned.issuperset(files):
        runs = "1 damaged run is" if len(files) == 1 else f"{len(files)} damaged runs are"
        others = "" if len(files) == 1 else " and others"
        line = f"warning: {runs} left out ({files[0]}{others}): `bench doctor` says why"
        print(line, file=sys.stderr, flush=True)
        _warned.update(files)


def reset() -> None:
    """Let the next command warn of the same files again."""
    _warned.clear()
