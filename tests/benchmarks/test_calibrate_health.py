"""The report of the calibration: tables of scores, bounds, mechanisms and signs."""

import numpy as np
import pytest
from calibrate_health import main, report
from click.testing import CliRunner
from verdict_cases import Case, append

REAL = {"vendi": 10.0, "spacing": 0.3, "authenticity": 0.6, "coverage": 0.95, "precision": 0.8}


def cases_of(data):
    random = np.random.default_rng(0)
    found = []
    for seed in range(2):
        for mechanism, degree, truth, changes in (
            ("samples repeated", 0.1, "collapsed", {"spacing": 0.0}),
            ("low rank", 1, "collapsed", {"vendi": 1.0, "spacing": 0.01}),
            ("samples repeated", 0.5, None, {"spacing": 0.0}),
            ("copies of training samples", 1, "memorised", {"authenticity": 0.0}),
            ("copies with noise", 0.05, "memorised", {"authenticity": 0.1}),
            ("real", 1, "well", {}),
            ("gamma", 0.7, "well", {"coverage": 0.9}),
        ):
            noise = {name: value * (1 + 0.01 * random.random()) for name, value in REAL.items()}
            found.append(Case(data, mechanism, degree, seed, truth, 100, noise | changes, REAL))
    return found


@pytest.fixture
def tables():
    return {part.partition("\n")[0]: part for part in report([*cases_of("mnist"), *cases_of("cifar10")])}


@pytest.mark.parametrize(
    ("title", "data", "recall", "false_alarms"),
    [
        ("## Collapse: mechanism left out", "mnist", "4 of 4: 1.000", "0 of 8: 0.000"),
        ("## Collapse: mechanism left out", "all", "8 of 8: 1.000", "0 of 16: 0.000"),
        ("## Memorisation: mechanism left out", "all", "8 of 8: 1.000", "0 of 8: 0.000"),
        ("## Memorisation: the rules of bench/health/verdict.py", "all", "8 of 8: 1.000", "0 of 8: 0.000"),
    ],
)
def test_scores_are_told_for_each_data_set_and_for_all(tables, title, data, recall, false_alarms):
    row = next(line for line in tables[title].splitlines() if line.startswith(f"| {data} "))
    assert recall in row
    assert false_alarms in row


def test_each_mechanism_has_its_flags_by_bounds_that_have_not_seen_it_and_by_the_rules(tables):
    rows = [row.split("|") for row in tables["## Collapse: by mechanism"].splitlines()]
    cells = {row[1].strip(): [cell.strip() for cell in row[2:-1]] for row in rows if len(row) > 3}
    assert cells["low rank"] == ["1", "collapsed", "4 of 4", "4 of 4", "-"]
    assert cells["gamma"] == ["0.7", "well", "0 of 4", "0 of 4", "-"]


def test_cases_between_the_clear_ones_are_in_a_table_of_their_own(tables):
    assert "| samples repeated |    0.5 |  4 of 4 |" in tables["## Collapse: between the clear cases"]
    assert "0.5" not in tables["## Collapse: by mechanism"]


def test_signs_that_the_data_lack_are_in_no_table_of_single_signs(tables):
    alone = tables["## Collapse: each sign alone"]
    assert "spacing" in alone
    assert "effective_classes" not in alone


def test_a_file_of_measured_cases_is_enough_for_the_tables(tmp_path):
    path = tmp_path / "cases.jsonl"
    for case in cases_of("mnist"):
        append(path, case)
    words = ["--cases", str(path), "--samples", "100", "--only", "mnist"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "mnist: not measured, its folder is not given" in result.output
    assert "## Collapse: mechanism left out" in result.output


def test_no_case_is_a_wrong_request(tmp_path):
    result = CliRunner().invoke(main, ["--cases", str(tmp_path / "none.jsonl"), "--only", "faces"])
    assert result.exit_code == 2
    assert "no cases of 1000 samples" in result.output
