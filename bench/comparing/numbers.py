"""Numbers as people read them: rounded to their uncertainty."""

import math

MISSING = "-"


def decimals(value: float, low: float | None = None, high: float | None = None) -> int:
    """Decimals that a value deserves.

    Two significant digits of the interval's half width decide, and one more decimal where the interval is
    so skewed that the value would not be told from its nearer end; without an interval, or with one of no
    width, three significant digits of the value, and none for a whole number.
    """
    half = (high - low) / 2 if low is not None and high is not None else 0.0
    if half > 0 and math.isfinite(half) and low is not None and high is not None:
        places = _digits(half, 2)
        nearer = min(value - low, high - value)
        return max(places, min(_digits(nearer, 1), places + 1)) if nearer > 0 else places
    if value == 0 or value == round(value) or not math.isfinite(value):
        return 0
    return _digits(value, 3)


def _digits(value: float, significant: int) -> int:
    # by way of the rounded number: 0.0996 has its first two digits at 0.10
    exponent = int(f"{abs(value):.{significant - 1}e}".partition("e")[2])
    return max(0, significant - 1 - exponent)


def number(value: float | None, places: int | None = None, sign: bool = False) -> str:
    """One number; a dash where there is none."""
    if value is None or math.isnan(value):
        return MISSING
    return _fixed(value, decimals(value) if places is None else places, sign)


def with_interval(
    value: float | None, low: float | None, high: float | None, sign: bool = False, places: int | None = None
) -> str:
    """``3.42 [3.09, 4.25]``, or the value alone; with `places` decimals where they are given."""
    if value is None or math.isnan(value):
        return MISSING
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return number(value, places, sign)
    places = decimals(value, low, high) if places is None else places
    return f"{_fixed(value, places, sign)} [{_fixed(low, places, sign)}, {_fixed(high, places, sign)}]"


def with_range(value: float | None, low: float | None, high: float | None, sign: bool = False) -> str:
    """``3.42 (3.09 to 4.25)``, rounded as with an interval; the value alone without a range."""
    if value is None or math.isnan(value):
        return MISSING
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return number(value, None, sign)
    places = decimals(value, low, high)
    return f"{_fixed(value, places, sign)} ({_fixed(low, places, sign)} to {_fixed(high, places, sign)})"


def duration(seconds: float) -> str:
    """A time in the two largest units that it has: ``8 days 6 h``, ``2 h 05 min``, ``3 min 20 s``."""
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} {'day' if days == 1 else 'days'} {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def _fixed(value: float, places: int, sign: bool) -> str:
    rounded = round(value, places) + 0.0  # no minus before zero
    return f"{rounded:{'+' if sign and rounded else ''},.{places}f}"
