"""The drills: what they count, and that the page shows the kept result."""

import json
import os
import sys
from pathlib import Path

import drill
import pytest
from faults import Tally, first_problem
from faults.forked import call
from faults.processes import Ended

from bench.cli import main

ROOT = Path(__file__).parents[2]


def test_a_fault_is_handled_only_if_every_trial_was() -> None:
    tally = Tally("fault", "expected")
    assert not tally.passed()
    tally.add(None)
    assert tally.passed()
    tally.add("it broke")
    assert not tally.passed()
    assert tally.row() == ["fault", "2", "1 of 2: expected"]
    assert Tally("fault", "expected", skipped="no root").row()[2] == "not tried: no root"


@pytest.mark.parametrize(
    ("ended", "problem"),
    [
        (Ended(2, "", "bench: wrong\n"), None),
        (Ended(0, "", "bench: wrong\n"), "status 0"),
        (Ended(2, "", ""), "0 lines"),
        (Ended(2, "", "bench: wrong\nbench: again\n"), "2 lines"),
        (Ended(2, "", "Traceback (most recent call last)\nbench: wrong\n"), "traceback"),
    ],
)
def test_a_refusal_is_one_line_with_the_right_status(ended: Ended, problem: str | None) -> None:
    found = ended.one_line(2)
    assert found is None if problem is None else found is not None and found.startswith(problem)


def test_the_first_problem_is_reported() -> None:
    assert first_problem([None, "a", "b"]) == "a"
    assert first_problem([None]) is None


def test_a_forked_command_has_its_own_output_environment_and_folder(tmp_path: Path) -> None:
    def program() -> int:
        print(os.environ["NAME"], os.getcwd())
        print("to people", file=sys.stderr)
        return 7

    folder = tmp_path / "current"
    assert call(program, {"NAME": "value"}, folder) == Ended(7, f"value {folder}\n", "to people\n")


def test_a_forked_command_that_raises_shows_its_traceback(tmp_path: Path) -> None:
    def program() -> int:
        raise ValueError("broken")

    ended = call(program, {}, tmp_path / "current")
    assert ended.status != 0
    assert "Traceback" in ended.err


def test_a_forked_command_is_the_command_line(tmp_path: Path) -> None:
    ended = call(lambda: main(["runn"]), {"BENCH_HOME": str(tmp_path / "home")}, tmp_path / "current")
    assert ended.one_line(2) is None


def test_the_page_shows_the_stored_result_with_every_fault_handled() -> None:
    kept = json.loads((ROOT / "benchmarks/results/two-cpu-cores/faults.json").read_text())
    assert drill.show(kept) in (ROOT / "docs/faults.md").read_text()
    tallies = [Tally(**tally) for tally in kept["tallies"]]
    assert all(tally.passed() for tally in tallies)
    assert kept["command"] == ["--json", "benchmarks/results/two-cpu-cores/faults.json"]
    by_fault = {tally.fault: tally.tried for tally in tallies}
    assert sum(tried for fault, tried in by_fault.items() if "kill -9" in fault) >= 30
    assert by_fault["wrong request"] >= 240
    assert sum(tried for fault, tried in by_fault.items() if "picture" in fault) >= 200
