"""Estimates of the time left, against arithmetic by hand."""

import pytest

from bench.execution.time_left import time_left, time_left_text


@pytest.mark.parametrize(
    ("ended", "running", "waiting", "workers", "seconds"),
    [
        ([], [5.0], 3, 1, None),
        ([60.0], [], 0, 1, 0.0),
        ([60.0], [], 5, 1, 300.0),
        ([50.0, 70.0], [20.0], 2, 1, 40 + 120.0),
        ([60.0, 60.0], [0.0], 2, 2, 90.0),
        # one is left: the other worker cannot help
        ([60.0], [10.0], 0, 4, 50.0),
        ([60.0], [10.0], 1, 4, 60.0),
        # it takes longer than the others did
        ([60.0], [100.0], 0, 1, 0.0),
    ],
)
def test_what_is_left_takes_as_long_as_what_has_ended(
    ended: list[float], running: list[float], waiting: int, workers: int, seconds: float | None
) -> None:
    assert time_left(ended, running, waiting, workers) == seconds


def test_nothing_left_is_not_said() -> None:
    assert time_left_text(None) == time_left_text(0.0) == ""
    assert time_left_text(125.2) == "; about 2 min 05 s left"
