"""The two ways in which a command ends badly, each told in one line."""

import difflib
from collections.abc import Iterable


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
        Names the value, what is allowed and, where one is close, the nearest spelling.
    """
    names = sorted(allowed)
    message = f"unknown {kind} {value!r}: allowed are {', '.join(names)}"
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    if near:
        message += f"; did you mean {near[0]!r}?"
    return RequestError(message)
