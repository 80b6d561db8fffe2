"""Time left of several pieces of work, such as runs or trials, from those that have ended."""

from collections.abc import Sequence
from statistics import fmean

from bench.comparing.numbers import duration


def time_left(ended: Sequence[float], running: Sequence[float], waiting: int, workers: int) -> float | None:
    """Estimate the seconds until all is done, if each piece takes as long as those that ended did.

    Parameters
    ----------
    ended : sequence of float
        Seconds that each ended piece took.
    running : sequence of float
        Seconds so far of each piece at work.
    waiting : int
        Pieces that have not begun.
    workers : int
        Pieces at a time, at least 1.

    Returns
    -------
    float or None
        None if nothing has ended yet.
    """
    if not ended:
        return None
    each = fmean(ended)
    rests = [max(each - seconds, 0.0) for seconds in running]
    shared = (waiting * each + sum(rests)) / workers
    # a piece cannot be shared
    return max([shared, *rests, each if waiting else 0.0])


def time_left_text(seconds: float | None) -> str:
    """Return ``; about 8 min 20 s left``, or an empty text if nothing is left or it is unknown."""
    return f"; about {duration(seconds)} left" if seconds else ""
