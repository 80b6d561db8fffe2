"""The two ways in which a command ends badly, each told in one line; and how values stand in that line."""

import difflib
import reprlib
from collections.abc import Iterable

LONGEST_VALUE = 80
LONGEST_LINE = 1000
# longer lists of names are cut to the nearest ones
LONGEST_LIST = 160


class RequestError(Exception):
    """What was asked for is wrong: exit status 2, one line, nothing created."""


class WorkError(Exception):
    """What was asked for is right but could not be done: exit status 1, one line."""


def unknown(kind: str, value: str, allowed: Iterable[str]) -> RequestError:
    """Build the error for a name that does not exist.

    Parameters
    ----------
    kind : str
        What the name stands for, such as ``"dataset"``.
    value : str
        The name as it was given.
    allowed : iterable of str
        The names that exist.

    Returns
    -------
    RequestError
        Names the value, what is allowed (of many names the nearest and their number) and, where one is
        close, the nearest spelling.
    """
    names = sorted(allowed)
    # the nearest of a text of any length are found in its beginning
    near = difflib.get_close_matches(value[:LONGEST_VALUE], names, n=1, cutoff=0.5)
    listed = f"allowed are {', '.join(names)}" if names else "there is none"
    if len(listed) > LONGEST_LIST:
        nearest = difflib.get_close_matches(value[:LONGEST_VALUE], names, n=5, cutoff=0)
        listed = f"allowed are {len(names)} names, {', '.join(nearest)} among them"
    message = f"unknown {kind} {shown(value)}: {listed}"
    if near:
        message += f"; did you mean {near[0]!r}?"
    return RequestError(message)


class _Short(reprlib.Repr):
    """Python's own notation, cut where it is long; never slow, whatever the value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = self.maxother = LONGEST_VALUE - 10
        self.maxlong = 40

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to print the longest
        return f"a number of {x.bit_length()} bits" if x.bit_length() > 1000 else super().repr_int(x, level)


_SHORT = _Short()


def shown(value: object) -> str:
    """A value as messages show it: Python's notation on one line, at most 80 characters of it."""
    words = printable(_SHORT.repr(value))
    return words if len(words) <= LONGEST_VALUE else words[: LONGEST_VALUE - 3] + "..."


def printable(text: str) -> str:
    """A text on one line: control characters, and bytes that are no UTF-8, are escaped."""
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
    return "".join(escaped)


def one_line(message: str, longest: int = LONGEST_LINE) -> str:
    """A message as it is printed: one line of printable characters, cut in the middle if it is long."""
    line = printable(message)
    half = (longest - 3) // 2
    return line if len(line) <= longest else f"{line[:half]}...{line[-half:]}"
