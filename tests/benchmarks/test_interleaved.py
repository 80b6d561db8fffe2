"""Sides take turns, and ratios are of turns."""

import pytest
from interleaved import Comparison, Side, compare, spread


class Counting(Side):
    def __init__(self, name, log):
        self.name, self.log, self.steps = name, log, 0

    def prepare(self, steps):
        self.log.append(f"{self.name} prepares")

    def advance(self, steps):
        self.steps += steps
        self.log.append(self.name)

    def rest(self):
        self.log.append(f"{self.name} rests")


def test_every_second_round_has_the_reverse_order():
    log = []
    sides = {name: Counting(name, log) for name in "abc"}
    compare(sides, 2, 3)
    turns = [entry for entry in log if entry in sides]
    assert turns[-9:] == [*"abc", *"cba", *"abc"]
    assert log[-3:] == ["c prepares", "c", "c rests"]


def test_all_sides_run_the_same_number_of_steps():
    sides = {name: Counting(name, []) for name in "abc"}
    comparison = compare(sides, 2, 3)
    assert len({side.steps for side in sides.values()}) == 1
    assert comparison.steps == 2
    assert {len(each) for each in comparison.seconds.values()} == {3}


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    comparison = Comparison(10, {"a": [2.0, 3.0, 8.0], "b": [1.0, 2.0, 2.0]})
    ratio = comparison.ratio("a", "b")
    assert ratio["of"] == "a / b"
    assert ratio["values"] == [2.0, 1.5, 4.0]
    assert ratio["median"] == 2.0
    assert ratio["quartiles"] == [1.75, 3.0]
    assert comparison.describe()["step_ms"] == {"a": 300.0, "b": 200.0}


def test_one_value_is_its_own_median():
    assert spread([3.0]) == {"median": 3.0, "quartiles": [3.0, 3.0], "values": [3.0]}
    assert spread([1.0, 2.0])["median"] == pytest.approx(1.5)
