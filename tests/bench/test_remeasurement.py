"""Checkpoints are measured again."""

import json
from types import SimpleNamespace

import pytest

from bench import record
from bench.cli import main
from bench.errors import RequestError
from bench.progress import Progress
from bench.remeasurement import remeasure
from bench.run_folder import RunFolder
from bench.session import Outcome

QUIET = Progress(quiet=True)


@pytest.fixture
def outcome(small: SimpleNamespace) -> Outcome:
    found: Outcome = small.run(small.tiny("began-v3", ema_decay=0.5))
    return found


@pytest.mark.parametrize("checkpoint", ["last", "best", "8"])
def test_the_same_protocol_gives_the_recorded_numbers_to_the_bit(checkpoint: str, outcome: Outcome) -> None:
    result = remeasure(outcome.run, QUIET, checkpoint)
    row = next(row for row in outcome.record.evaluations if row["step"] == result.step)
    assert result.values == {name: value for name, value in row.items() if name != "step"}
    assert result.recorded == result.values
    assert set(result.protocols.values()) == {outcome.description["protocol"]}


def test_more_samples_are_another_protocol_and_nothing_is_set_beside(outcome: Outcome) -> None:
    result = remeasure(outcome.run, QUIET, "last", ["fd_digits_garments"], 150)
    assert list(result.values) == ["fd_digits_garments"]
    assert "; 150 samples;" in result.protocols["fd_digits_garments"]
    assert result.recorded == {}
    assert result.values["fd_digits_garments"] != outcome.record.evaluations[-1]["fd_digits_garments"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metrics", "fd_digit"], "did you mean 'fd_digits_garments'"),
        (["--checkpoint", "7"], "checkpoint '7' does not exist"),
        (["--samples", "1"], "eval_samples: 1 is not possible"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], told: str, outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", outcome.run.id, *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]


def test_the_run_is_only_read(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in outcome.run.path.rglob("*") if path.is_file()}
    assert main(["eval", "last", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["values"] == told["recorded"]
    assert {path: path.read_bytes() for path in outcome.run.path.rglob("*") if path.is_file()} == before
    assert record.read(outcome.run.record_path).sessions == 0


def test_a_run_without_a_checkpoint_is_refused(outcome: Outcome) -> None:
    run = RunFolder(outcome.run.path)
    for path in run.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(RequestError, match="has none"):
        remeasure(run, QUIET)
