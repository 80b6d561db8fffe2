"""A run that gets more steps than it was planned with goes on as if it had had them from the start."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.comparing.frame import results
from bench.execution import resuming
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.execution.verification import verify
from bench.runs import record, run_folder
from bench.runs.result import read_run
from bench.runs.run_folder import RunFolder
from bench.training.trainer import Diverged, Interrupted

QUIET = Progress(quiet=True)
LONG = 14
# the first end: evaluated and saved by the longer training too, saved alone, neither
SCHEDULES = {
    "both": {"steps": 8, "eval_every": 4, "checkpoint_every": 3},
    "a checkpoint": {"steps": 9, "eval_every": 4, "checkpoint_every": 3},
    "neither": {"steps": 9, "eval_every": 4, "checkpoint_every": 5},
}


def everything(small: SimpleNamespace, run: RunFolder) -> Any:
    """Every number of a run's record, its last state, and what run.json says of it."""
    rows = record.read(run.record_path)
    checkpoints = [(saved.step, saved.file, saved.means) for saved in rows.checkpoints if saved.means]
    assert rows.end is not None
    of_its_own = {"id", "name", "created", "command", "environment", "extended_from"}
    said = run.describe().model_dump(exclude=of_its_own)
    assert rows.end.status == "FINISHED"
    ended = (rows.end.best, rows.end.health)
    return [*small.numbers(run), checkpoints, rows.alarms, *ended, small.final_state(run), said]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace) -> Any:
    """By schedule, everything about a run that had its steps from the start."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("whole")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        for name, schedule in SCHEDULES.items():
            if name != "both":
                found[name] = everything(
                    small, small.run(small.tiny("began", **schedule | {"steps": LONG})).run
                )
    found["both"] = found["a checkpoint"]
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_extended_run_equals_one_that_had_its_steps_from_the_start(
    schedule: str, whole: Any, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small.run(small.tiny("began", **SCHEDULES[schedule])).run
    first, short = run.describe(), record.read(run.record_path)
    assert main(["run", "--resume", "last", "--steps", str(LONG)]) == 0
    told = capsys.readouterr()
    assert small.same(everything(small, run), whole[schedule])
    # the old end stays in the record, with its evaluation
    recorded, described = record.read(run.record_path), run.describe()
    (extension,) = recorded.extensions
    assert extension.end == short.end
    assert (extension.event.before, extension.event.steps) == (first.config.steps, LONG)
    old = recorded.at_old_end(extension)
    assert (old.steps, old.evaluations, old.checkpoints) == (
        short.steps,
        short.evaluations,
        short.checkpoints,
    )
    # and is shown, but does not count
    aside = short.evaluations[-1].step if schedule != "both" else None
    frame = read_run(run).evaluations()
    assert list(frame.index[~frame["counted"]]) == ([] if aside is None else [aside])
    counted = frame[frame["counted"]].drop(columns="counted")
    assert list(counted.index) == [each.step for each in recorded.evaluations]
    if aside is not None:
        assert frame.drop(columns="counted").loc[aside].to_dict() == short.evaluations[-1].values
        assert f"the evaluation at step {aside} is kept, not counted" in told.err
    assert ("is kept, not counted" in told.err) == (aside is not None)
    assert described.extended_from
    assert described.extended_from.model_dump() == {
        "steps": first.config.steps,
        "config_hash": first.config_hash,
    }
    (row,) = results().to_dict("records")
    assert (row["steps"], row["step"], row["status"]) == (LONG, LONG, "FINISHED")
    verified = verify(run, QUIET)
    assert (verified.undecided, verified.steps) == ([], LONG)


def test_an_extended_run_is_extended_again_after_a_stop(whole: Any, small: SimpleNamespace) -> None:
    run = small.run(small.tiny("began", **SCHEDULES["neither"])).run
    with pytest.raises(Interrupted):
        resume(run, small.StopAfter(2), steps=12)
    resume(run, QUIET, steps=LONG)
    assert small.same(everything(small, run), whole["neither"])
    lengths = [(each.event.before, each.event.steps) for each in record.read(run.record_path).extensions]
    assert lengths == [(9, 12), (12, LONG)]
    assert run.describe().extended_from.steps == 9  # type: ignore[union-attr]
    assert verify(run, QUIET).undecided == []


def test_a_stopped_run_is_extended_before_its_end(whole: Any, small: SimpleNamespace) -> None:
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("began", **SCHEDULES["neither"]), small.StopAfter(7))
    run = run_folder.find(str(stopped.value))
    resume(run, QUIET, steps=LONG)
    assert small.same(everything(small, run), whole["neither"])


class Killed(BaseException):
    """Stands for the death of the process."""


def die(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.mark.parametrize(
    ("moment", "again"),
    [
        ("within the event", LONG),
        ("before run.json", None),
        ("before the session", LONG),
        ("in training", None),
    ],
)
def test_a_kill_while_extending_costs_nothing(
    moment: str, again: int | None, whole: Any, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small.run(small.tiny("began", **SCHEDULES["a checkpoint"])).run
    ended = run.record_path.stat().st_size
    with monkeypatch.context() as patch:
        if moment == "before the session":
            patch.setattr(resuming, "begin", die)
        elif moment == "in training":
            patch.setattr("bench.training.trainer.Trainer._save", die)
        else:
            patch.setattr(RunFolder, "write_description", die)
        with pytest.raises(Killed):
            resume(run, QUIET, steps=LONG)
    if moment == "in training":
        # a kill leaves no end
        lines = run.record_path.read_bytes().splitlines(keepends=True)
        run.record_path.write_bytes(b"".join(lines[:-1]))
    if moment == "within the event":
        run.record_path.write_bytes(run.record_path.read_bytes()[: ended + 20])
    assert run.is_over() == (moment == "within the event")
    resume(run, QUIET, steps=again)
    assert small.same(everything(small, run), whole["a checkpoint"])


def refused(run: RunFolder, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line by which a resume is refused, which changes nothing."""
    before = run.record_path.read_bytes(), run.description_path.read_bytes()
    assert main(["run", "--resume", run.id, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (run.record_path.read_bytes(), run.description_path.read_bytes()) == before
    return line


REFUSALS: list[tuple[list[str], str]] = [
    (["--steps", "5"], "steps: 5 are too few: NAME was given 9 steps, and a run can only be extended"),
    (["--steps", "5", "--dry-run"], "steps: 5 are too few: NAME was given 9 steps"),
    (["--steps", "0"], "steps: '0' is not possible"),
    (["--steps", "14", "--seed", "3"], "--resume keeps what a run computes; this would change seed 0 -> 3"),
    (["--steps", "14", "--set", "gamma=0.3"], "this would change gamma"),
    (["--epochs", "3"], "this would change steps 9 -> None, epochs None -> 3.0"),
]


def test_what_a_run_computes_cannot_be_changed_otherwise(
    small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small.run(small.tiny("began")).run
    for words, expected in REFUSALS:
        assert expected.replace("NAME", run.describe().name) in refused(run, words, capsys)
    assert main(["run", "--resume", run.id, "--steps", "14", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["steps"] == 14


def test_a_diverged_run_has_nothing_to_extend(
    small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Diverged):
        small.run(small.tiny("began", lr_g=1e30, lr_d=1e30, norm="l2", eval_every=0))
    line = refused(run_folder.find("last"), ["--steps", "14"], capsys)
    assert line.endswith("there is nothing to extend")


def test_a_run_whose_steps_depend_on_the_length_of_training_is_not_extended(
    small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small.run(small.tiny("progan", image_size=32)).run
    line = refused(run, ["--steps", "14"], capsys)
    assert "the steps of progan depend on the length of training; train a new run of 14" in line
