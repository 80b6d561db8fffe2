"""The lines with which a run begins."""

from pathlib import Path
from types import SimpleNamespace

from bench.execution.opening import opening
from bench.runs.description import StudyTrial


def test_a_run_is_resumed_by_its_name(tmp_path: Path, small: SimpleNamespace) -> None:
    run = small.describe_in(tmp_path / "1")
    lines = opening(run, run.describe(), 400).splitlines()
    assert lines[-2].split(maxsplit=1) == ["resume", "bench run --resume 'a run'"]
    assert lines[-1].split(maxsplit=2) == ["goes", "on", "after step 400"]
    assert not any(line.startswith("trial") for line in lines)


def test_a_trial_is_resumed_by_its_study_alone(tmp_path: Path, small: SimpleNamespace) -> None:
    run = small.describe_in(tmp_path / "1", study=StudyTrial(name="tried-began-123456", trial=3).model_dump())
    lines = dict(line.split(maxsplit=1) for line in opening(run, run.describe()).splitlines())
    assert lines["trial"] == "3 of tried-began-123456"
    assert lines["resume"] == "the command of study tried-began-123456 again"
