"""Reading events alone gives what reading everything gives."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.runs import record
from bench.runs.record import RecordEvents
from bench.system.errors import WorkError


def write(path: Path, *rows: dict[str, object], torn: str = "") -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)
    return path


def same(path: Path) -> RecordEvents:
    events, whole = RecordEvents(path), record.read(path)
    assert events.record.evaluations == whole.evaluations
    assert events.record.checkpoints == whole.checkpoints
    assert events.record.alarms == whole.alarms
    assert events.record.end == whole.end
    assert events.record.sessions == whole.sessions
    return events


def test_a_resumed_record_with_a_torn_line(tmp_path: Path, small: SimpleNamespace) -> None:
    events = same(
        write(
            tmp_path / "record.jsonl",
            {"step": 1, "k": 0.1},
            {"step": 2, "k": 0.2},
            {"event": "alarm", "step": 1, "kind": "k-drop", "message": "k fell"},
            {"event": "alarm", "step": 2, "kind": "loss-rising", "message": "L(x) rose"},
            {"event": "evaluation", "step": 2, "fid": 9.0},
            {"event": "checkpoint", "step": 2, "file": "f", "train_seconds": 1.0, "means": {"M": 1.0}},
            {"event": "end", "step": 2, "status": "KILLED", "health": "ok", "best": {}},
            {"event": "session", **small.session(1).plain()},
            *({"step": n, "k": 0.3} for n in range(2, 20)),
            {"step": 20, "k": 0.4},
            {"event": "evaluation", "step": 20, "fid": 8.0},
            torn='{"event": "end", "st',
        )
    )
    assert [alarm.kind for alarm in events.record.alarms] == ["k-drop"]
    assert events.step(1) == {"step": 1, "k": 0.1}
    assert events.step(2) == {"step": 2, "k": 0.3}  # taken again
    assert events.step(20) == {"step": 20, "k": 0.4}
    assert events.step(3) == {"step": 3, "k": 0.3}
    assert events.step(21) == {}


@pytest.mark.parametrize("variant", ["began", "wgan-gp"])
def test_the_record_of_a_run(variant: str, small: SimpleNamespace) -> None:
    run = small.run(small.tiny(variant)).run
    events, steps = same(run.record_path), record.read(run.record_path).steps
    assert [events.step(int(row["step"])) for row in steps] == steps


def test_a_run_without_a_record_has_no_events(tmp_path: Path) -> None:
    assert same(tmp_path / "none.jsonl").record.evaluations == []


def test_a_broken_event_is_told(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text('{"step": 1}\n{"event": "evaluation", \n{"step": 2}\n')
    with pytest.raises(WorkError, match="broken"):
        RecordEvents(path)
