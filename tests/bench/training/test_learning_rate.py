import pytest

from bench.training.learning_rate import LearningRateRule


def test_no_rule_leaves_the_rate() -> None:
    rule = LearningRateRule("none", 10, 0.0)
    assert rule.halvings(10_000, []) == 0
    assert not any(rule.moves(step) for step in range(1, 50))


@pytest.mark.parametrize(("step", "halvings"), [(1, 0), (10, 0), (11, 1), (20, 1), (21, 2)])
def test_rates_halve_after_every_window(step: int, halvings: int) -> None:
    rule = LearningRateRule("halve_every", 10, 0.0)
    assert rule.halvings(step, []) == halvings
    assert rule.rate(1e-3, halvings) == 1e-3 / 2**halvings


def test_rates_halve_when_the_mean_of_m_is_no_lower_than_ever_before() -> None:
    rule = LearningRateRule("halve_on_stall", 2, 0.0)
    measure = [4.0, 4.0, 3.0, 3.0, 3.5, 3.5, 1.0, 2.0, 1.5, 1.5]
    assert [rule.halvings(step, measure) for step in (1, 3, 5, 7, 9, 11)] == [0, 0, 0, 1, 1, 2]


def test_the_floor_holds_but_never_raises_a_rate_that_starts_below_it() -> None:
    rule = LearningRateRule("halve_every", 1, 2e-5)
    assert rule.rate(1e-4, 10) == 2e-5
    assert rule.rate(1e-5, 10) == 1e-5


def test_rates_move_only_where_a_window_ends() -> None:
    rule = LearningRateRule("halve_on_stall", 5, 0.0)
    assert [step for step in range(1, 17) if rule.moves(step)] == [6, 11, 16]
