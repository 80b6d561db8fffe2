"""The budget of a study: what counts, what is tried again, what each trial draws."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.execution.progress import Progress
from bench.runs import record
from bench.runs.run_folder import find
from bench.searching import trials
from bench.searching.journal_storage import JournalStorage
from bench.searching.plan import StudyPlan
from bench.searching.study_file import Sampler, StudyFile
from bench.searching.study_loop import create_study, end_text
from bench.searching.trial_outcomes import health_of, runs_of_trial
from bench.searching.trial_runs import TrialRuns
from bench.searching.worker import load_study, run_trial
from bench.system import paths
from bench.system.errors import WorkError

SETTINGS: dict[str, Any] = {
    "variant": "began-v3",
    "preset": "quick",
    "steps": 20,
    "eval_every": 10,
    "channels": 1,
    "experiment": "tried",
    "tracking": False,
}


def plan(**values: Any) -> StudyPlan:
    search = {"gamma": "declared", "lr": {"knobs": ["lr_g", "lr_d"]}}
    return StudyPlan("tried", StudyFile(**({"search": search} | values)), SETTINGS, "fd_digits_garments", "0")


def open_study(planned: StudyPlan) -> tuple[optuna.Study, JournalStorage]:
    storage = JournalStorage(planned.folder)
    return create_study(planned, storage), storage


def ask_all(planned: StudyPlan, sampler: str = "random") -> list[dict[str, Any]]:
    """Params of all trials of a study whose every trial has value 1."""
    study, storage = open_study(planned)
    while trial := trials.next_trial(study, storage, planned, "worker"):
        trials.finish_trial(study, trial, TrialState.COMPLETE, [1.0], "")
    return [trial.params for trial in study.get_trials()]


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def test_the_first_trial_has_todays_defaults_and_no_more_than_the_budget_are_taken() -> None:
    params = ask_all(plan(trials=3))
    assert params[0] == {"gamma": 1.0, "lr": 1e-3}
    assert len(params) == 3


# with equal values the Gaussian process proposes bounds, and one of them twice on some processors
@pytest.mark.parametrize(("sampler", "different"), [("random", 4), ("tpe", 4), ("gp", 3)])
def test_a_study_of_one_worker_draws_the_same_again(
    sampler: str, different: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = []
    for home in ("first", "second"):
        monkeypatch.setenv("BENCH_HOME", str(tmp_path / home))
        drawn.append(ask_all(plan(trials=5, sampler={"name": sampler, "startup_trials": 2})))
    assert drawn[0] == drawn[1]
    assert len({params["gamma"] for params in drawn[0]}) >= different


def test_another_seed_draws_something_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 1):
        monkeypatch.setenv("BENCH_HOME", str(tmp_path / str(seed)))
        drawn.append(ask_all(plan(trials=3, sampler=Sampler(seed=seed))))
    assert drawn[0][0] == drawn[1][0]
    assert drawn[0][1:] != drawn[1][1:]


def test_a_trial_whose_worker_died_is_retried_once_with_its_runs() -> None:
    planned = plan(trials=2)
    study, storage = open_study(planned)
    trial = trials.next_trial(study, storage, planned, "nobody holds this worker's lock")
    assert trial
    trial.set_user_attr(trials.RUNS, {"0": "abc"})
    assert [dead.number for dead in trials.fail_dead_trials(study, storage)] == [0]
    assert states(study) == ["FAIL", "WAITING"]
    assert trials.fail_dead_trials(study, storage) == []
    assert states(study) == ["FAIL", "WAITING"]
    again = trials.next_trial(study, storage, planned, "nor this one's")
    assert again
    assert again.number == 1
    assert again.params == trial.params
    assert again.user_attrs[trials.RUNS] == {"0": "abc"}
    trials.fail_dead_trials(study, storage)
    assert states(study) == ["FAIL", "FAIL"]
    assert trials.count_ended(study.get_trials()) == 1
    assert trials.has_budget_left(study.get_trials(), 2)


def test_a_stopped_trial_is_retried_however_often_it_was_stopped() -> None:
    planned = plan(trials=1)
    study, storage = open_study(planned)
    for stops in range(3):
        trial = trials.next_trial(study, storage, planned, "worker")
        assert trial
        trials.finish_trial(study, trial, TrialState.FAIL, None, trials.STOPPED)
        trials.fail_dead_trials(study, storage)
        assert states(study) == ["FAIL"] * (stops + 1) + ["WAITING"]
    trial = trials.next_trial(study, storage, planned, "worker")
    assert trial
    trials.finish_trial(study, trial, TrialState.COMPLETE, [1.0], "")
    assert trials.count_ended(study.get_trials()) == 1
    assert trials.next_trial(study, storage, planned, "worker") is None


def test_a_stopped_study_draws_the_same_params_as_an_unbroken_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned = plan(trials=5, sampler={"name": "random"})
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "whole"))
    whole = ask_all(planned)
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "stopped"))
    study, storage = open_study(planned)
    for stopped in (False, True, False):
        trial = trials.next_trial(study, storage, planned, "worker")
        assert trial
        values = None if stopped else [1.0]
        state = TrialState.FAIL if stopped else TrialState.COMPLETE
        trials.finish_trial(study, trial, state, values, trials.STOPPED if stopped else "")
    ask_all(planned)
    assert [trial.params for trial in study.get_trials() if trial.state == TrialState.COMPLETE] == whole


def test_a_trial_whose_run_cannot_start_has_not_failed(tmp_path: Path) -> None:
    planned = plan(trials=1)
    study, storage = open_study(planned)
    trial = trials.next_trial(study, storage, planned, "worker")
    assert trial
    nowhere = SETTINGS | {"dataset": "celeba", "data_root": str(tmp_path), "image_size": 32, "channels": 3}
    elsewhere = replace(planned, settings=nowhere)
    runs = TrialRuns(trial, elsewhere, None, Progress(quiet=True), lambda: False)
    with pytest.raises(WorkError, match="celeba"):
        run_trial(study, storage, trial, runs, Progress(quiet=True))
    assert len(trials.to_retry(study.get_trials())) == 1
    assert trials.count_ended(study.get_trials()) == 0


@pytest.mark.parametrize(
    ("file", "problem"), [("run.json", "has no schema number"), ("record.jsonl", "is damaged")]
)
def test_a_trial_whose_run_is_damaged_trains_that_seed_again(
    file: str, problem: str, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {"steps": 4, "eval_every": 2, "channels": None, "experiment": "tried"}
    unpruned = plan(trials=1, pruner={"collapse_after": 1})
    planned = replace(unpruned, settings=small.values | {"variant": "began-v3"} | few)
    study, storage = open_study(planned)
    trial = trials.next_trial(study, storage, planned, "worker")
    assert trial
    values = TrialRuns(trial, planned, None, Progress(quiet=True), lambda: False).train()
    (run_id,) = trial.user_attrs[trials.RUNS].values()
    damaged = paths.runs() / run_id / file
    damaged.write_bytes(b"{}\n")
    assert TrialRuns(trial, planned, None, Progress(quiet=True), lambda: False).train() == values
    assert trial.user_attrs[trials.RUNS]["0"] != run_id
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: seed")]
    assert line.startswith(f"warning: seed 0 is trained again: {damaged} {problem}")
    assert damaged.read_bytes() == b"{}\n"


def test_a_pruned_trial_keeps_the_median_the_verdict_and_the_name_of_its_run(small: SimpleNamespace) -> None:
    few = {"steps": 4, "eval_every": 2, "channels": None, "experiment": "tried"}
    pruner = {"startup_trials": 1, "warmup": 0, "collapse_after": 1}
    planned = replace(plan(pruner=pruner), settings=small.values | {"variant": "began-v3"} | few)
    _, storage = open_study(planned)
    study = load_study(planned, storage)
    # no real run comes so near
    for value in (0.01, 0.03):
        reported = {2: value, 4: value}
        study.add_trial(create_trial(value=value, intermediate_values=reported))
    trial = trials.next_trial(study, storage, planned, "worker")
    assert trial
    runs = TrialRuns(trial, planned, None, Progress(quiet=True), lambda: False)
    assert run_trial(study, storage, trial, runs, Progress(quiet=True)) == "median@2"
    ended = study.trials[trial.number]
    assert ended.user_attrs[trials.MEDIAN] == 0.02
    assert end_text(ended, planned).startswith(
        f"trial {ended.number} pruned: worse than the median at step 2 ("
    )
    assert " against 0.02)" in end_text(ended, planned)
    (run,) = runs_of_trial(ended, planned)
    folder = find(run.id)
    end = record.read(folder.record_path).end
    assert end is not None
    assert (run.seed, run.name, health_of(ended)) == (0, folder.describe().name, end.health)


def test_a_failed_trial_counts_and_is_not_retried() -> None:
    planned = plan(trials=1)
    study, storage = open_study(planned)
    trial = trials.next_trial(study, storage, planned, "worker")
    assert trial
    trials.finish_trial(study, trial, TrialState.FAIL, None, "MemoryError: too large")
    trials.fail_dead_trials(study, storage)
    assert states(study) == ["FAIL"]
    assert trials.next_trial(study, storage, planned, "worker") is None


def test_a_living_workers_trial_is_left_alone() -> None:
    planned = plan(trials=1)
    study, storage = open_study(planned)
    with storage.worker_lease("me"):
        trials.next_trial(study, storage, planned, "me")
        assert JournalStorage(planned.folder).count_other_workers(()) == 1
        assert JournalStorage(planned.folder).count_other_workers({"me"}) == 0
        assert trials.fail_dead_trials(study, JournalStorage(planned.folder)) == []
    assert storage.count_other_workers(()) == 0
    assert len(trials.fail_dead_trials(study, storage)) == 1


def test_a_worker_that_was_taken_for_dead_cannot_finish_its_trial() -> None:
    planned = plan(trials=1)
    study, storage = open_study(planned)
    trial = trials.next_trial(study, storage, planned, "dead, they say")
    assert trial
    trials.fail_dead_trials(study, storage)
    assert not trials.finish_trial(study, trial, TrialState.PRUNED, None, "median@10")
    found: FrozenTrial = study.get_trials()[0]
    assert found.state == TrialState.FAIL
    assert trials.REASON not in found.user_attrs


def test_one_process_leads_at_a_time() -> None:
    folder = plan().folder
    first, second = JournalStorage(folder), JournalStorage(folder)
    assert first.acquire_leadership()
    assert first.acquire_leadership()
    assert not second.acquire_leadership()


def test_a_half_line_of_a_killed_process_is_cut_off() -> None:
    planned = plan(trials=2)
    study, _ = open_study(planned)
    journal = planned.folder / "journal.log"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id"')
    again, storage = open_study(planned)
    trial = trials.next_trial(again, storage, planned, "worker")
    assert trial
    assert [
        t.number
        for t in optuna.load_study(
            study_name=planned.name, storage=JournalStorage(planned.folder).optuna
        ).get_trials()
    ] == [0]


def test_a_broken_journal_is_an_error_in_one_line() -> None:
    planned = plan(trials=2)
    open_study(planned)
    journal = planned.folder / "journal.log"
    journal.write_bytes(journal.read_bytes() + b"rubbish\n{}\n")
    with pytest.raises(WorkError, match="journal.log is broken"):
        JournalStorage(planned.folder)
