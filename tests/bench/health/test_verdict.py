"""The health tag from recorded numbers."""

from __future__ import annotations

import pytest

from bench.health.verdict import RULES, Bounded, collapsed, memorised, verdict

REAL = {"effective_classes": 9.8, "vendi": 13.0, "authenticity": 0.66}
GOOD, BAD = REAL | {"effective_classes": 9.0}, REAL | {"effective_classes": 1.2}
COPIED, BOTH = GOOD | {"authenticity": 0.1}, BAD | {"authenticity": 0.1}


def test_a_sampler_has_memorised_by_any_sign_of_the_rules() -> None:
    assert not memorised(REAL, REAL)
    assert memorised(COPIED, REAL)
    assert not memorised(BAD, REAL)
    assert not memorised(COPIED, REAL, RULES.model_copy(update={"memorisation": ()}))


def test_a_sampler_has_collapsed_by_any_sign_of_the_rules() -> None:
    assert not collapsed(REAL, REAL)
    assert not collapsed(GOOD, REAL)
    assert collapsed(BAD, REAL)
    lenient = RULES.model_copy(update={"collapse": ()})
    assert not collapsed(BAD, REAL, lenient)


@pytest.mark.parametrize("name", ["k", "temperature", "alpha of layer 3"])
@pytest.mark.parametrize(
    ("evaluations", "values", "diverged_at", "expected"),
    [
        ([], None, None, "ok"),
        ([], [], None, "ok"),
        ([GOOD, GOOD], [0.0, 0.1, 0.2, 0.3], None, "ok"),
        ([GOOD, BAD, BAD], None, None, "collapsed@200"),
        ([BAD, BAD, BAD], None, None, "collapsed@100"),
        ([BAD, GOOD, BAD], None, None, "collapsed@300"),
        ([BAD, BAD, GOOD], None, None, "ok"),
        ([GOOD], [0.5, 0.5, 0.5, 0.0], None, "{}-stuck-0"),
        ([GOOD], [0.5, 0.5, 0.5, 1.0], None, "{}-stuck-1"),
        ([GOOD], [0.5] * 6 + [0.0, 1.0], None, "ok"),
        ([GOOD], [0.5] * 6 + [1.0, 0.999], None, "ok"),
        ([GOOD], [0.0, 0.0, 0.0], None, "ok"),
        ([GOOD, BAD], [0.0] * 8, None, "collapsed@200"),
        ([COPIED, COPIED], None, None, "memorised@100"),
        ([COPIED, GOOD, COPIED], None, None, "memorised@300"),
        ([COPIED, COPIED, GOOD], None, None, "ok"),
        ([COPIED, COPIED], [0.0] * 8, None, "memorised@100"),
        ([COPIED, COPIED], None, 150, "diverged@150"),
        ([COPIED, BOTH], None, None, "collapsed@200"),
        ([BOTH, COPIED], None, None, "memorised@100"),
        ([GOOD, BAD], [1.0] * 8, 150, "diverged@150"),
        ([], None, 0, "diverged@0"),
    ],
)
def test_verdict(
    evaluations: list[dict[str, float]],
    values: list[float] | None,
    diverged_at: int | None,
    expected: str,
    name: str,
) -> None:
    steps = [(100 * (place + 1), values) for place, values in enumerate(evaluations)]
    bounded = [] if values is None else [Bounded(name, values, (0.0, 1.0))]
    assert verdict(steps, REAL, bounded, diverged_at) == expected.format(name)


@pytest.mark.parametrize(("bound", "shown"), [(-1.0, "-1"), (0.25, "0.25"), (1e-6, "1e-06"), (100.0, "100")])
def test_a_scalar_is_stuck_at_the_bounds_that_are_declared_for_it(bound: float, shown: str) -> None:
    values = [0.5] * 6 + [bound] * 2
    assert verdict([], REAL, [Bounded("weight", values, (bound,))], None) == f"weight-stuck-{shown}"
    assert verdict([], REAL, [Bounded("weight", values, (0.0, 1.0, 3.0))], None) == "ok"
    assert verdict([], REAL, [Bounded("weight", values, ())], None) == "ok"


def test_of_several_stuck_scalars_the_one_declared_first_is_named() -> None:
    free = Bounded("a", [0.1, 0.2, 0.3, 0.4], (0.0,))
    first, second = Bounded("b", [2.0] * 8, (1.0, 2.0)), Bounded("c", [0.0] * 8, (0.0,))
    assert verdict([], REAL, [free, first, second], None) == "b-stuck-2"
    assert verdict([], REAL, [second, first], None) == "c-stuck-0"
