"""Errors with messages of one line, and formatting of values in messages."""

import difflib
import re
import reprlib
from collections.abc import Iterable

LONGEST_VALUE = 80
LONGEST_LINE = 1000
# longer lists of names are cut to the nearest ones
LONGEST_LIST = 160


class RequestError(Exception):
    """The request is wrong: exit status 2, one line, nothing created."""


class WorkError(Exception):
    """The request is right but the work failed: exit status 1, one line."""


def unknown(kind: str, value: str, allowed: Iterable[str]) -> RequestError:
    """Return the error for a name that does not exist.

    Parameters
    ----------
    kind : str
        Kind of name, such as ``"dataset"``.
    value : str
        The unknown name.
    allowed : iterable of str
        The known names.

    Returns
    -------
    RequestError
        Its message has the value, the allowed names (or their number and the nearest, if there are many) and
        the nearest spelling, if one is close, or the only name with that part.
    """
    names = sorted(set(allowed))
    # long values are compared by their beginning
    near = difflib.get_close_matches(value[:LONGEST_VALUE], names, n=1, cutoff=0.5) or _only_with(
        value, names
    )
    listed = f"allowed are {', '.join(names)}" if names else "there is none"
    if len(listed) > LONGEST_LIST:
        nearest = difflib.get_close_matches(value[:LONGEST_VALUE], names, n=5, cutoff=0)
        listed = f"allowed are {len(names)} names, {', '.join(nearest)} among them"
    message = f"unknown {kind} {shown(value)}: {listed}"
    if near:
        message += f"; did you mean {near[0]!r}?"
    return RequestError(message)


def _only_with(part: str, names: list[str]) -> list[str]:
    """Return the name that alone has a part between separators, such as ``new`` in ``a-new``, or none."""
    found = [name for name in names if part in re.split(r"[^a-z0-9]+", name.lower())]
    return found if len(found) == 1 else []


class _Short(reprlib.Repr):
    """Python's notation of values, shortened; fast for any value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = self.maxother = LONGEST_VALUE - 10
        self.maxlong = 40

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to print very long numbers
        return f"a number of {x.bit_length()} bits" if x.bit_length() > 1000 else super().repr_int(x, level)


_SHORT = _Short()


def shown(value: object) -> str:
    """Format a value for a message: Python's notation on one line, at most 80 characters."""
    text = printable(_SHORT.repr(value))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def printable(text: str) -> str:
    """Return a text on one line, with control characters and bytes that are not UTF-8 escaped."""
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
    return "".join(escaped)


def one_line(message: str, longest: int = LONGEST_LINE) -> str:
    """Return a message as one printable line, shortened in the middle if it is long."""
    line = printable(message)
    half = (longest - 3) // 2
    return line if len(line) <= longest else f"{line[:half]}...{line[-half:]}"
