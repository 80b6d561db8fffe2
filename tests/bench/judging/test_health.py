"""The health tag from recorded numbers."""

from __future__ import annotations

import pytest

from bench.judging.health import collapsed, verdict

REAL = {"effective_classes": 9.8, "vendi": 13.0, "coverage": 0.96, "duplicates": 0.01, "kid": 0.0}
GOOD, BAD = REAL | {"effective_classes": 9.0}, REAL | {"effective_classes": 1.2}


@pytest.mark.parametrize(
    ("name", "value"), [("effective_classes", 1.0), ("vendi", 1.0), ("coverage", 0.01), ("duplicates", 1.0)]
)
def test_one_sign_is_enough(name: str, value: float) -> None:
    assert not collapsed(REAL, REAL)
    assert collapsed(REAL | {name: value}, REAL)


def test_what_real_samples_lack_says_nothing() -> None:
    assert not collapsed({"effective_classes": 1.0}, {"vendi": 13.0})
    assert not collapsed({"effective_classes": 0.0}, {"effective_classes": 0.0})


@pytest.mark.parametrize(
    ("evaluations", "k", "diverged_at", "expected"),
    [
        ([], None, None, "ok"),
        ([], [], None, "ok"),
        ([GOOD, GOOD], [0.0, 0.1, 0.2, 0.3], None, "ok"),
        ([GOOD, BAD, BAD], None, None, "collapsed@200"),
        ([BAD, BAD, BAD], None, None, "collapsed@100"),
        ([BAD, GOOD, BAD], None, None, "collapsed@300"),
        ([BAD, BAD, GOOD], None, None, "ok"),
        ([GOOD], [0.5, 0.5, 0.5, 0.0], None, "k-stuck-0"),
        ([GOOD], [0.5, 0.5, 0.5, 1.0], None, "k-stuck-1"),
        ([GOOD], [0.5] * 6 + [0.0, 1.0], None, "ok"),
        ([GOOD], [0.5] * 6 + [1.0, 0.999], None, "ok"),
        ([GOOD], [0.0, 0.0, 0.0], None, "ok"),
        ([GOOD, BAD], [0.0] * 8, None, "collapsed@200"),
        ([GOOD, BAD], [1.0] * 8, 150, "diverged@150"),
        ([], None, 0, "diverged@0"),
    ],
)
def test_verdict(
    evaluations: list[dict[str, float]], k: list[float] | None, diverged_at: int | None, expected: str
) -> None:
    steps = [(100 * (place + 1), values) for place, values in enumerate(evaluations)]
    assert verdict(steps, REAL, k, diverged_at) == expected
