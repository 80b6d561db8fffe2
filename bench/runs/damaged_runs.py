"""One warning for all damaged files whose runs a command leaves out."""

import sys
from collections.abc import Iterable
from pathlib import Path

# damaged files that a warning has named or counted
_told: set[Path] = set()


def pass_over(damaged: Iterable[Path]) -> None:
    """Warn on standard error, in one line, of damaged files whose runs are left out; of each file once."""
    files = list(damaged)
    if not _told.issuperset(files):
        runs = "1 damaged run is" if len(files) == 1 else f"{len(files)} damaged runs are"
        others = "" if len(files) == 1 else " and others"
        line = f"warning: {runs} left out ({files[0]}{others}): `bench doctor` says why"
        print(line, file=sys.stderr, flush=True)
        _told.update(files)


def forget() -> None:
    """Begin anew: the next command warns of the same files again."""
    _told.clear()
