"""bench runs: the list of runs, the same selection as of tables, and deletion."""

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.execution import deletion
from bench.runs import record, run_folder
from bench.runs.description import StudyTrial
from bench.runs.run_folder import RunFolder


def asked(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """What `bench runs --json` prints."""
    assert main(["runs", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["runs", *words]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("bench: ")
    return line


@pytest.fixture
def copies(trained_home: Path, bench_home: Path) -> list[RunFolder]:
    """Copies of the real runs, which a test may delete; oldest first."""
    shutil.copytree(trained_home / "mlruns", bench_home / "mlruns")
    return run_folder.all_runs()


def test_runs_are_listed_newest_first_with_what_they_are(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = asked([], capsys)["runs"]
    runs = run_folder.all_runs()
    assert [row["id"] for row in rows] == [run.id for run in reversed(runs)]
    for row, run in zip(rows, reversed(runs), strict=True):
        described, recorded = run.describe(), record.read(run.record_path)
        assert recorded.end is not None
        assert row["state"] == "over"
        assert row["health"] == recorded.end.health
        assert row["step"] == recorded.end.step
        config = described.config.flat()
        assert all(row[name] == config[name] for name in ("variant", "dataset", "preset", "seed", "steps"))
        assert row["size"] == sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
        distances = [evaluation.values[described.metric] for evaluation in recorded.evaluations]
        assert row["distance"] == (distances[-1] if distances else None)
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(run.describe().name in line for run, line in zip(reversed(runs), lines[1:], strict=False))
    assert lines[-1].startswith("5 runs, ")


@pytest.mark.parametrize(
    "words",
    [
        ["--variant", "began-v3"],
        ["--experiment", "first"],
        ["--where", "variant == 'began' and seed == 1"],
        ["--dataset", "mnist-5k", "--where", "lr_g > 1"],
    ],
)
def test_runs_are_selected_as_those_of_tables(
    words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.comparing.frame import results

    options = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    rows = asked(words, capsys)["runs"]
    assert [row["id"] for row in rows] == list(results(**options)["run_id"])
    assert len(rows) == 1


def test_runs_of_studies_are_listed_with_their_study(
    copies: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    described = copies[0].describe()
    trial = described.model_copy(update={"study": StudyTrial(name="s-began-123456", trial=3)})
    copies[0].write_description(trial)
    assert copies[0].id not in [row["id"] for row in asked([], capsys)["runs"]]
    (row,) = asked(["--study", "s-began-123456", "--where", "trial == 3"], capsys)["runs"]
    assert (row["id"], row["trial"]) == (copies[0].id, 3)
    assert main(["runs", "--study", "s-began-123456"]) == 0
    header, line, *_ = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["run", "trial", "variant"]
    assert line.removeprefix(described.name).split()[0] == "3"
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 more in studies: --study s-began-123456"


def test_a_stopped_run_and_one_in_training_say_so(
    copies: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    for run in copies[:2]:
        lines = run.record_path.read_bytes().splitlines(keepends=True)
        run.record_path.write_bytes(b"".join(lines[:-1]))
    with copies[0].lock():
        states = {row["id"]: row["state"] for row in asked([], capsys)["runs"]}
    assert [states[run.id] for run in copies] == ["in training", "stopped", "over", "over", "over"]
    assert main(["runs", copies[1].id]) == 0
    assert "stopped@9" in capsys.readouterr().out


@pytest.mark.parametrize(("trial", "state"), [(None, "stopped"), (3, "ended")])
def test_the_verdict_on_a_run_that_is_not_over_is_shown_with_its_state(
    trial: int | None, state: str, copies: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    run = copies[0]
    *before, last = run.record_path.read_text().splitlines()
    end = json.loads(last) | {"status": "KILLED", "health": "collapsed@4"}
    run.record_path.write_text("\n".join([*before, json.dumps(end)]) + "\n")
    if trial is not None:
        study = StudyTrial(name="s-began-123456", trial=trial)
        run.write_description(run.describe().model_copy(update={"study": study}))
    (row,) = asked([run.id], capsys)["runs"]
    assert (row["health"], row["state"]) == ("collapsed@4", state)
    assert main(["runs", run.id]) == 0
    assert f" collapsed@4, {state}@9 " in capsys.readouterr().out


REFUSALS = {
    "nothing named": ["--delete"],
    "an unknown run": ["--delete", "nonesuch"],
    "no one to ask": ["last", "--delete", "--json"],
    "both": ["last", "--variant", "began"],
    "an unknown column": ["--where", "gama == 1"],
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_wrong_request_is_one_line_and_deletes_nothing(
    kind: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(REFUSALS[kind], capsys)
    assert len(run_folder.all_runs()) == 5


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_a_deletion_asks_first(
    answer: str,
    copies: list[RunFolder],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: answer)
    assert main(["runs", "--delete", copies[0].id[:9], copies[2].describe().name]) == 0
    told = capsys.readouterr()
    left = [run.id for run in run_folder.all_runs()]
    if answer == "y":
        assert left == [copies[number].id for number in (1, 3, 4)]
        assert told.out.splitlines()[-1] == "2 runs deleted"
    else:
        assert left == [run.id for run in copies]
        assert told.out.splitlines()[-1] == "nothing was deleted"
    assert not list(deletion.pending().glob("*"))


@pytest.mark.parametrize("closed", [False, True])
def test_without_an_answer_nothing_is_deleted(
    closed: bool,
    copies: list[RunFolder],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", None if closed else StringIO(""))
    assert main(["runs", "--delete", copies[0].id]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "bench: no answer on standard input: nothing was deleted; --yes deletes without asking"
    )
    assert run_folder.all_runs() == copies


def test_ctrl_c_at_the_question_is_an_interruption(
    copies: list[RunFolder], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(text: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    assert main(["runs", "--delete", copies[0].id]) == 130
    assert capsys.readouterr().err.splitlines()[-1].endswith("bench: interrupted")
    assert run_folder.all_runs() == copies


def test_selected_and_damaged_runs_are_deleted(
    copies: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    copies[0].description_path.write_text("{}")
    copies[1].record_path.write_text("{}\n")
    words = ["--delete", "--yes", "--json"]
    assert main(["runs", copies[0].id, copies[1].id, *words]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] == [copies[0].id, copies[1].id]
    assert main(["runs", "--where", "variant == 'began-v3'", *words]) == 0
    assert run_folder.all_runs() == copies[3:]


@pytest.mark.parametrize("file", [".lock", ".tracking.lock"])
def test_a_run_in_progress_is_not_deleted_nor_any_other(
    file: str, copies: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    from filelock import FileLock

    with FileLock(copies[1].path / file):
        line = refusal(["--delete", "--yes", copies[0].id, copies[1].id], capsys)
    assert copies[1].describe().name in line
    assert line.endswith("nothing was deleted")
    assert run_folder.all_runs() == copies


class Killed(BaseException):
    """Stands for the death of the process."""


def die(*_: Any, **__: Any) -> None:
    raise Killed


MOMENTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before the folder is renamed": lambda patch: patch.setattr(Path, "rename", die),
    "before its files are deleted": lambda patch: patch.setattr(shutil, "rmtree", die),
}


@pytest.mark.parametrize("word", ["id", "name", "name-with-hyphens"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_deletion_is_finished_by_repeating_it(
    moment: str,
    word: str,
    copies: list[RunFolder],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = copies[0].describe().name
    named = {"id": copies[0].id, "name": name, "name-with-hyphens": name.replace(" ", "-")}[word]
    words = ["--delete", "--yes", named]
    with monkeypatch.context() as patch:
        MOMENTS[moment](patch)
        with pytest.raises(Killed):
            main(["runs", *words])
    assert main(["runs", *words]) == 0
    assert run_folder.all_runs() == copies[1:]
    assert not list(deletion.pending().glob("*"))
    # and then there is no such run
    assert words[-1] in refusal(words, capsys)


def test_a_run_is_deleted_from_its_store_with_its_artifacts(
    small: SimpleNamespace, bench_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    gone, kept = (small.run(small.tiny("wgan-gp", tracking=True, steps=3, seed=seed)).run for seed in (0, 1))
    client = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    artifacts = bench_home / "mlruns" / "artifacts"
    assert {path.name for path in artifacts.iterdir()} >= {gone.id, kept.id}

    def shown() -> list[str]:
        experiments = [each.experiment_id for each in client.search_experiments()]
        return [run.info.run_id for run in client.search_runs(experiments, run_view_type=ViewType.ALL)]

    with monkeypatch.context() as patch:
        # the store has lost the run, the folder is still there
        patch.setattr(deletion, "remove_folder", die)
        with pytest.raises(Killed):
            main(["runs", "--delete", "--yes", gone.id])
    assert shown() == [kept.id]
    assert main(["runs", "--delete", "--yes", gone.id]) == 0
    assert [run.id for run in run_folder.all_runs()] == [kept.id]
    assert gone.id not in {path.name for path in artifacts.iterdir()}
    assert shown() == [kept.id]
    assert (artifacts / kept.id).exists()
