"""Runs that `stop_on` ends: what they leave, that they are over, and that they are repeated and counted."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import bench
from bench.cli import main
from bench.execution.callbacks import Collapsed
from bench.execution.progress import Progress
from bench.execution.session import resume
from bench.execution.verification import verify
from bench.reporting.findings import meaning, tag
from bench.runs import record, run_folder
from bench.runs.run_folder import RunFolder

QUIET = Progress(quiet=True)


@pytest.fixture
def stopped(small: SimpleNamespace) -> RunFolder:
    """A run of nine steps whose evaluations (steps 4, 8 and 9) all show a collapse."""
    with pytest.raises(Collapsed) as error:
        small.run(small.tiny("began", stop_on="collapse"))
    run = run_folder.find("last")
    message = str(error.value)
    name = run.describe().name
    assert message.startswith(
        f"run {name} collapsed, and stop_on: collapse ended it at step 8 of 9: effective_classes "
    )
    assert "(real " in message
    assert error.value.step == 8
    return run


def test_a_collapse_in_the_second_half_ends_the_run_as_failed(
    stopped: RunFolder, small: SimpleNamespace
) -> None:
    rows = record.read(stopped.record_path)
    assert rows.end is not None
    assert (rows.end.status, rows.end.health) == ("FAILED", "collapsed@4")
    assert (rows.end.step, rows.end.stopped_on) == (8, "collapse")
    assert rows.is_over()
    assert [evaluation.step for evaluation in rows.evaluations] == [4, 8]
    assert (stopped.checkpoints / "step-00000008.safetensors").exists()
    # until then it is the run without the knob
    whole = small.run(small.tiny("began")).record
    assert rows.steps == whole.steps[:8]
    assert rows.evaluations == whole.evaluations[:2]


def test_the_share_may_be_zero_and_the_default_ends_nothing(small: SimpleNamespace) -> None:
    with pytest.raises(Collapsed, match="at step 4 of 9"):
        small.run(small.tiny("began", stop_on="collapse", stop_after=0))
    usual = small.tiny("began")
    assert usual.harness.stop_on == "none"
    assert usual.hash() == small.tiny("began", stop_on="none", stop_after=0.5).hash()
    assert usual.hash() != small.tiny("began", stop_on="collapse").hash()


def test_it_is_over_and_keeps_its_rule(stopped: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    before = stopped.record_path.read_bytes()
    assert main(["run", "--resume", "last"]) == 0
    told = capsys.readouterr().err
    assert f"run {stopped.describe().name} ended at step 8 (collapsed@4): nothing to train" in told
    assert main(["run", "--resume", "last", "--set", "stop_on=none"]) == 2
    assert "stop_on 'collapse' -> 'none'" in capsys.readouterr().err
    assert stopped.record_path.read_bytes() == before


def test_a_run_killed_before_its_end_was_written_ends_at_the_same_step(stopped: RunFolder) -> None:
    lines = stopped.record_path.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "end"
    whole = record.read(stopped.record_path)
    stopped.record_path.write_text("".join(lines[:-1]))
    with pytest.raises(Collapsed, match="at step 8 of 9"):
        resume(stopped, QUIET)
    again = record.read(stopped.record_path)
    assert (again.steps, again.evaluations) == (whole.steps, whole.evaluations)
    assert again.end is not None
    assert (again.end.step, again.end.stopped_on) == (8, "collapse")


def test_it_is_repeated_to_the_bit_with_its_end(stopped: RunFolder) -> None:
    result = verify(stopped, QUIET)
    assert result.verified
    assert result.steps == 8


def test_tables_count_it_as_collapsed(stopped: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    frame = bench.results()
    (listed,) = (row for _, row in frame.iterrows())
    assert tag(listed) == "collapsed@4"
    assert meaning(listed).startswith("stop_on: collapse ended it before step 9; it counts in tables.")
    assert list(frame["stopped_on"]) == ["collapse"]
    assert main(["table", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    (row,) = [row for row in rows if row["metric"] == "fd_digits_garments"]
    assert (row["runs"], row["collapsed"]) == (1, 1)


def test_the_command_says_why_in_one_line(
    small: SimpleNamespace, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--variant", "began", "--set", "stop_on=collapse"]
    for name, value in small.values.items():
        words += [f"--{name}", str(value)] if name in ("preset", "steps") else ["--set", f"{name}={value}"]
    assert main(words) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "stop_on" in line] == [lines[-1]]
    assert lines[-1].startswith(f"bench: run {run_folder.find('last').describe().name} collapsed")
    # there is nothing to go on with
    assert "resume with" not in lines[-1]


def test_a_study_has_a_rule_of_its_own(capsys: pytest.CaptureFixture[str], bench_home: Path) -> None:
    assert main(["study", "smoke", "--set", "stop_on=collapse"]) == 2
    # the user learns what to do, and why
    message = "stop_on: leave it out: a collapse ends a study's trials by collapse_after of its pruner"
    assert message in capsys.readouterr().err
    assert not bench_home.exists()
