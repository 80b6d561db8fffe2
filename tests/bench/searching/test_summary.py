"""What a study amounts to, from real Optuna studies of a formula."""

import json
import math
import re
import shutil
from collections.abc import Sequence
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState

from bench.configuration import EXECUTION_SETTINGS, resolve
from bench.execution.progress import Progress
from bench.searching import trials as marks
from bench.searching.advice import nothing_completed
from bench.searching.importances import importances_of
from bench.searching.plan import StudyPlan
from bench.searching.study import StudiesResult, StudyResult
from bench.searching.study_file import StudyFile
from bench.searching.study_files import UNFINISHED, write_files
from bench.searching.study_loop import end_text
from bench.searching.summary import summarize

METRIC = "fd_digits_garments"
QUIET = Progress(quiet=True)
SEARCH = {"gamma": {}, "lr": {"knobs": ["lr_g", "lr_d"]}, "lambda_k": {}}
SETTINGS = {"variant": "began-v3", "steps": "100", "eval_every": 25, "threads": 2, "experiment": "elsewhere"}


def plan_of(**file: Any) -> StudyPlan:
    return StudyPlan("formula", StudyFile(**({"search": SEARCH, "trials": 20} | file)), SETTINGS, METRIC, "0")


def two_goals(**file: Any) -> StudyPlan:
    return plan_of(objectives=[{"metric": "frechet_distance"}, {"metric": "effective_classes"}], **file)


def study_of(plan: StudyPlan) -> optuna.Study:
    study = optuna.create_study(
        directions=[goal.direction for goal in plan.goals], sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.enqueue_trial(plan.space.params(plan.base) or {})
    return study


def values_of(params: dict[str, Any], plan: StudyPlan) -> list[float]:
    distance = 10 + 40 * (params["gamma"] - 0.6) ** 2 + (math.log10(params["lr"]) + 3.5) ** 2
    return [distance, 9 - 4 * params["gamma"] - abs(math.log10(params["lambda_k"]) + 2)][: len(plan.goals)]


def run_trial(
    study: optuna.Study,
    plan: StudyPlan,
    state: TrialState = TrialState.COMPLETE,
    steps: int | None = None,
    reason: str = "",
) -> FrozenTrial:
    """One trial: asked for, marked and told as a worker does it."""
    trial = study.ask(plan.space.distributions())
    values = values_of(trial.params, plan)
    taken = plan.steps_of_a_trial if steps is None else steps
    if len(plan.goals) == 1:
        for point in range(25, taken + 1, 25):
            trial.report(values[0] + 100 / point, point)
    trial.set_user_attr(marks.STEPS, taken)
    trial.set_user_attr(marks.MEASURED, {"0": {METRIC: values[0]}, "1": {METRIC: values[0] + 2}})
    if reason:
        trial.set_user_attr(marks.REASON, reason)
    study.tell(trial, values if state == TrialState.COMPLETE else None, state)
    return study.trials[trial.number]


def searched(plan: StudyPlan, count: int) -> optuna.Study:
    study = study_of(plan)
    for _ in range(count):
        run_trial(study, plan)
    return study


def beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a trial is better in both: less distance, more classes."""
    return one[0] <= other[0] and one[1] >= other[1] and tuple(one) != tuple(other)


@pytest.mark.parametrize(
    ("variant", "told"), [("began-v3", "kl_weight 0.02 on a KL averaged"), ("began", "")]
)
def test_the_variants_caveat_is_below_the_table(variant: str, told: str) -> None:
    plan = StudyPlan("f", StudyFile(search=SEARCH, trials=20), SETTINGS | {"variant": variant}, METRIC, "0")
    for count in (0, 2):
        result = summarize(searched(plan, count), plan)
        assert [told in note for note in result.notes] == ([True] if told else [])
        assert result.data()["notes"] == list(result.notes)
    assert told in result.text().replace("\\", "")


def test_the_best_is_compared_with_the_default() -> None:
    plan = plan_of(seeds=[3, 4])
    study = searched(plan, 12)
    result = summarize(study, plan)
    assert result.best
    assert result.best.number == study.best_trial.number
    assert result.front == [result.best]
    assert result.default
    assert result.default.number == 0
    assert [one.value for one in result.ranked] == sorted(one.value for one in study.trials)
    text = result.text()
    difference = study.best_value - study.trials[0].value
    assert f"trial {result.best.number}: {METRIC} {study.best_value:.4g}" in text
    assert f"{difference:+.4g} against the default" in text
    for said in ("budget of 20", "seeds 3, 4", "last evaluation", "luckiest", "too low", "0 (default)"):
        assert said in text


def test_a_study_is_one_line_in_python_and_a_table_in_a_notebook() -> None:
    plan = plan_of(trials=3)
    study = study_of(plan)
    empty = StudyResult(plan, summarize(study, plan), None, True)
    assert repr(empty) == f"StudySummary({plan.name}: 0 of 3 trials; best: no trial is complete)"
    assert "<table" not in empty._repr_html_()
    run_trial(study, plan)
    done = StudyResult(plan, summarize(study, plan), None, True)
    both = StudiesResult([empty, done], None)
    assert repr(both) == f"StudiesResult({empty!r}, {done!r}, winners=None)"
    assert f"{plan.name}: 1 of 3 trials; best: trial 0: {METRIC} {study.best_value:.4g}" in repr(done)
    for text in (repr(both), repr(plan)):
        assert "\n" not in text
        assert len(text) < 500
    assert both._repr_html_() == empty._repr_html_() + done._repr_html_()
    assert "<table" in done._repr_html_()


def test_the_summary_counts_steps_and_steps_saved_by_pruning() -> None:
    plan = plan_of(seeds=[0, 1])
    study = study_of(plan)
    run_trial(study, plan)
    run_trial(study, plan, TrialState.PRUNED, 50, "median@50")
    run_trial(study, plan, TrialState.PRUNED, 125, "collapsed@25")
    run_trial(study, plan, TrialState.FAIL, 30, "ValueError: no")
    result = summarize(study, plan)
    assert result.steps_taken == 200 + 50 + 125 + 30
    assert result.steps_elsewhere == 30
    assert result.steps_of_all == 3 * 200
    assert result.share_saved == pytest.approx(225 / 600)
    assert (result.counts["COMPLETE"], result.counts["PRUNED"], result.failed) == (1, 2, 1)
    assert result.pruned == {"median": 1, "collapsed": 1}
    assert result.spent == 4
    assert "1 complete, 2 pruned (1 median, 1 collapsed (collapse_after 0.5)), 1 failed" in result.text()
    assert "375 taken of 600 without pruning, 38% saved; 30 more" in result.text()


@pytest.mark.parametrize("select", ["last", "best"])
@pytest.mark.parametrize("health", [{"0": "ok"}, {"0": "ok", "7": "collapsed@75"}])
def test_the_best_trial_leads_to_its_runs_and_says_that_it_collapsed(
    select: str, health: dict[str, str]
) -> None:
    plan = plan_of(seeds=[int(seed) for seed in health], objectives=[{"select": select}])
    study = study_of(plan)
    trial = study.ask(plan.space.distributions())
    ids = {seed: f"{seed}a0b1c2d3e4" for seed in health}
    trial.set_user_attr(marks.RUNS, ids)
    trial.set_user_attr(marks.HEALTH, health)
    study.tell(trial, [4.5])
    run_trial(study, plan)
    result = summarize(study, plan)
    names = [f"v3 mnist-5k s{seed} {run_id[:6]}" for seed, run_id in ids.items()]
    told, has_collapsed = " and ".join(health.values()), len(health) > 1
    text = result.text().replace("\\", "")
    assert f"run of the best trial: {', '.join(names)}" in text
    at = " --checkpoint last" if select == "last" else ""
    assert f"- export: bench export v3-mnist-5k-s0-0a0b1c{at}\n" in text
    assert (f"- the best trial has collapsed: its health is {told}\n" in text) == has_collapsed
    (row,) = [line for line in text.splitlines() if line.startswith("| 0 (default)")]
    assert [cell.strip() for cell in row.split("|")][-3:-1] == [told, ", ".join(names)]
    best = result.data()["best"]
    assert isinstance(best, dict)
    assert best["runs"] == [
        {"seed": int(seed), "id": ids[seed], "name": name} for seed, name in zip(ids, names, strict=True)
    ]
    assert best["health"] == told
    write_files(study, plan, result, QUIET)
    listed = pd.read_csv(plan.folder / "trials.csv")
    assert [listed["health"][0], listed["runs"][0]] == [told, "; ".join(names)]
    assert listed["health"].isna()[1]
    said = (plan.folder / "best.yaml").read_text()
    assert f"# health: {told}\n# runs: {', '.join(names)}\n" in said


def test_a_retried_trial_counts_once() -> None:
    plan = plan_of(trials=1)
    study = study_of(plan)
    stopped = run_trial(study, plan, TrialState.FAIL, 50, marks.STOPPED)
    before = summarize(study, plan)
    assert (before.steps_taken, before.unfinished, before.failed, before.is_over) == (50, 1, 0, False)
    study.enqueue_trial(stopped.params, user_attrs={marks.STEPS: 50, marks.RETRY_OF: 0})
    assert summarize(study, plan).steps_taken == 50
    run_trial(study, plan)
    after = summarize(study, plan)
    assert (after.steps_taken, after.steps_of_all, after.share_saved) == (100, 100, 0)
    assert (after.replaced, after.unfinished, after.failed, after.spent) == (1, 0, 0, 1)
    assert after.is_over
    assert after.default
    assert after.default.number == 1
    assert "1 cut off and retried under a new number" in after.text()


def test_best_yaml_is_the_best_trials_configuration() -> None:
    plan = plan_of()
    study = searched(plan, 6)
    result = summarize(study, plan)
    assert result.best
    files = write_files(study, plan, result, QUIET)
    assert files == ["table.md", "trials.csv", "best.yaml", "importances.csv", "figures"]
    assert {path.name for path in plan.folder.iterdir()} == set(files)
    path = plan.folder / "best.yaml"
    read = resolve({}, path).flat()
    meant = plan.configuration(result.best.params, 7).flat()
    left_out = EXECUTION_SETTINGS | {"seed"}
    assert {k: v for k, v in read.items() if k not in left_out} == {
        k: v for k, v in meant.items() if k not in left_out
    }
    assert read["lr_g"] == read["lr_d"] == result.best.params["lr"]
    said = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert f"{plan.name}, trial {result.best.number}: {METRIC} {result.best.value!r}" in said[0]
    assert result.rule in said[1]
    assert "fresh seeds" in said[2]


def test_files_have_all_digits() -> None:
    plan = plan_of()
    study = searched(plan, 5)
    run_trial(study, plan, TrialState.PRUNED, 50, "median@50")
    result = summarize(study, plan)
    write_files(study, plan, result, QUIET)
    rows = pd.read_csv(plan.folder / "trials.csv", dtype=str)  # pandas reads some floats a bit off
    assert list(rows["state"]) == ["COMPLETE"] * 5 + ["PRUNED"]
    complete = rows[:5]
    assert [*map(float, complete[f"objective/{METRIC}"])] == [one.value for one in study.trials[:5]]
    assert [*map(float, complete[f"measured/{METRIC}"])] == pytest.approx(
        [one.value + 1 for one in study.trials[:5]]
    )
    # what a pruned trial reported last is no objective
    assert pd.isna(rows.loc[5, f"objective/{METRIC}"])
    assert float(rows.loc[5, "reported"]) == study.trials[5].intermediate_values[50]
    assert (rows.loc[5, "reported_at"], rows.loc[5, "steps"], rows.loc[5, "reason"]) == (
        "50",
        "50",
        "median@50",
    )
    assert [float(rows.loc[5, f"param/{name}"]) for name in SEARCH] == [
        study.trials[5].params[n] for n in SEARCH
    ]
    assert (plan.folder / "table.md").read_text() == result.text() + "\n"
    shares = pd.read_csv(plan.folder / "importances.csv", dtype=str)
    assert (
        dict(zip(shares["param"], map(float, shares["importance"]), strict=True))
        == result.importances[METRIC]
    )


def test_figures_are_drawn_again_only_if_the_trials_have_changed_or_a_kill_left_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = plan_of(search={"gamma": {}})
    study = study_of(plan)
    trial = study.ask(plan.space.distributions())
    study.tell(trial, [4.0])

    def drawn() -> bool:
        write_files(study, plan, summarize(study, plan), Progress())
        assert {"history.png", "history.svg"} <= {path.name for path in (plan.folder / "figures").iterdir()}
        assert not (plan.folder / UNFINISHED).exists()
        return "drawing figures" in capsys.readouterr().err.splitlines()

    assert [drawn(), drawn()] == [True, False]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.searching.figures.draw_study", die)
        study.tell(study.ask(plan.space.distributions()), [3.0])
        with pytest.raises(Killed):
            drawn()
    capsys.readouterr()
    assert [drawn(), drawn()] == [True, False]
    shutil.rmtree(plan.folder / "figures")
    assert drawn()


class Killed(BaseException):
    """Stands for the death of the process."""


def die(*_: Any) -> None:
    raise Killed


@pytest.mark.filterwarnings("ignore")
def test_importances_equal_optunas() -> None:
    plan = plan_of()
    study = searched(plan, 20)
    found = importances_of(study, plan)[METRIC]
    assert found == optuna.importance.get_param_importances(study)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    several = two_goals()
    study = searched(several, 20)
    both = importances_of(study, several)
    assert both[METRIC] == optuna.importance.get_param_importances(study, target=lambda t: t.values[0])
    # PED-ANOVA takes low values of a target for good ones
    assert both["effective_classes"] == optuna.importance.get_param_importances(
        study, target=lambda t: -t.values[1]
    )


def test_three_trials_have_no_importances() -> None:
    plan = plan_of()
    study = searched(plan, 3)
    assert summarize(study, plan).importances == {}
    run_trial(study, plan)
    assert set(summarize(study, plan).importances[METRIC]) == set(SEARCH)


def test_several_objectives_have_a_pareto_front() -> None:
    plan = two_goals()
    study = searched(plan, 15)
    result = summarize(study, plan)
    free = [one for one in study.trials if not any(beats(other.values, one.values) for other in study.trials)]
    assert len(free) > 1
    assert {one.number for one in result.front} == {one.number for one in free}
    assert result.best
    assert result.best.values[0] == min(one.values[0] for one in study.trials)
    assert result.front[0] == result.best
    old = plan.folder / "front" / "trial-99.yaml"
    old.parent.mkdir(parents=True)
    old.write_text("of an earlier front")
    assert "front" in write_files(study, plan, result, QUIET)
    names = {path.name for path in old.parent.iterdir()}
    assert names == {f"trial-{one.number}.yaml" for one in free}
    one = result.front[-1]
    read = resolve({}, old.parent / f"trial-{one.number}.yaml")
    assert (read.flat()["gamma"], read.flat()["lr_g"]) == (one.params["gamma"], one.params["lr"])
    text = result.text()
    assert (
        f"- {len(free)} trials stand on the Pareto front; the best in {METRIC}: trial {result.best.number}"
        in text
    )
    # all of them are rows of one table
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert {int(re.findall(r"\d+", row)[0]) for row in rows} >= {one.number for one in result.front[:10]}
    assert "{" not in text


def test_without_a_complete_trial_there_is_no_best() -> None:
    plan = plan_of()
    study = study_of(plan)
    assert write_files(study, plan, summarize(study, plan), QUIET) == ["table.md", "trials.csv"]
    run_trial(study, plan, TrialState.PRUNED, 50, "collapsed@50")
    result = summarize(study, plan)
    assert (result.best, result.front, result.importances) == (None, [], {})
    assert result.default
    assert result.default.state == TrialState.PRUNED
    assert "no trial is complete" in result.text()
    assert "best.yaml" not in write_files(study, plan, result, QUIET)


@pytest.mark.parametrize("goals", [1, 2])
@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        (
            TrialState.PRUNED,
            "collapsed@50",
            "of 2 that ended, 2 collapsed; a collapsed evaluation from step 50 of 100",
        ),
        (TrialState.PRUNED, "diverged@3", "of 2 that ended, 2 diverged; search lower learning rates"),
        (TrialState.FAIL, "ValueError: no", "of 2 that ended, 2 failed; the reasons stand in trials.csv"),
    ],
)
def test_a_study_in_which_nothing_was_completed_says_why_and_what_to_change(
    state: TrialState, reason: str, told: str, goals: int
) -> None:
    plan = (plan_of if goals == 1 else two_goals)()
    study = study_of(plan)
    for _ in range(2):
        run_trial(study, plan, state, 50, reason)
    line = nothing_completed(summarize(study, plan))
    assert line.startswith(f"study {plan.name}: no trial was completed")
    assert told in line
    assert ("collapse_after: 1" in line) == (reason == "collapsed@50")
    assert ("a changed file is another study, which begins anew" in line) == (state == TrialState.PRUNED)
    assert "{" not in line
    assert "\n" not in line


def test_a_study_that_had_no_time_says_so() -> None:
    plan = plan_of()
    line = nothing_completed(summarize(study_of(plan), plan))
    assert line.endswith("none has ended: give the same command again, with a longer --timeout")


def test_the_end_of_a_trial_is_told_with_values_health_and_reason() -> None:
    plan = two_goals()
    study = study_of(plan)
    done, pruned = run_trial(study, plan), run_trial(study, plan, TrialState.PRUNED, 50, "collapsed@50")
    tried = ", ".join(f"{name} {value:.4g}" for name, value in done.params.items())
    distance, classes = done.values
    values = f"{METRIC} {distance:.4g}, effective_classes {classes:.4g}"
    assert end_text(done, plan) == f"trial 0 complete: {values}, took 0 s ({tried})"
    assert end_text(pruned, plan).startswith(
        "trial 1 pruned: collapsed at step 50 (collapse_after 0.5), took 0 s ("
    )
    trial = study.ask(plan.space.distributions())
    trial.set_user_attr(marks.HEALTH, {"0": "ok", "1": "collapsed@75"})
    study.tell(trial, done.values)
    assert ", health ok and collapsed@75, took" in end_text(study.trials[-1], plan)


def test_data_is_json() -> None:
    plan = plan_of()
    study = searched(plan, 5)
    run_trial(study, plan, TrialState.PRUNED, 0, "diverged@3")
    result = summarize(study, plan)
    assert result.best
    data = json.loads(json.dumps(result.data(), allow_nan=False))
    assert data["best"]["values"] == {METRIC: result.best.value}
    assert data["best"]["params"] == result.best.params
    assert [row["number"] for row in data["trials"]] == list(range(6))
    assert data["trials"][5][f"objective/{METRIC}"] is None
    assert data["share_saved"] == pytest.approx(1 / 6)
    assert data["counts"]["PRUNED"] == 1
