"""A study in a real SQLite store, shown through real tracking processes that are really killed."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.execution.progress import Progress
from bench.execution.setup import set_up
from bench.runs import run_folder
from bench.runs.description import StudyTrial
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.tracking.messages import ParentRun, ParentSummary, StudySnapshot, TrialSnapshot
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store

STUDY = "gamma-began-v3-1a2b3c"
PARENT = ParentRun(
    experiment="search",
    name=STUDY,
    identity=("study.hash", "5" * 64),
    tags={"optuna.study": STUDY, "data.hash": "d" * 64},
    params={"variant": "began-v3", "steps": 9, "epochs": None, "search.gamma": "0.3 to 0.9"},
    command=["study", "run", "file.yaml"],
)


@pytest.fixture
def tracker() -> Iterator[TrackingProcess]:
    process = TrackingProcess()
    yield process
    process.close()


def store() -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{paths.results() / 'mlflow.db'}")


def trial(number: int, state: str = "RUNNING", **values: Any) -> TrialSnapshot:
    return TrialSnapshot(number, state, started=1000, **values)


def show(tracker: TrackingProcess, parent: str, *trials: TrialSnapshot, best: Any = None) -> None:
    assert (
        tracker.show_trials(StudySnapshot(parent, STUDY, "search", list(trials), best or {}), current_store())
        is None
    )


def children(parent: str) -> dict[str, Any]:
    """The runs right below the study's run, by name; fails where two have one name."""
    client = store()
    experiment = client.get_run(parent).info.experiment_id
    runs = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def statuses(parent: str) -> dict[str, str]:
    return {name: run.info.status for name, run in children(parent).items()}


def points(run_id: str, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in store().get_metric_history(run_id, name)]


def begin_seed(small: SimpleNamespace, tracker: TrackingProcess, parent: str, number: int) -> RunFolder:
    """A seed's run of a trial, as it is before its first step."""
    setup = set_up(small.tiny("began", tracking=True, experiment="search"), Progress(True))
    trial = StudyTrial(name=STUDY, trial=number)
    described = setup.describe("none", "a seed", parent, trial)
    run_id = tracker.create(described, current_store())
    return run_folder.create(described.model_copy(update={"id": run_id}))


def cut_off(tracker: TrackingProcess) -> None:
    """Kill -9 a tracking process, which so ends nothing in the store."""
    tracker._process.kill()
    assert tracker.close() is not None


def test_a_studys_run_shows_what_is_searched(tracker: TrackingProcess) -> None:
    parent = tracker.open_parent(PARENT, current_store())
    seen = store().get_run(parent)
    assert seen.info.status == "RUNNING"
    assert seen.info.run_name == STUDY
    assert seen.data.tags["optuna.study"] == STUDY
    assert seen.data.tags["study.hash"] == "5" * 64
    assert seen.data.tags["data.hash"] == "d" * 64
    assert seen.data.tags["mlflow.source.name"] == "bench study run file.yaml"
    assert seen.data.params == {
        "variant": "began-v3",
        "steps": "9",
        "epochs": "",
        "search.gamma": "0.3 to 0.9",
    }
    assert tracker.open_parent(PARENT, current_store()) == parent
    show(tracker, parent, best={"fd": {0: 9.0, 4: 7.0}})
    # a trial that took longer may be shown after a later one
    show(tracker, parent, best={"fd": {0: 9.0, 2: 8.0, 4: 7.0}})
    assert sorted(points(parent, "best/fd")) == [(0, 9.0), (2, 8.0), (4, 7.0)]
    assert "bench study run file.yaml" in seen.data.tags["mlflow.note.content"]
    summary = ParentSummary([], "- best: trial 3", [], "FINISHED")
    assert tracker.finish_parent(parent, summary, paths.results(), current_store()) is None
    assert store().get_run(parent).info.status == "FINISHED"
    note = store().get_run(parent).data.tags["mlflow.note.content"]
    assert note == "- best: trial 3\n\n```sh\nbench study run file.yaml\n```"
    # numbers of the whole study are in its files: as charts of one bar they would hide those of the trials
    assert set(store().get_run(parent).data.metrics) == {"best/fd"}
    assert tracker.close() is None
    assert store().get_run(parent).info.status == "FINISHED"


def test_a_study_whose_command_ends_early_is_killed(tracker: TrackingProcess) -> None:
    parent = tracker.open_parent(PARENT, current_store())
    # to leave a run is not to leave the study
    assert tracker.finish_run() is None
    assert store().get_run(parent).info.status == "RUNNING"
    assert tracker.close() is None
    assert store().get_run(parent).info.status == "KILLED"


def test_each_trial_is_one_run_with_the_trials_state(tracker: TrackingProcess) -> None:
    parent = tracker.open_parent(PARENT, current_store())
    show(tracker, parent, *(trial(number) for number in range(5)))
    assert set(statuses(parent).values()) == {"RUNNING"}
    final = [
        trial(
            0,
            "COMPLETE",
            params={"gamma": 0.5, "norm": None},
            values={"fd": 7.5},
            intermediate={"fd": {4: 9.0, "8": 7.5}},
            finished=61000,
        ),
        trial(1, "PRUNED", reason="worse than the median", intermediate={"fd": {4: 90.0}}),
        trial(2, "FAIL", reason="diverged@7"),
        trial(3, "FAIL", reason="stopped"),
        trial(4),
    ]
    show(tracker, parent, *final)
    show(tracker, parent, *final)
    seen = children(parent)
    assert statuses(parent) == {
        "trial 0": "FINISHED",
        "trial 1": "KILLED",
        "trial 2": "FAILED",
        "trial 3": "KILLED",
        "trial 4": "RUNNING",
    }
    complete = seen["trial 0"]
    assert complete.data.tags["optuna.study"] == STUDY
    assert complete.data.tags["optuna.trial"] == "0"
    assert complete.data.tags["optuna.state"] == "COMPLETE"
    assert complete.data.params == {"gamma": "0.5", "norm": ""}
    assert complete.data.metrics == {"eval/fd": 7.5, "objective/fd": 7.5}
    assert points(complete.info.run_id, "eval/fd") == [(4, 9.0), (8, 7.5)]
    assert (complete.info.start_time, complete.info.end_time) == (1000, 61000)
    assert seen["trial 1"].data.tags["optuna.state"] == "PRUNED"
    assert seen["trial 1"].data.tags["reason"] == "worse than the median"
    assert seen["trial 2"].data.tags["reason"] == "diverged@7"


def test_after_a_killed_tracking_process_nothing_is_shown_twice() -> None:
    first = TrackingProcess()
    parent = first.open_parent(PARENT, current_store())
    best = {"fd": {0: 9.0}}
    running = trial(1, intermediate={"fd": {8: 6.0}})
    complete = trial(0, "COMPLETE", params={"gamma": 0.5}, values={"fd": 9.0}, intermediate={"fd": {4: 9.0}})
    show(first, parent, complete, running, best=best)
    before = {name: run.info.run_id for name, run in children(parent).items()}
    cut_off(first)

    second = TrackingProcess()
    assert second.open_parent(PARENT, current_store()) == parent
    # one point that is new comes before one that was sent
    running = trial(1, intermediate={"fd": {4: 8.0, 8: 6.0}})
    show(second, parent, complete, running, best=best)
    assert {name: run.info.run_id for name, run in children(parent).items()} == before
    assert points(before["trial 0"], "eval/fd") == [(4, 9.0)]
    assert points(before["trial 0"], "objective/fd") == [(0, 9.0)]
    assert sorted(points(before["trial 1"], "eval/fd")) == [(4, 8.0), (8, 6.0)]
    assert points(parent, "best/fd") == [(0, 9.0)]
    second.close()


def test_wrong_content_of_the_store_is_corrected() -> None:
    first = TrackingProcess()
    parent = first.open_parent(PARENT, current_store())
    show(first, parent, trial(0), trial(1, "COMPLETE"), trial(2))
    cut_off(first)
    seen = children(parent)
    store().update_run(seen["trial 1"].info.run_id, status="RUNNING")
    store().set_tag(seen["trial 1"].info.run_id, "optuna.state", "RUNNING")
    store().set_terminated(seen["trial 2"].info.run_id, status="FAILED")

    second = TrackingProcess()
    show(second, parent, trial(0, "FAIL", reason="its worker died"), trial(1, "COMPLETE"), trial(2))
    assert statuses(parent) == {"trial 0": "FAILED", "trial 1": "FINISHED", "trial 2": "RUNNING"}
    assert children(parent)["trial 1"].data.tags["optuna.state"] == "COMPLETE"
    second.close()


def test_a_run_that_a_retry_resumes_belongs_to_the_retry(
    small: SimpleNamespace, tracker: TrackingProcess
) -> None:
    parent = tracker.open_parent(PARENT, current_store())
    seed = begin_seed(small, tracker, parent, 0)
    tags = store().get_run(seed.id).data.tags
    assert (tags["optuna.study"], tags["optuna.trial"]) == (STUDY, "0")
    show(tracker, parent, trial(0, runs=[seed.id]))
    home = {name: run.info.run_id for name, run in children(parent).items()}
    assert list(home) == ["trial 0"]
    assert store().get_run(seed.id).data.tags["mlflow.parentRunId"] == home["trial 0"]

    show(tracker, parent, trial(0, "FAIL", runs=[seed.id]), trial(1, runs=[seed.id]))
    home = {name: run.info.run_id for name, run in children(parent).items()}
    assert sorted(home) == ["trial 0", "trial 1"]
    seen = store().get_run(seed.id)
    assert seen.data.tags["mlflow.parentRunId"] == home["trial 1"]
    # the retry trains it
    assert seen.info.status == "RUNNING"


def test_a_run_that_no_process_trains_ends_with_its_trial(small: SimpleNamespace) -> None:
    first = TrackingProcess()
    parent = first.open_parent(PARENT, current_store())
    left, trained, elsewhere, damaged = (begin_seed(small, first, parent, 0) for _ in range(4))
    damaged.record_path.write_text('{"step": 2}\n')
    (elsewhere.path / "run.json").unlink()
    elsewhere.path.rename(elsewhere.path.with_name("moved"))
    cut_off(first)

    second = TrackingProcess()
    ids = [left.id, trained.id, elsewhere.id, damaged.id, "made-without-tracking"]
    with trained.lock():
        show(second, parent, trial(0, runs=ids))
        assert store().get_run(left.id).info.status == "RUNNING"
        show(second, parent, trial(0, "FAIL", runs=ids))
        assert store().get_run(left.id).info.status == "KILLED"
        assert store().get_run(damaged.id).info.status == "KILLED"
        assert store().get_run(trained.id).info.status == "RUNNING"
    show(second, parent, trial(0, "FAIL", runs=ids))
    assert store().get_run(trained.id).info.status == "KILLED"
    assert store().get_run(elsewhere.id).info.status == "RUNNING"
    second.close()


def test_a_store_that_is_away_is_reported_and_catches_up(
    tracker: TrackingProcess, bench_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = tracker.open_parent(PARENT, current_store())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    problem = tracker.show_trials(StudySnapshot(parent, STUDY, "search", [trial(0)]), current_store())
    assert problem is not None
    assert "127.0.0.1" in problem
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    show(tracker, parent, trial(0))
    assert statuses(parent) == {"trial 0": "RUNNING"}
