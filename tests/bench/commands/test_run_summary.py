"""What ``bench run`` prints at the end of a run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench.commands.run_summary import data, text
from bench.health.signs import COVERED, signs_of_collapse, text_of_signs
from bench.runs.result import RunResult, read_run
from bench.runs.run_folder import all_runs


@pytest.fixture(params=["began", "began-v3", "wgan-gp"])
def result(home: Path, request: pytest.FixtureRequest) -> RunResult:
    """The run of a variant, evaluated at the steps 4, 8 and 9, with planned checkpoints."""
    return next(read_run(run) for run in all_runs() if run.describe().config.variant == request.param)


def with_end(result: RunResult, **values: object) -> RunResult:
    """The run as if its end had been another."""
    assert result.record.end is not None
    end = result.record.end.model_copy(update=values)
    return replace(result, record=replace(result.record, end=end))


def with_best_at(result: RunResult, step: int) -> RunResult:
    """The run as if its distance had been the best at a step."""
    best = {**result.best, f"{result.description.metric}_best_step": step}
    return with_end(result, best=best)


def lines(result: RunResult) -> dict[str, list[str]]:
    """The cells of each line, by the first cell."""
    found = {}
    for line in text(result).splitlines():
        name, *cells = re.split(r" {2,}", line)
        found[name] = cells
    return found


def header(result: RunResult) -> list[str]:
    (line,) = (line for line in text(result).splitlines() if "  better" in line)
    return re.split(r" {2,}", line.strip())


def test_metrics_stand_beside_those_of_real_samples_and_their_better_direction(result: RunResult) -> None:
    shown = lines(with_best_at(result, 9))
    for name, value in result.metrics.items():
        declared, real = result.description.metrics[name], result.description.real[name]
        (*now, of_real, better) = shown[name]
        assert better == declared.better
        assert float(of_real) == pytest.approx(real, rel=1e-3)
        if name in COVERED:
            assert now == [f"{value:.0f} of {real:.0f}"]
        else:
            assert float(now[0]) == pytest.approx(value, rel=1e-3)


def test_a_best_distance_at_another_step_has_a_column_that_names_metric_and_step(result: RunResult) -> None:
    earlier = with_best_at(result, 4)
    first, last = result.record.evaluations[0], result.record.evaluations[-1]
    assert (first.step, last.step) == (4, 9)
    metric = result.description.metric
    assert header(earlier) == ["step 9", "real", "better", f"at best {metric}, step 4"]
    shown = lines(earlier)
    for name, value in first.values.items():
        assert float(shown[name][-1].partition(" of ")[0]) == pytest.approx(value, rel=1e-3)
        assert float(shown[name][0].partition(" of ")[0]) == pytest.approx(last.values[name], rel=1e-3)


def test_the_last_evaluation_as_the_best_has_no_second_column(result: RunResult) -> None:
    assert header(with_best_at(result, 9)) == ["step 9", "real", "better"]
    # a single evaluation, whatever the checkpoint with the best mean of a scalar is
    one = replace(result.record, evaluations=result.record.evaluations[-1:])
    assert header(replace(with_best_at(result, 9), record=one)) == ["step 9", "real", "better"]


def test_known_modes_are_counted_of_all_there_are(result: RunResult) -> None:
    names = tuple(f"mode {number}" for number in range(25))
    description = result.description.model_copy(
        update={
            "data": result.description.data.model_copy(update={"classes": names}),
            "real": {**result.description.real, "modes_covered": 24.0},
        }
    )
    last = result.record.evaluations[-1].model_copy(update={"modes_covered": 7})
    record = replace(result.record, evaluations=[*result.record.evaluations[:-1], last])
    assert lines(replace(result, description=description, record=record))["modes_covered"][0] == "7 of 25"


def test_scalars_have_the_mean_of_tables_and_the_steps_of_each_mean(result: RunResult) -> None:
    shown, frame = lines(result), bench.results().set_index("run_id")
    selecting = [scalar for scalar in result.description.scalars if scalar.selects]
    assert selecting
    for scalar in selecting:
        mean, steps, *_ = shown[scalar.name]
        assert float(mean) == pytest.approx(frame.loc[result.run.id, scalar.name], rel=1e-3)
        assert data(result)["means"][scalar.name] == frame.loc[result.run.id, scalar.name]
        assert steps == "step 9"
        best, steps, words = shown[f"{scalar.name}_best"]
        step = int(result.best[f"{scalar.name}_best_step"])
        saved = [0, *(each.step for each in result.record.checkpoints)]
        first = saved[saved.index(step) - 1] + 1
        rows = [row[scalar.name] for row in result.record.steps if first <= row["step"] <= step]
        assert float(best) == pytest.approx(sum(rows) / len(rows), rel=1e-3)
        assert steps == (f"steps {first} to {step}" if first < step else f"step {step}")
        assert words.startswith("highest" if scalar.better == "higher" else "lowest")


def test_a_best_mean_reaches_over_a_checkpoint_that_is_not_planned(result: RunResult) -> None:
    # as at the old end of an extended run
    checkpoints = [
        each.model_copy(update={"means": {}}) if each.step < 9 else each for each in result.record.checkpoints
    ]
    name = next(scalar.name for scalar in result.description.scalars if scalar.selects)
    altered = with_end(result, best={**result.best, f"{name}_best_step": 9})
    record = replace(altered.record, checkpoints=checkpoints)
    assert lines(replace(altered, record=record))[f"{name}_best"][1] == "steps 1 to 9"


def test_a_collapse_is_explained_by_its_signs(result: RunResult) -> None:
    last = result.record.evaluations[-1].model_copy(update={"vendi": 1.5, "classes_covered": 0})
    record = replace(result.record, evaluations=[last])
    collapsed = with_end(replace(result, record=record), health="collapsed@9")
    rules, real = result.description.health_rules, result.description.real
    assert "vendi" in signs_of_collapse(last.values, real, rules)
    words = text_of_signs(last.values, real, rules)
    assert data(collapsed)["signs"] == words
    said = " ".join(text(collapsed).split())
    assert f"health collapsed@9 signs {words} alarms" in said
    assert "unformed: no class covered" in said
    well = with_end(collapsed, health="ok")
    assert data(well)["signs"] == ""
    assert "signs" not in lines(well)


def test_it_names_figures_and_what_comes_next(result: RunResult) -> None:
    short = result.run.id[:6]
    assert lines(result)["figures"] == [f"none: bench plot {short} draws them"]
    for command in (f"bench plot {short}", f"bench eval {short}", "bench table"):
        assert command in text(result)
    assert read_run(short).run == result.run


def test_a_run_that_diverged_before_an_evaluation_has_facts_alone(home: Path) -> None:
    (diverged,) = (each for each in map(read_run, all_runs()) if not each.record.evaluations)
    shown = text(diverged)
    assert "diverged@" in shown
    assert "better" not in shown


def test_no_line_is_long_but_for_paths(result: RunResult) -> None:
    for line in text(with_best_at(result, 4)).splitlines():
        assert len(line) <= 110 or str(result.run.path) in line
