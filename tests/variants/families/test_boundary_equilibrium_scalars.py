"""The alarms that the family declares, on drawn series, at steps that are known beforehand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from bench.health.alarms import alarms_of
from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.registry import all_variants

FAMILY = {name: cls for name, cls in all_variants().items() if issubclass(cls, BoundaryEquilibrium)}
CONSTRAINED = ["began-cs", "began-v3"]


def raised(variant: str, series: Mapping[str, Sequence[float]]) -> list[tuple[str, int, str]]:
    length = len(next(iter(series.values())))
    rows = [{"step": n + 1, **{name: values[n] for name, values in series.items()}} for n in range(length)]
    return [(each.kind, each.step, each.message) for each in alarms_of(rows, FAMILY[variant].scalars)]


@pytest.mark.parametrize("variant", FAMILY)
@pytest.mark.parametrize(
    ("k", "expected"),
    [
        ([0.0] * 499, []),
        ([0.0] * 500, [("k-at-0", 500)]),
        ([0.3] + [1.0] * 500, [("k-at-1", 501)]),
        ([0.0] * 499 + [1e-9] + [0.0] * 499, []),
        ([0.999] * 2000, []),
        (([0.0] * 600 + [1.0] * 600) * 2, [("k-at-0", 500), ("k-at-1", 1100), ("k-drop", 1251)]),
        ([0.4] * 1000 + [0.1] * 400, [("k-drop", 1067)]),
        ([0.4] * 1000 + [0.21] * 1000, []),
        (list(np.linspace(0.9, 0.3, 3500)), []),  # never by half within 1,000 steps
        ([0.009] * 1000 + [0.001] * 1000, []),  # next to nothing all the time
        ([0.5] * 190 + [0.1] * 2000, []),  # the overshoot at the beginning
        ([0.4] * 1000 + [0.0] * 49 + [0.4] * 1000, []),  # a dip shorter than half the window
    ],
)
def test_k_at_a_bound_or_fallen_suddenly_is_an_alarm(
    variant: str, k: list[float], expected: list[tuple[str, int]]
) -> None:
    assert [(kind, step) for kind, step, _ in raised(variant, {"k": k})] == expected


@pytest.mark.parametrize("variant", FAMILY)
def test_a_doubling_of_the_loss_of_real_samples_is_an_alarm(variant: str) -> None:
    # the mean is 0.2 + 0.0041 n, above 0.4 from the 49th step on
    loss = [0.2] * 300 + [0.61] * 100
    assert raised(variant, {"loss_real": loss}) == [
        ("loss-rising", 349, "loss_real rose from 0.2 to 0.401 (means of 100 steps)")
    ]
    assert raised(variant, {"loss_real": [0.2] * 300 + [0.399] * 400}) == []


@pytest.mark.parametrize("variant", FAMILY)
def test_a_rise_of_the_constraint_by_half_is_an_alarm_of_those_that_have_it(variant: str) -> None:
    # the mean is 0.2 + 0.0021 n, above 0.3 from the 48th step on
    found = raised(variant, {"loss_constraint": [0.2] * 300 + [0.41] * 100})
    assert [(kind, step) for kind, step, _ in found] == (
        [("constraint-rising", 348)] if variant in CONSTRAINED else []
    )
    assert raised(variant, {"loss_constraint": [0.2] * 300 + [0.299] * 400}) == []


@pytest.mark.parametrize("variant", FAMILY)
def test_k_must_not_stay_at_either_bound_and_m_selects_and_steers(variant: str) -> None:
    declared = {scalar.name: scalar for scalar in FAMILY[variant].scalars}
    assert {name: scalar.stuck_at for name, scalar in declared.items() if scalar.stuck_at} == {
        "k": (0.0, 1.0)
    }
    assert [name for name, scalar in declared.items() if scalar.selects] == ["M"]
    assert [name for name, scalar in declared.items() if scalar.steers] == ["M"]
    assert declared["M"].better == "lower"
