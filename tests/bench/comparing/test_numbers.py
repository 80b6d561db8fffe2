"""Numbers as people read them."""

import math
from collections.abc import Sequence

import pytest

from bench.comparing.numbers import duration, listed, number, with_interval


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (3.4219, (3.0871, 4.2533), "3.42 [3.09, 4.25]"),  # half width 0.58
        (0.123291, (0.121, 0.1251), "0.1233 [0.1210, 0.1251]"),  # half width 0.0021
        (12.3456, (12.2456, 12.4448), "12.35 [12.25, 12.44]"),  # half width 0.0996 rounds to 0.10
        (123.4, (20.0, 260.0), "123 [20, 260]"),
        (12345.6, (2000.0, 26000.0), "12,346 [2,000, 26,000]"),
        (3.03, (2.80, 75.42), "3.0 [2.8, 75.4]"),  # half width 36, but the lower end is near
        (10.0, (10.0, 10.0), "10 [10, 10]"),
        (4.25133, (4.25133, 4.25133), "4.25 [4.25, 4.25]"),
        (4.25133, None, "4.25"),
        (0.000123456, None, "0.000123"),
        (10.0, None, "10"),
        (9.9996, None, "10.0"),
        (math.nan, None, "-"),
        (None, None, "-"),
    ],
)
def test_uncertainty_decides_the_decimals(
    value: float | None, interval: tuple[float, float] | None, text: str
) -> None:
    assert with_interval(value, interval) == text


def test_differences_have_a_sign_and_zero_has_none() -> None:
    assert with_interval(-0.0, (-1.0, 0.0), sign=True) == "0.00 [-1.00, 0.00]"
    assert with_interval(0.24, (-0.062, 0.64), sign=True) == "+0.24 [-0.06, +0.64]"
    assert with_interval(-0.33, (-1.0, -0.001), sign=True) == "-0.33 [-1.00, -0.00]"
    # zero is within these bounds
    assert with_interval(0.013, (-3.3e-05, 0.085), sign=True) == "+0.013 [-0.000, +0.085]"
    assert number(-0.0) == "0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.4, "12 s"),
        (128.0, "2 min 08 s"),
        (59.7, "1 min 00 s"),
        (7500.0, "2 h 05 min"),
        (86400.0, "1 day 0 h"),
        (8 * 86400.0 + 6.5 * 3600, "8 days 6 h"),
    ],
)
def test_times_are_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (("a", "b", "c"), "a, b and c")]
)
def test_names_are_listed_as_a_sentence_has_them(names: Sequence[str], text: str) -> None:
    assert listed(names) == text
