import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.runs import record
from bench.runs.record import Alarm, CheckpointEvent, End, Evaluation, RecordEvents
from bench.system.errors import WorkError

Rows = list[dict[str, Any]]


def step(number: int) -> dict[str, float]:
    return {"step": number, "M": number / 10}


def alarm(step: int) -> dict[str, object]:
    return {"step": step, "kind": "k-drop", "message": "k fell"}


def checkpoint(step: int) -> dict[str, Any]:
    return {"event": "checkpoint", "step": step, "file": f"step-{step}", "train_seconds": 1.0}


def saved_at(step: int) -> CheckpointEvent:
    return CheckpointEvent(step=step, file=f"step-{step}", train_seconds=1.0)


def evaluation(step: int) -> dict[str, Any]:
    return {"event": "evaluation", "step": step, "fid": 3.5}


def end(step: int, status: str = "FINISHED") -> dict[str, Any]:
    return {"event": "end", "step": step, "status": status, "health": "ok", "best": {"M_best": 0.1}}


def whole(small: SimpleNamespace) -> Rows:
    """A run of four steps that was stopped after three, had its last checkpoint at two, and finished."""
    first, second = ({"event": "session", **small.session(at).plain()} for at in (0, 2))
    begun = [first, step(1), step(2), evaluation(2), checkpoint(2), step(3), end(3, "KILLED")]
    raised = {"event": "alarm", **alarm(3)}
    return [*begun, second, step(3), step(4), raised, evaluation(4), checkpoint(4), end(4)]


def extended(small: SimpleNamespace) -> Rows:
    """The same run, given six steps after its end, whose evaluation the longer training lacks."""
    more = {"event": "extended", "step": 4, "before": 4, "steps": 6, "evaluates": False, "saves": True}
    again = {"event": "session", **small.session(4).plain()}
    begun = whole(small)
    begun[12]["means"] = {"M": 0.35}
    return [*begun, more, again, step(5), step(6), checkpoint(6), evaluation(6), end(6)]


def write(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refusal(path: Path) -> str:
    """The line in which a record is refused, which is the same for every reader."""
    told: list[str] = []
    for reader in (record.read, RecordEvents, lambda path: record.Tail(path).read()):
        with pytest.raises(WorkError) as error:
            reader(path)
        told.append(str(error.value))
    assert len(set(told)) == 1
    assert "\n" not in told[0]
    return told[0]


def test_lines_come_back_as_written(tmp_path: Path, small: SimpleNamespace) -> None:
    path = tmp_path / record.FILE
    judged, saved = Evaluation.model_validate({"step": 2, "fid": 3.5, "modes": 7}), saved_at(2)
    ended = End(step=2, status="FINISHED", health="ok", best={"M_best": 0.1, "M_best_step": 2})
    writer = record.RecordWriter(path)
    writer.write([small.session(0), step(1), step(2), judged, saved, ended])
    writer.close()
    read = record.read(path)
    assert read.sessions == [small.session(0)]
    assert read.series("M") == [0.1, 0.2]
    assert read.evaluations == [judged]
    assert read.evaluations[0].values == {"fid": 3.5, "modes": 7}
    assert read.checkpoints == [saved]
    assert read.end == ended
    assert json.dumps(dict(ended.best)) == '{"M_best": 0.1, "M_best_step": 2}'
    assert read.is_over()
    assert read.series("k") == []


def test_a_record_without_damage_is_read_alike_by_all(tmp_path: Path, small: SimpleNamespace) -> None:
    path = write(tmp_path / record.FILE, whole(small))
    read, events, tail = record.read(path), RecordEvents(path).record, record.Tail(path)
    assert [row["step"] for row in read.steps] == [1, 2, 3, 4]
    assert [session.step for session in read.sessions] == [0, 2]
    assert read.resumes == 1
    assert (events.end, events.checkpoints, events.sessions) == (read.end, read.checkpoints, read.sessions)
    assert [row["step"] for row in tail.read() if isinstance(row, dict)] == [1, 2, 3, 4]


def taken_out(place: int) -> Any:
    return lambda rows: rows[:place] + rows[place + 1 :]


@pytest.mark.parametrize("saves", [True, False])
def test_an_extended_run_keeps_its_old_end(saves: bool, tmp_path: Path, small: SimpleNamespace) -> None:
    rows = extended(small)
    rows[14]["saves"] = saves
    path = write(tmp_path / record.FILE, rows)
    short, read, tail = (
        record.read(write(tmp_path / "short", rows[:14])),
        record.read(path),
        record.Tail(path),
    )
    assert RecordEvents(path).record.extensions == read.extensions
    (extension,) = read.extensions
    assert (extension.end, read.end and read.end.step) == (short.end, 6)
    # the longer training has no evaluation at the old end, and perhaps no means
    assert [each.step for each in read.evaluations] == [2, 6]
    assert [bool(each.means) for each in read.checkpoints] == [False, saves, False]
    old = read.at_old_end(extension)
    assert (old.steps, old.evaluations, old.checkpoints) == (
        short.steps,
        short.evaluations,
        short.checkpoints,
    )
    # a store has been sent the old end's evaluation
    tail = record.Tail(path)
    sent = [each.step for each in tail.read() if isinstance(each, Evaluation)]
    assert (sent, tail.end) == ([2, 4, 6], read.end)
    # an extension ends the end, whatever follows
    assert not record.read(write(path, rows[:15])).is_over()
    assert (record.read(path).planned_steps(4), short.planned_steps(4)) == (6, 4)


def doubled(place: int) -> Any:
    return lambda rows: rows[: place + 1] + rows[place:]


def exchanged(place: int) -> Any:
    return lambda rows: [*rows[:place], rows[place + 1], rows[place], *rows[place + 2 :]]


def altered(place: int, **values: Any) -> Any:
    return lambda rows: [*rows[:place], rows[place] | values, *rows[place + 1 :]]


DAMAGES = {
    "a lost step": (taken_out(1), "line 2: step 2 stands where step 1 must stand"),
    "a lost step after a resume": (taken_out(8), "line 9: step 4 stands where step 3 must stand"),
    "a lost last step": (taken_out(9), "line 11: evaluation at step 4 stands after step 3"),
    "a doubled step": (doubled(2), "line 4: step 2 is recorded twice"),
    "steps out of order": (exchanged(8), "line 9: step 4 stands where step 3 must stand"),
    "a lost session": (taken_out(7), "line 8: step 3 follows the end of the run"),
    "a session after steps to come": (altered(7, step=9), "line 8: session at step 9 stands after step 3"),
    "an evaluation of another step": (altered(3, step=1), "line 4: evaluation at step 1 stands after step 2"),
    "a doubled evaluation": (doubled(11), "line 13: evaluation at step 4 is recorded twice"),
    "a checkpoint of another step": (altered(4, step=3), "line 5: checkpoint at step 3 stands after step 2"),
    "a doubled checkpoint": (doubled(12), "line 14: checkpoint at step 4 is recorded twice"),
    "a lost last checkpoint": (taken_out(12), "line 13: end at step 4: the run finished without checkpoint"),
    "a lost last evaluation": (taken_out(11), "line 13: end at step 4: the run finished without evaluation"),
    "an end of another step": (altered(13, step=5), "line 14: end at step 5 stands after step 4"),
    "a doubled end": (doubled(13), "line 15: step 4 follows the end of the run"),
    "an alarm of a step to come": (altered(10, step=7), "line 11: alarm at step 7 stands after step 4"),
    "another scalar that is text": (altered(9, k="0.1"), "line 10: step 4: k is no number"),
    "a scalar that is text": (altered(9, M="0.4"), "line 10: step 4: M is no number"),
    "a scalar that is a truth value": (altered(9, M=True), "line 10: step 4: M is no number"),
    "a metric that is null": (altered(11, fid=None), "line 12: evaluation at step 4: fid is no number"),
    "a step that is no whole number": (altered(9, step=4.0), "line 10: step 4.0 is no whole number"),
    "no step": (lambda rows: [*rows[:9], {"M": 0.4}, *rows[10:]], "line 10: step is missing"),
    "an unknown status": (
        altered(13, status="GOOD"),
        "line 14: end at step 4: status has the unknown value 'GOOD'",
    ),
    "no status": (altered(13, status=None), "line 14: end at step 4: status has the unknown value None"),
    "a thread count that is text": (
        altered(0, threads="2"),
        "line 1: session at step 0: threads is no number",
    ),
    "no thread count": (
        lambda rows: [{name: value for name, value in rows[0].items() if name != "threads"}, *rows[1:]],
        "line 1: session at step 0: threads is missing",
    ),
    "a device that is a number": (
        altered(0, device=3),
        "line 1: session at step 0: device is of the wrong type",
    ),
    "an unknown value of a checkpoint": (altered(4, N=1.0), "line 5: checkpoint at step 2: N is unknown"),
    "a mean that is text": (
        altered(4, means={"M": "0.1"}),
        "line 5: checkpoint at step 2: means: M is no number",
    ),
    "a best value that is null": (
        altered(13, best={"M_best": None}),
        "line 14: end at step 4: best: M_best is no number",
    ),
    "an unknown event": (altered(3, event="rest"), "line 4: unknown event 'rest'"),
    "a list": (lambda rows: [*rows[:9], [4, 0.4], *rows[10:]], "line 10: the line is no JSON object"),
}


EXTENSIONS = {
    "fewer steps": ({"steps": 4}, "line 15: extended at step 4: from 4 to 4 steps, where 4 were planned"),
    "of another step": ({"step": 3}, "line 15: extended at step 3 stands after step 4"),
    "of a length that it is over": ({"before": 3}, "line 15: extended at step 4: from 3 to 6 steps, where 3"),
    "no truth value": ({"saves": 1}, "line 15: extended at step 4: saves is neither true nor false"),
}


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_an_extension_that_cannot_be_is_refused(kind: str, tmp_path: Path, small: SimpleNamespace) -> None:
    values, words = EXTENSIONS[kind]
    path = write(tmp_path / record.FILE, altered(14, **values)(extended(small)))
    assert refusal(path).startswith(f"{path} is damaged: {words}")


def test_only_a_session_or_a_longer_extension_follows_an_extension(
    tmp_path: Path, small: SimpleNamespace
) -> None:
    path = tmp_path / record.FILE
    rows = extended(small)
    write(path, taken_out(15)(rows))
    assert "line 16: step 5 follows the end of the run" in refusal(path)
    write(path, [*rows[:15], rows[14] | {"before": 5, "steps": 7}])
    assert "line 16: extended at step 4: from 5 to 7 steps, where 6 were planned" in refusal(path)
    write(path, [*rows[:15], rows[14] | {"before": 6, "steps": 7}])
    assert record.read(path).planned_steps(4) == 7


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_record_is_refused_by_file_line_and_step(
    kind: str, tmp_path: Path, small: SimpleNamespace
) -> None:
    damage, words = DAMAGES[kind]
    path = write(tmp_path / record.FILE, damage(whole(small)))
    told = refusal(path)
    assert told.startswith(f"{path} is damaged: {words}")
    assert "put a copy of the original back" in told


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"step"\n', "is broken"),
        (b"\n", "is broken"),
        (b"\xff\xfe\n", "line 2"),
        (b"[" * 100_000 + b"\n", "line 2"),
        (b'{"step": 2, "M": 1.2.3}\n', "is broken"),
        (b'{"step": 2, "M": 01}\n', "is broken"),
        (b'x{"step": 2, "M": 0.2}\n', "is broken"),
    ],
)
def test_a_broken_line_in_the_middle_is_an_error_that_names_it(
    line: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / record.FILE
    path.write_bytes(b'{"step": 1, "M": 0.1}\n' + line + b'{"step": 3, "M": 0.3}\n')
    told = refusal(path)
    assert "line 2" in told
    assert words in told


def test_many_steps_are_checked_alike_with_and_without_parsing(tmp_path: Path) -> None:
    rows = [step(number) | {"k": -1e-07 * number} for number in range(1, 2001)]
    rows[-1]["k"] = float("nan")
    path = write(tmp_path / record.FILE, rows)
    assert [RecordEvents(path).step(number) for number in (1, 1999)] == [rows[0], rows[1998]]
    for place in (1, 1000, 1999):
        write(path, doubled(place)(rows))
        told = refusal(path)
        assert f"line {place + 2}: step {place + 1} is recorded twice" in told
        write(path, [row if n != place else row | {"k": "0"} for n, row in enumerate(rows)])
        told = refusal(path)
        assert f"line {place + 1}: step {place + 1}: k is no number" in told


@pytest.mark.parametrize("first", [1, 7])
def test_a_step_has_the_scalars_that_it_recorded_and_no_others(
    first: int, tmp_path: Path, small: SimpleNamespace
) -> None:
    """A lazy phase records at some steps, and a phase that begins late brings new names."""
    rows: list[dict[str, Any]] = []
    for number in range(1, 301):
        row = {"step": number, "lr_g": 1e-4}
        if number >= first and (number - first) % 16 == 0:
            row["penalty"] = number / 10
        if number > 200:
            row |= {"late one": 0.5, 'a "quoted" name': 0.25, "µ": 1e-9}
        rows.append(row)
    path = write(tmp_path / record.FILE, rows)
    read, events = record.read(path), RecordEvents(path)
    assert read.steps == rows
    assert read.series("penalty") == [row["penalty"] for row in rows if "penalty" in row]
    assert read.series("late one") == [0.5] * 100
    assert [events.step(number) for number in (1, 7, 8, 200, 201)] == [
        rows[number - 1] for number in (1, 7, 8, 200, 201)
    ]
    # damage is found wherever it lies
    write(path, doubled(250)(rows))
    assert "line 252: step 251 is recorded twice" in refusal(path)
    write(path, altered(6, penalty="x")(rows))
    assert "line 7: step 7: penalty is no number" in refusal(path)


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 3, "step": 4, "M": 0.1}',
        b'{"step": 3, "M": 0.1, "event": 3}',
        b'{"step": 3, "M": "0.1"}',
        b'{"step": 3, "M": 0.1,}',
        b'{"step": 3, M: 0.1}',
        b'{"step": 3, "M\x01": 0.1}',
        b'{"step": 3, "\xff": 0.1}',
    ],
)
def test_a_line_among_many_that_is_refused_alone_is_refused_among_them(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    lines = [json.dumps(step(number)).encode() for number in range(1, 9)]
    path.write_bytes(b"".join(each + b"\n" for each in [*lines[:2], line, *lines[3:]]))
    refusal(path)


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


FULL = """
import resource, signal, sys
from pathlib import Path
from bench.runs import record

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
writer = record.RecordWriter(Path(sys.argv[1]))
writer.write([{"step": 1, "M": 0.1}])
try:
    writer.write([{"step": step, "M": 0.1} for step in range(2, 20)])
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
writer.write([{"step": 2, "M": 0.2}])
print(record.mark_matches(Path(sys.argv[1]), writer.mark()))
"""


def test_lines_that_cannot_be_written_leave_no_part_of_them(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    told, matches = done.stdout.splitlines()
    assert str(path) in told
    assert matches == "True"
    assert record.read(path).series("M") == [0.1, 0.2]


def test_a_mark_tells_whether_a_record_still_begins_as_it_did(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    empty = record.RecordWriter(path).mark()
    writer = record.RecordWriter(path)
    writer.write([step(1)])
    writer.close()
    # what stands in the file already counts, too
    writer = record.RecordWriter(path)
    writer.write([step(2)])
    mark = writer.mark()
    writer.write([step(3)])
    writer.close()
    content = path.read_bytes()
    assert record.mark_matches(path, mark)
    assert mark.length < len(content)
    path.write_bytes(content[: mark.length])
    assert record.mark_matches(path, mark)
    for other in (content[: mark.length - 1], content.replace(b"0.2", b"0.3"), b""):
        path.write_bytes(other)
        assert not record.mark_matches(path, mark)
    path.unlink()
    assert not record.mark_matches(path, mark)
    assert record.mark_matches(path, empty)


def test_a_session_takes_back_what_came_after_its_step(tmp_path: Path, small: SimpleNamespace) -> None:
    path = tmp_path / record.FILE
    writer = record.RecordWriter(path)
    writer.write([small.session(0)])
    judged = Evaluation.model_validate({"step": 3, "fid": 3.5})
    killed = End(step=3, status="KILLED", health="ok", best={})
    writer.write([step(1), step(2), step(3), judged, killed])
    writer.write([small.session(1, threads=4)])
    writer.write([step(2)])
    writer.close()
    read = record.read(path)
    assert [row["step"] for row in read.steps] == [1, 2]
    assert read.evaluations == []
    assert read.end is None
    assert [session.threads for session in read.sessions] == [1, 4]


def test_what_differs_between_sessions_is_told(small: SimpleNamespace) -> None:
    before = small.session(0)
    assert small.session(5).differences(before) == []
    now = small.session(5, threads=4, torch="3", commit="1", cpu_capability="AVX512", micro_batches=2)
    assert now.differences(before) == [
        "commit 0, now 1",
        "torch 2, now 3",
        "threads 1, now 4",
        "kernels for AVX2, now AVX512",
    ]


def test_alarms_come_back_and_a_session_takes_back_later_ones(tmp_path: Path, small: SimpleNamespace) -> None:
    path = tmp_path / record.FILE
    tail = record.Tail(path)
    writer = record.RecordWriter(path)
    writer.write([step(1), step(2), step(3)])
    first, second = (Alarm.model_validate(alarm(at)) for at in (1, 3))
    writer.write([first, second])
    assert record.read(path).alarms == [first, second]
    tail.read()
    assert record.alarm_tag(tail.alarms) == "k-drop@1 k-drop@3"
    writer.write([small.session(2)])
    writer.close()
    assert record.read(path).alarms == [first]
    # a store is sent points and evaluations: alarms are no such row
    assert tail.read(covered_only=False) == [step(1), step(2)]
    assert record.alarm_tag(tail.alarms) == "k-drop@1"
    assert record.alarm_tag([]) == ""


def test_the_tail_hands_out_only_what_a_checkpoint_covers(tmp_path: Path, small: SimpleNamespace) -> None:
    path = tmp_path / record.FILE
    tail = record.Tail(path)
    assert tail.read() == []
    writer = record.RecordWriter(path)
    writer.write([step(1), step(2)])
    assert tail.read() == []
    writer.write([saved_at(2), step(3)])
    assert tail.read() == [step(1), step(2), saved_at(2)]
    # an evaluation follows the checkpoint of its step
    judged = Evaluation.model_validate({"step": 2, "fid": 3.5})
    writer.write([small.session(2), judged])
    assert tail.read() == [judged]
    writer.write([step(3), step(4)])
    assert tail.read() == []
    assert tail.read(covered_only=False) == [step(3), step(4)]
    writer.close()
