"""What a resume goes on from: checkpoints that are whole, the run's own, and covered by the record."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import METRICS, metric
from bench.runs import checkpoint, record, run_folder
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError
from bench.training.trainer import Callback, Interrupted


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace) -> Any:
    """Numbers, checkpoints' lines and last state of a run that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("finished")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        return everything(small, small.run(small.tiny("began")).run)


@pytest.fixture
def stopped(small: SimpleNamespace, bench_home: Path) -> RunFolder:
    """A run of nine steps, stopped at eight; it has checkpoints at three, four, six and eight at most."""
    with pytest.raises(Interrupted) as name:
        start(small.tiny("began"), small.StopAfter(8))
    return run_folder.find(str(name.value))


def everything(small: SimpleNamespace, run: RunFolder) -> Any:
    rows = record.read(run.record_path)
    # those that only let a run stop have no means
    checkpoints = [(saved.step, saved.file, saved.means) for saved in rows.checkpoints if saved.means]
    assert rows.end is not None
    return [*small.numbers(run), checkpoints, rows.end.best, small.final_state(run)]


def files(run: RunFolder) -> dict[str, bytes]:
    """Every file of a run and what it holds."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in run.path.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def line_of(run: RunFolder, event: str | None, step: int) -> int:
    """Where in the record the line of an event, or without one of a step, begins, in bytes."""
    place = 0
    for line in run.record_path.read_bytes().splitlines(keepends=True):
        row = json.loads(line)
        if (row.get("event"), row["step"]) == (event, step):
            return place
        place += len(line)
    raise AssertionError(f"there is no {event} at step {step}")


def cut(run: RunFolder, length: int) -> None:
    os.truncate(run.record_path, length)


CUTS: dict[str, Callable[[RunFolder], int]] = {
    "at a line": lambda run: line_of(run, None, 8),
    "within a line": lambda run: line_of(run, None, 8) + 20,
    "before a step": lambda run: line_of(run, "checkpoint", 6) + 200,
}


@pytest.mark.parametrize("place", CUTS)
def test_a_record_that_was_cut_goes_on_from_the_checkpoint_that_it_covers(
    place: str, stopped: RunFolder, finished: Any, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    newest, before = stopped.checkpoint_files()[:2]
    assert (newest.name, before.name) == ("step-00000008.safetensors", "step-00000006.safetensors")
    cut(stopped, CUTS[place](stopped))
    resume(stopped, Progress(quiet=True))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: checkpoint {newest} is not covered by {stopped.record_path}")
    assert line.endswith("resuming from step 6")
    assert small.same(everything(small, stopped), finished)


def test_a_record_that_was_cut_costs_no_checkpoint_that_it_does_not_know(
    stopped: RunFolder, finished: Any, small: SimpleNamespace
) -> None:
    newest = stopped.checkpoint_files()[0]
    content = newest.read_bytes()
    cut(stopped, line_of(stopped, None, 8))
    with pytest.raises(Interrupted):
        resume(stopped, small.StopAfter(1))
    # a checkpoint of the step after the one that was gone on from; the newest is still later
    assert record.read(stopped.record_path).checkpoints[-1].step == 7
    assert newest.read_bytes() == content
    resume(stopped, Progress(quiet=True))
    assert small.same(everything(small, stopped), finished)


@pytest.mark.parametrize("damage", ["emptied", "lost", "cut", "altered"])
def test_a_record_that_covers_no_checkpoint_is_refused_and_nothing_is_changed(
    damage: str, stopped: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    content = stopped.record_path.read_bytes()
    if damage == "lost":
        stopped.record_path.unlink()
    elif damage == "altered":
        first = json.loads(content.splitlines()[1])
        altered = content.replace(str(first["M"]).encode(), b"0.5", 1)
        stopped.record_path.write_bytes(altered)
    else:
        cut(stopped, 0 if damage == "emptied" else line_of(stopped, "checkpoint", 3) - 100)
    before = files(stopped)
    assert main(["run", "--resume", stopped.id]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"bench: run {stopped.id} has no checkpoint to resume from: checkpoint ")
    assert line.endswith("nothing was changed")
    assert files(stopped) == before


def test_a_damaged_record_is_refused_and_nothing_is_changed(
    stopped: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = stopped.record_path.read_bytes().splitlines(keepends=True)
    stopped.record_path.write_bytes(b"".join([*lines[:2], *lines[1:]]))
    before = files(stopped)
    assert main(["run", "--resume", stopped.id]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bench: {stopped.record_path} is damaged: line 3: step 1 is recorded twice")
    assert files(stopped) == before


def test_a_kill_between_a_checkpoint_and_its_line_costs_nothing(
    stopped: RunFolder, finished: Any, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(stopped, line_of(stopped, "checkpoint", 8))
    before = record.read(stopped.record_path).checkpoints
    assert [saved.step for saved in before] == [3, 4, 6]
    resume(stopped, Progress(quiet=True))
    assert capsys.readouterr().err == ""
    assert record.read(stopped.record_path).sessions[-1].step == 8
    assert small.same(everything(small, stopped), finished)


def test_a_kill_within_an_evaluation_costs_that_evaluation_alone(
    stopped: RunFolder, finished: Any, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(stopped, line_of(stopped, "evaluation", 8))
    resume(stopped, Progress(quiet=True))
    assert capsys.readouterr().err == ""
    assert record.read(stopped.record_path).sessions[-1].step == 8
    assert small.same(everything(small, stopped), finished)


class At(Callback):
    """Whether training has come to a step."""

    def __init__(self, step: int) -> None:
        self.step, self.reached = step, False

    def on_steps(self, rows: list[record.StepRow]) -> None:
        self.reached = rows[-1]["step"] == self.step


@pytest.mark.parametrize("step", [4, 9])
def test_an_evaluation_that_fails_costs_no_step(
    step: int, finished: Any, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    here = At(step)

    def fragile(inputs: MetricInputs) -> float:
        if here.reached:
            raise ZeroDivisionError("an empty class")
        return 0.0

    with METRICS.restored():
        metric("fragile", "fails at a step", better="lower", needs="features")(fragile)
        with pytest.raises(WorkError, match="an empty class"):
            start(small.tiny("began"), Progress(quiet=True), on_start=lambda run, setup: [here])
        run = run_folder.find("last")
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(
            f"stopped at step {step}; resume with: bench run --resume {quote(run.describe().name)}"
        )
        here.reached = False
        ended = resume(run, Progress(quiet=True)).record
    assert [session.step for session in ended.sessions] == [0, step]
    assert [evaluation.step for evaluation in ended.evaluations] == [4, 8, 9]
    steps, evaluations, *rest = everything(small, run)
    others = [
        record.Evaluation(step=each.step, **{n: v for n, v in each.values.items() if n != "fragile"})
        for each in evaluations
    ]
    assert small.same([steps, others, *rest], finished)
    assert {path.name for path in run.checkpoint_files()} <= {saved.file for saved in ended.checkpoints}


def test_checkpoints_that_are_gone_cost_their_steps_and_a_warning(
    stopped: RunFolder, finished: Any, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in stopped.checkpoint_files():
        path.unlink()
    resume(stopped, Progress(quiet=True))
    assert "are gone: training begins again" in capsys.readouterr().err
    assert small.same(everything(small, stopped), finished)


@pytest.mark.parametrize("foreign", ["another run's", "another configuration's"])
def test_a_foreign_checkpoint_is_passed_over(
    foreign: str,
    stopped: RunFolder,
    finished: Any,
    small: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = stopped.checkpoint_files()[0]
    if foreign == "another run's":
        # the same configuration, seed and step: nothing but its origin tells
        shutil.copy(small.run(small.tiny("began")).run.checkpoints / newest.name, newest)
    else:
        state = checkpoint.read(newest)
        origin = asdict(stopped.origin()) | {"config_hash": "0" * 64}
        checkpoint.write(newest, state | {"origin": origin})
    with pytest.raises(WorkError, match="belongs to another run or to another configuration"):
        checkpoint.read(newest, stopped.origin())
    resume(stopped, Progress(quiet=True))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: checkpoint {newest} belongs to another run")
    assert small.same(everything(small, stopped), finished)


def test_a_description_that_was_edited_is_not_trained_on(
    stopped: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    described = json.loads(stopped.description_path.read_text())
    described["config"]["gamma"] = 0.9
    stopped.description_path.write_text(json.dumps(described, indent=2))
    before = files(stopped)
    assert main(["run", "--resume", stopped.id]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"bench: {stopped.description_path} was changed since it was written")
    assert files(stopped) == before


def test_the_facts_of_each_session_are_recorded_and_differences_are_told(
    stopped: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = record.read(stopped.record_path).sessions
    environment = stopped.describe().environment
    assert (first.commit, first.threads) == (environment.commit, environment.threads)
    assert (first.torch, first.cpu_capability) == (
        environment.packages["torch"],
        environment.cpu_capability,
    )
    assert (first.step, first.device, first.ranks) == (0, "cpu", 1)
    others = {"commit": "another", "threads": first.threads + 1, "cpu_capability": "none"}
    now = environment.model_copy(update=others)
    monkeypatch.setattr("bench.runs.environment.facts", lambda: now)
    resume(stopped, Progress(quiet=True))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: different from the session before")
    assert f"commit {first.commit}, now another" in line
    assert f"threads {first.threads}, now {first.threads + 1}" in line
    assert f"kernels for {first.cpu_capability}, now none" in line
    second = record.read(stopped.record_path).sessions[1]
    assert (second.step, second.commit, second.torch) == (8, "another", first.torch)
