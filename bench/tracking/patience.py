"""How long a store may take to answer."""

import os

from bench.system.errors import RequestError

VARIABLE = "BENCH_TRACKING_PATIENCE"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        raise RequestError(f"{VARIABLE}: {text!r} is not possible: allowed are 1 to 86400 seconds")
    return seconds


# a store that takes longer counts as away
PATIENCE_SECONDS = _seconds(os.environ.get(VARIABLE) or "30")
