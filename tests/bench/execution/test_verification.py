"""A run is trained again and compared with its record, number by number."""

import json
import re
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.cli import main
from bench.configuration import EXECUTION_SETTINGS, knobs_of
from bench.execution import multirun
from bench.execution.differences import Differs
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.execution.verification import differences_of_machines, verify
from bench.runs import checkpoint, record, run_folder
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, WorkError
from bench.training.trainer import Diverged, Interrupted
from variants.knobs import neutral_of
from variants.registry import all_variants

QUIET = Progress(quiet=True)
NEUTRAL = [name for name, field in knobs_of(all_variants()["began"]).items() if neutral_of(field)]


def alter(run: RunFolder, line: int, pattern: str) -> tuple[int, str]:
    """Change the last digit of the number that follows a pattern; return the step and its name."""
    lines = run.record_path.read_text().splitlines()
    match = re.search(rf'"({pattern})": [-0-9.e]*(\d)(?=[,}}])', lines[line])
    assert match is not None
    at = match.start(2)
    lines[line] = lines[line][:at] + str((int(lines[line][at]) + 1) % 10) + lines[line][at + 1 :]
    run.record_path.write_text("\n".join(lines) + "\n")
    return json.loads(lines[line])["step"], match.group(1)


@pytest.mark.parametrize("variant", sorted(all_variants()))
def test_a_run_comes_out_again_bit_for_bit(variant: str, small: SimpleNamespace) -> None:
    run = small.run(small.tiny(variant)).run
    before = {path: path.read_bytes() for path in sorted(run.path.rglob("*")) if path.is_file()}
    result = verify(run, QUIET)
    assert result.verified
    assert result.exact
    assert result.tolerance == 0
    assert result.steps == 9
    assert result.pictures == 3
    rows = [json.loads(line) for line in run.record_path.read_text().splitlines()]
    fewest = sum(len(row) for row in rows if "event" not in row)
    assert result.numbers > fewest
    assert result.checkpoints == len(list(run.checkpoints.iterdir()))
    assert {path: path.read_bytes() for path in sorted(run.path.rglob("*")) if path.is_file()} == before


@pytest.fixture
def run(small: SimpleNamespace) -> RunFolder:
    folder: RunFolder = small.run(small.tiny("began")).run
    return folder


@pytest.mark.parametrize("place", ["step", "evaluation", "checkpoint", "end"])
def test_one_digit_altered_in_the_record_is_found_and_its_step_named(place: str, run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.record_path.read_text().splitlines()]
    number = next(
        n for n, row in enumerate(lines) if row.get("event", "step") == place and row["step"] in (5, 6, 8, 9)
    )
    names = {"step": "loss_real", "evaluation": "fd_digits_garments", "checkpoint": "M", "end": "M_best"}
    step, name = alter(run, number, names[place])
    shown = "means/M" if place == "checkpoint" else name
    with pytest.raises(
        Differs, match=f"first difference at step {step}: ({shown}|a line) is recorded"
    ) as found:
        verify(run, QUIET)
    assert found.value.step == step
    assert found.value.recorded != found.value.repeated


def test_every_single_number_is_compared(run: RunFolder) -> None:
    original = run.record_path.read_text()
    row = next(json.loads(line) for line in original.splitlines() if '"step": 7' in line)
    for name in row:
        if name != "step":
            alter(run, original.splitlines().index(json.dumps(row)), name)
            with pytest.raises(Differs, match=f"step 7: {name} "):
                verify(run, QUIET)
            run.record_path.write_text(original)


def test_a_missing_and_an_added_step_are_found(run: RunFolder) -> None:
    lines = run.record_path.read_text().splitlines(keepends=True)
    fifth = next(n for n, line in enumerate(lines) if line.startswith('{"step": 5,'))
    run.record_path.write_text("".join(lines[:fifth] + lines[fifth + 1 :]))
    with pytest.raises(WorkError, match="step 6 stands where step 5 must stand"):
        verify(run, QUIET)
    doubled = lines[: fifth + 1] + lines[fifth:]
    run.record_path.write_text("".join(doubled))
    with pytest.raises(WorkError, match="step 5 is recorded twice"):
        verify(run, QUIET)
    evaluation = json.dumps({"event": "evaluation", "step": 7, "fd_digits_garments": 1.0}) + "\n"
    seventh = next(n for n, line in enumerate(lines) if line.startswith('{"step": 7,')) + 1
    run.record_path.write_text("".join([*lines[:seventh], evaluation, *lines[seventh:]]))
    with pytest.raises(Differs, match="step 7: evaluation is recorded as"):
        verify(run, QUIET)


def test_weights_that_were_exchanged_are_found(run: RunFolder) -> None:
    path = run.checkpoints / "step-00000009.safetensors"
    state = checkpoint.read(path)
    name = next(name for name in state["variant"] if name.startswith("generator"))
    state["variant"][name] = state["variant"][name] + torch.finfo(torch.float32).eps
    checkpoint.write(path, state)
    with pytest.raises(Differs, match=f"step 9: weights of {re.escape(name)}"):
        verify(run, QUIET)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [("config", ("gamma", 0.9), "configuration hash"), ("data", ("hash", "0" * 64), "data hash")],
)
def test_an_identity_that_was_altered_is_told(
    key: str, value: tuple[str, Any], told: str, run: RunFolder, small: SimpleNamespace
) -> None:
    small.redescribe(run, key, value[0], value=value[1])
    with pytest.raises(WorkError, match=told):
        verify(run, QUIET)


def test_a_run_that_was_recorded_before_a_knob_existed_comes_out_again(
    run: RunFolder, small: SimpleNamespace
) -> None:
    content = json.loads(run.description_path.read_text())
    for knob in {"generator_norm", *NEUTRAL}:
        del content["config"][knob]
    identity = {k: v for k, v in content["config"].items() if k not in EXECUTION_SETTINGS}
    content["config_hash"] = sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    small.write_content(run, content)
    small.adopt_checkpoints(run)
    assert verify(run, QUIET).verified
    recorded = multirun.plan(["began"], [0], content["config"] | {"epochs": None}, None, 1, QUIET)
    assert recorded.complete() == [run]
    changed = multirun.plan(
        ["began"], [0], content["config"] | {"epochs": None, "generator_norm": "none"}, None, 1, QUIET
    )
    assert changed.complete() == []


@pytest.fixture
def alarmed(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose rules let nine steps raise alarms."""
    small.quick_alarms(monkeypatch, "began-v3")
    folder: RunFolder = small.run(small.tiny("began-v3")).run
    assert record.read(folder.record_path).alarms
    return folder


def test_alarms_come_out_again_and_one_that_was_altered_added_or_lost_is_found(
    alarmed: RunFolder, small: SimpleNamespace
) -> None:
    assert verify(alarmed, QUIET).verified
    original = alarmed.record_path.read_text()
    lines = original.splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if '"event": "alarm"' in line)
    row = json.loads(lines[place])
    message = f"alarm is recorded as .* came out as '{row['kind']}@{row['step']}'"
    other = [json.dumps(row | {"step": row["step"] - 1}) + "\n", json.dumps(row | {"kind": "k-at-1"}) + "\n"]
    for line in other:
        alarmed.record_path.write_text("".join([*lines[:place], line, *lines[place + 1 :]]))
        with pytest.raises(Differs, match=message):
            verify(alarmed, QUIET)
    alarmed.record_path.write_text("".join(lines[:place] + lines[place + 1 :]))
    with pytest.raises(Differs, match="alarm is recorded as"):
        verify(alarmed, QUIET)
    added = json.dumps({"event": "alarm", "step": 9, "kind": "k-at-1", "message": "w"}) + "\n"
    alarmed.record_path.write_text("".join([*lines[:-1], added, lines[-1]]))
    with pytest.raises(Differs, match="alarm is recorded as 'k-at-1@9' and came out as None"):
        verify(alarmed, QUIET)
    alarmed.record_path.write_text(original.replace(row["message"], "another message"))
    with pytest.raises(Differs, match="the record before the checkpoint"):
        verify(alarmed, QUIET)
    # the message is for people, and another version may have another: its meaning is not decided here
    small.adopt_checkpoints(alarmed)
    (undecided,) = verify(alarmed, QUIET).undecided
    assert undecided.startswith(
        f"the message of alarm {row['kind']}@{row['step']}: recorded as 'another message'"
    )


def test_metrics_that_came_after_the_run_are_undecided_and_the_others_are_compared(
    alarmed: RunFolder, small: SimpleNamespace
) -> None:
    now = verify(alarmed, QUIET).numbers
    content = json.loads(alarmed.description_path.read_text())
    kept = {"fd_digits_garments", "classes_covered", "effective_classes"}
    new = len(content["real"]) - len(kept)
    for field in ("real", "metrics"):
        content[field] = {name: value for name, value in content[field].items() if name in kept}
    small.write_content(alarmed, content)
    rows = [json.loads(line) for line in alarmed.record_path.read_text().splitlines()]
    rows = [
        {name: row[name] for name in ("event", "step", *sorted(kept))}
        if row.get("event") == "evaluation"
        else row
        for row in rows
    ]
    alarmed.record_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    small.adopt_checkpoints(alarmed)
    result = verify(alarmed, QUIET)
    assert result.exact
    assert not result.verified
    assert result.numbers == now - 4 * new
    (metrics,) = result.undecided
    assert metrics.startswith(f"{new} metrics that the run did not measure: kid, ")
    evaluation = next(n for n, row in enumerate(rows) if row.get("event") == "evaluation")
    alter(alarmed, evaluation, "classes_covered|effective_classes")
    with pytest.raises(Differs, match="classes"):
        verify(alarmed, QUIET)


@pytest.mark.parametrize("package", ["torch", "numpy"])
def test_another_version_of_what_computes_the_numbers_is_told(package: str, run: RunFolder) -> None:
    then = run.describe().environment
    assert differences_of_machines(then, then) == []
    now = then.model_copy(update={"packages": {**then.packages, package: "9.9"}})
    was = then.packages[package]
    assert differences_of_machines(then, now) == [f"{package}: recorded with {was}, this is 9.9"]


def test_a_metric_that_the_run_measured_and_the_record_lacks_is_found(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.record_path.read_text().splitlines()]
    del next(row for row in lines if row.get("event") == "evaluation")["classes_covered"]
    run.record_path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    with pytest.raises(Differs, match="step 4: classes_covered is recorded as None"):
        verify(run, QUIET)


def test_a_run_that_was_stopped_and_resumed_comes_out_again(small: SimpleNamespace) -> None:
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("began", eval_every=0, checkpoint_every=5), small.StopAfter(7))
    run = run_folder.find(str(stopped.value))
    resume(run, QUIET)
    assert (run.checkpoints / "step-00000007.safetensors").exists()
    assert verify(run, QUIET).verified


def test_a_diverged_run_diverges_again_at_the_same_step(small: SimpleNamespace) -> None:
    with pytest.raises(Diverged):
        small.run(small.tiny("began", lr_g=1e30, lr_d=1e30))
    (run,) = run_folder.all_runs()
    assert verify(run, QUIET).verified
    lines = run.record_path.read_text()
    run.record_path.write_text(re.sub(r"diverged@\d+", "diverged@77", lines))
    with pytest.raises(Differs, match="health"):
        verify(run, QUIET)


def test_other_arithmetic_is_told_and_compared_within_a_tolerance(
    run: RunFolder, small: SimpleNamespace
) -> None:
    small.redescribe(run, "environment", "processor", value="another")
    result = verify(run, QUIET)
    assert not result.exact
    assert result.tolerance == 0.01
    assert result.steps == 5
    assert any("processor: recorded with another" in note for note in result.notes)
    rest, weights = result.undecided
    assert rest == "steps 6 to 9 with their evaluations and checkpoints"
    assert weights.startswith("weights and pictures")
    whole = verify(run, QUIET, steps=9)
    assert whole.steps == 9
    assert whole.undecided == [weights]
    lines = run.record_path.read_text().splitlines()
    row = json.loads(lines[3])
    lines[3] = json.dumps(row | {"loss_real": row["loss_real"] * 1.005})
    run.record_path.write_text("\n".join(lines) + "\n")
    small.adopt_checkpoints(run)
    verify(run, QUIET)
    with pytest.raises(Differs, match="loss_real"):
        verify(run, QUIET, tolerance=1e-3)


def test_the_first_steps_alone_can_be_compared(run: RunFolder, small: SimpleNamespace) -> None:
    result = verify(run, QUIET, steps=5)
    assert result.steps == 5
    assert result.undecided == ["steps 6 to 9 with their evaluations and checkpoints"]
    lines = run.record_path.read_text().splitlines()
    late = next(n for n, line in enumerate(lines) if line.startswith('{"step": 7,'))
    alter(run, late, "loss_real")
    with pytest.raises(Differs, match="the record before the checkpoint"):
        verify(run, QUIET, steps=6)
    small.adopt_checkpoints(run)
    verify(run, QUIET, steps=6)
    with pytest.raises(Differs, match="step 7"):
        verify(run, QUIET, steps=7)


def test_a_run_that_is_not_over_is_refused(run: RunFolder) -> None:
    lines = run.record_path.read_text().splitlines(keepends=True)
    run.record_path.write_text("".join(lines[:-1]))
    with pytest.raises(RequestError, match="is not over"):
        verify(run, QUIET)


def test_the_command_tells_by_exit_status_and_names_the_step(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "last", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["exact"], told["steps"]) == (True, True, 9)
    assert told["not_compared"] == []
    assert main(["verify", "last"]) == 0
    assert "SAME, bit for bit" in capsys.readouterr().out
    assert main(["verify", "last", "--steps", "5", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["verified"]
    assert told["not_compared"] == ["steps 6 to 9 with their evaluations and checkpoints"]
    lines = run.record_path.read_text().splitlines()
    fourth = next(n for n, line in enumerate(lines) if line.startswith('{"step": 4,'))
    alter(run, fourth, "balance")
    assert main(["verify", run.id[:8]]) == 1
    assert "first difference at step 4: balance" in capsys.readouterr().err
    assert main(["verify", "nobody"]) == 2


def test_nothing_is_left_behind(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    verify(run, QUIET)
    assert not list(folder.iterdir())
    assert len(run_folder.all_runs()) == 1
