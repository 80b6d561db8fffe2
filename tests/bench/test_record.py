import json
from pathlib import Path

import pytest

from bench import record
from bench.errors import WorkError


def step(number: int) -> dict[str, float]:
    return {"step": number, "M": number / 10}


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    writer = record.RecordWriter(path)
    writer.write([step(1), step(2)])
    writer.event("evaluation", step=2, fid=3.5)
    writer.event("end", step=2, status="FINISHED")
    writer.close()
    read = record.read(path)
    assert read.series("M") == [0.1, 0.2]
    assert read.evaluations == [{"step": 2, "fid": 3.5}]
    assert read.end == {"step": 2, "status": "FINISHED"}
    assert read.series("k") == []


def test_a_torn_last_line_is_passed_over_and_then_cut(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    path.write_text(json.dumps(step(1)) + "\n" + '{"step": 2, "M": 0.')
    assert record.read(path).series("M") == [0.1]
    writer = record.RecordWriter(path)
    writer.write([step(2)])
    writer.close()
    assert record.read(path).series("M") == [0.1, 0.2]


@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 4097, 20_000])
def test_a_torn_line_of_any_length_is_cut(tmp_path: Path, length: int) -> None:
    path = tmp_path / record.FILE
    path.write_bytes(b'{"step": 1}\n' + b"x" * length)
    record.cut_torn_line(path)
    assert path.read_bytes() == b'{"step": 1}\n'


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    path.write_text('{"step": 1}\n{"step"\n{"step": 3}\n')
    with pytest.raises(WorkError, match="line 2 is broken"):
        record.read(path)


def test_a_resume_takes_back_what_came_after_its_step(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    writer = record.RecordWriter(path)
    writer.write([step(1), step(2), step(3)])
    writer.event("evaluation", step=3, fid=1.0)
    writer.event("end", step=3, status="KILLED")
    writer.event("resume", step=1)
    writer.write([step(2)])
    writer.close()
    read = record.read(path)
    assert [row["step"] for row in read.steps] == [1, 2]
    assert read.evaluations == []
    assert read.end is None


def alarm(step: int) -> dict[str, object]:
    return {"step": step, "kind": "k-drop", "words": "k fell"}


def test_alarms_come_back_and_a_resume_takes_back_later_ones(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    tail = record.Tail(path)
    writer = record.RecordWriter(path)
    writer.write([step(1), step(2), step(3)])
    writer.event("alarm", **alarm(1))
    writer.event("alarm", **alarm(3))
    assert record.read(path).alarms == [alarm(1), alarm(3)]
    tail.rows()
    assert record.tag_of_alarms(tail.alarms) == "k-drop@1 k-drop@3"
    writer.event("resume", step=2)
    writer.close()
    assert record.read(path).alarms == [alarm(1)]
    # a store is sent points and evaluations: alarms are no such row
    assert [row["step"] for row in tail.rows(settled_only=False)] == [1, 2]
    assert record.tag_of_alarms(tail.alarms) == "k-drop@1"
    assert record.tag_of_alarms([]) == ""


def test_the_tail_hands_out_only_what_a_checkpoint_covers(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    tail = record.Tail(path)
    assert tail.rows() == []
    writer = record.RecordWriter(path)
    writer.write([step(1), step(2)])
    assert tail.rows() == []
    writer.event("checkpoint", step=2, file="x")
    writer.write([step(3)])
    assert [row["step"] for row in tail.rows()] == [1, 2, 2]
    writer.event("resume", step=2)
    writer.write([step(3), step(4)])
    assert tail.rows() == []
    assert [row["step"] for row in tail.rows(settled_only=False)] == [3, 4]
    writer.close()
