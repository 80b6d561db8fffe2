"""The simulation makes the intervals that tables have, of populations whose true values are known."""

import json
from pathlib import Path

import interval_coverage
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from bench.comparing import statistics

GROUPS, COUNT = 6, 5


@pytest.fixture
def sides(monkeypatch):
    monkeypatch.setattr(interval_coverage, "RESAMPLES", statistics.RESAMPLES)
    # several parts
    monkeypatch.setattr(interval_coverage, "MAX_AT_ONCE", 4 * statistics.RESAMPLES * COUNT)
    return interval_coverage.pairs("log-normal", np.random.default_rng(0), (GROUPS, COUNT))


def single(kind, ours, theirs):
    if kind == "iqm":
        return statistics.interval(ours)
    if kind == "difference":
        return statistics.paired_difference(ours, theirs)[1]
    return statistics.probability_of_improvement(ours, theirs, "lower")[1]


@pytest.mark.parametrize("kind", ["iqm", "difference", "improvement"])
def test_intervals_of_many_groups_are_those_of_each_alone(kind, sides):
    low, high = interval_coverage.of_tables(kind, *sides)
    for group in range(GROUPS):
        alone = single(kind, sides[0][group], sides[1][group])
        assert (low[group], high[group]) == pytest.approx(alone, rel=1e-12)


def test_the_truth_of_the_normal_population_is_known():
    true = interval_coverage.truth("normal")
    # differences of two such values have the deviation sqrt(2)
    expected = {"iqm": 0.0, "difference": -1.0, "improvement": stats.norm.cdf(1 / np.sqrt(2))}
    assert true == pytest.approx(expected, abs=0.005)


def test_one_run_in_ten_is_far_away():
    ours, _ = interval_coverage.pairs("one in ten collapsed", np.random.default_rng(0), (200_000,))
    assert np.mean(ours > 5) == pytest.approx(0.1, abs=0.005)


def test_the_interval_of_three_runs_by_t_is_the_textbooks():
    values = np.array([[1.0, 2.0, 4.0]])
    low, high = interval_coverage.of_trimmed_t(values)
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values[0]))
    assert (low[0], high[0]) == pytest.approx(expected)


def test_a_kept_result_is_shown_and_a_missing_folder_refused_at_once(tmp_path):
    kept = Path(interval_coverage.__file__).parent / "results" / "any-machine" / "interval_coverage.json"
    shown = CliRunner().invoke(interval_coverage.main, ["--from", str(kept)])
    assert shown.exit_code == 0
    at_five = json.loads(kept.read_text())["coverage"]["iqm"]["normal"]["5"]
    (line,) = [line for line in shown.output.split("\n\n")[0].splitlines() if line.startswith("| normal")]
    assert f"{at_five:.2f}" in line
    refused = CliRunner().invoke(interval_coverage.main, ["--json", str(tmp_path / "no" / "file")])
    assert refused.exit_code == 2
    assert "there is no folder" in refused.output
