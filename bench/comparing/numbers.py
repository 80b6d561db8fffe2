"""Numbers as people read them, rounded to their uncertainty; and lists of names."""

import math
from collections.abc import Sequence

MISSING = "-"

Bounds = tuple[float, float]  # lower and upper


def decimals(value: float, bounds: Bounds | None = None) -> int:
    """Return the number of decimals to print.

    Two significant digits of the bounds' half width decide, and one more decimal where the bounds are so
    skewed that the value would be printed like its nearer bound. Without bounds, or with equal ones, three
    significant digits of the value decide; a whole number has none.
    """
    half = (bounds[1] - bounds[0]) / 2 if bounds else 0.0
    if bounds and half > 0 and math.isfinite(half):
        places = _digits(half, 2)
        nearer = min(value - bounds[0], bounds[1] - value)
        return max(places, min(_digits(nearer, 1), places + 1)) if nearer > 0 else places
    if value == 0 or value == round(value) or not math.isfinite(value):
        return 0
    return _digits(value, 3)


def _digits(value: float, significant: int) -> int:
    # of the rounded number: 0.0996 rounds to 0.10
    exponent = int(f"{abs(value):.{significant - 1}e}".partition("e")[2])
    return max(0, significant - 1 - exponent)


def number(value: float | None, places: int | None = None, sign: bool = False) -> str:
    """One number; a dash where there is none."""
    if value is None or math.isnan(value):
        return MISSING
    return _fixed(value, decimals(value) if places is None else places, sign)


def with_interval(
    value: float | None, interval: Bounds | None, sign: bool = False, places: int | None = None
) -> str:
    """``3.42 [3.09, 4.25]``, or the value alone; with `places` decimals where they are given."""
    if value is None or interval is None:
        return number(value, places, sign)
    places = decimals(value, interval) if places is None else places
    low, high = (_fixed(bound, places, sign) for bound in interval)
    return f"{_fixed(value, places, sign)} [{low}, {high}]"


def with_range(value: float, extent: Bounds, sign: bool = False) -> str:
    """``3.42 (3.09 to 4.25)``, rounded as with an interval."""
    places = decimals(value, extent)
    low, high = (_fixed(bound, places, sign) for bound in extent)
    return f"{_fixed(value, places, sign)} ({low} to {high})"


def duration(seconds: float) -> str:
    """A time in the two largest units that it has: ``8 days 6 h``, ``2 h 05 min``, ``3 min 20 s``."""
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} {'day' if days == 1 else 'days'} {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def listed(names: Sequence[str]) -> str:
    """Return names as text: ``a, b and c``; empty where there are none."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _fixed(value: float, places: int, sign: bool) -> str:
    # a bound that rounds to zero keeps its side of it; zero itself has none, also as -0.0
    return f"{value + 0.0:{'+' if sign and value else ''},.{places}f}"
