"""bench studies: the list of studies, and their deletion with all that belongs to them."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from bench.cli import main
from bench.execution import deletion
from bench.runs import run_folder
from bench.searching import study_list, trials
from bench.searching.journal_storage import JournalStorage
from bench.searching.plan import StudyPlan
from bench.searching.study_file import StudyFile
from bench.searching.study_loop import create_study, show_study
from bench.system import paths
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store

SETTINGS: dict[str, Any] = {"preset": "quick", "steps": 20, "channels": 1, "experiment": "tried"}


def searched(variant: str, *values: float, budget: int = 2) -> StudyPlan:
    """The plan of a study whose trials ended with these values, without training."""
    file = StudyFile(search={"gamma": "declared"}, trials=budget)
    plan = StudyPlan("tried", file, SETTINGS | {"variant": variant}, "fd_digits_garments", "0")
    study, storage = opened(plan)
    for value in values:
        trial = trials.next_trial(study, storage, plan, "worker")
        assert trial
        trials.finish_trial(study, trial, TrialState.COMPLETE, [value], "")
    return plan


def opened(plan: StudyPlan) -> tuple[optuna.Study, JournalStorage]:
    storage = JournalStorage(plan.folder)
    return create_study(plan, storage), storage


def run_of(plan: StudyPlan, small: SimpleNamespace, number: int) -> run_folder.RunFolder:
    """A folder of a run of a trial."""
    trial = {"name": plan.name, "trial": number}
    (paths.runs() / f"{number:032x}").mkdir(parents=True)
    run: run_folder.RunFolder = small.describe_in(paths.runs() / f"{number:032x}", study=trial)
    return run


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["studies", *words, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["studies"]
    return found


def test_studies_are_listed_newest_first_with_what_they_found(
    small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rows(capsys) == []
    first, second = searched("began", 3.0, 2.5), searched("began-v3", 4.0, budget=5)
    run_of(second, small, 1)
    found = rows(capsys)
    assert [row["name"] for row in found] == [second.name, first.name]
    assert [(row["state"], row["trials"], row["budget"], row["best"]) for row in found] == [
        ("stopped", 1, 5, [4.0]),
        ("over", 2, 2, [2.5]),
    ]
    assert [row["runs"] for row in found] == [1, 0]
    assert [row["name"] for row in rows(capsys, "--variant", "began")] == [first.name]
    assert [row["name"] for row in rows(capsys, second.name[:-2])] == [second.name]
    assert rows(capsys, "--experiment", "another") == []
    assert main(["studies"]) == 0
    assert "1 of 5" in capsys.readouterr().out
    with JournalStorage(first.folder).worker_lease("w1"):
        assert [row["state"] for row in rows(capsys, first.name)] == ["in progress"]


def test_a_study_is_deleted_with_its_runs_and_all_that_the_store_has(
    small: SimpleNamespace,
    bench_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    plans = [searched("began", 3.0, 2.5), searched("began-v3", 4.0)]
    runs = [run_of(plan, small, number) for number, plan in enumerate(plans)]
    tracker, store = TrackingProcess(), current_store()
    for plan in plans:
        parent = tracker.open_parent(plan.describe().parent_run([]), store)
        assert show_study(plan, opened(plan)[0].get_trials(), tracker, parent, store) is None
    assert tracker.close() is None
    client = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")

    def shown() -> list[str]:
        experiments = [each.experiment_id for each in client.search_experiments()]
        found = client.search_runs(experiments, run_view_type=ViewType.ALL)
        return sorted(run.data.tags["optuna.study"] for run in found)

    gone, kept = plans
    assert shown() == [gone.name] * 3 + [kept.name] * 2
    words = ["studies", "--delete", "--yes", gone.name]
    with monkeypatch.context() as patch:
        patch.setattr("bench.searching.deletion.remove_folder", die)
        with pytest.raises(Killed):
            main(words)
    assert study_list.find(gone.name) == gone.folder
    assert main(words) == 0
    assert shown() == [kept.name] * 2
    assert run_folder.all_runs() == runs[1:]
    assert study_list.folders() == [kept.folder]
    assert not list(deletion.pending().glob("*"))
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("bench: unknown study")


class Killed(BaseException):
    """Stands for the death of the process."""


def die(*_: Any) -> None:
    raise Killed


@pytest.mark.parametrize("busy", ["the command", "a worker", "a run"])
def test_a_study_in_progress_is_not_deleted(
    busy: str, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = searched("began", 3.0)
    run, (_, storage) = run_of(plan, small, 1), opened(plan)
    if busy == "the command":
        assert storage.acquire_leadership()
    with (
        storage.worker_lease("w1") if busy == "a worker" else run.lock() if busy == "a run" else nullcontext()
    ):
        assert main(["studies", "--delete", "--yes", plan.name]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith("nothing was deleted")
    assert run.path.exists()
    assert study_list.folders() == [plan.folder]


def test_a_wrong_request_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    plan = searched("began", 3.0)
    for words in (["--delete"], ["--delete", "nonesuch"], ["--delete", plan.name, "--json"]):
        assert main(["studies", *words]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("bench: ")
    # without its journal a study is in a database
    (plan.folder / "journal.log").unlink()
    assert [row["state"] for row in rows(capsys)] == ["in a database"]
    assert main(["studies", "--delete", "--yes", plan.name]) == 2
    assert "give its address by --storage" in capsys.readouterr().err
