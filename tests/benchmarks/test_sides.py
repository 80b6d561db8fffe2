"""What takes turns: trainers in this process and in others, and runs that tell of themselves."""

import subprocess

import pytest
from children import ChildSide, environment
from configurations import quick
from sections import Request, first_step, memory, overhead

from bench.system.errors import WorkError


def test_trainers_and_bare_loop_have_the_same_weights():
    timed = overhead.time_in_this_process("began", Request(("began",), pairs=2, steps=2))
    assert timed.same_weights == (True, True)
    row = overhead.describe([timed, timed])
    assert set(row["processes"][0]["block_seconds"]) == {"bare", "trainer", "tracked", "second bare"}
    assert len(row["tracked"]["values"]) == 4
    assert len(row["second bare"]["medians"]) == 2
    table = overhead.table({"began": row, "broken": {"error": "no data"}})
    assert "| began " in table
    assert table.endswith("- broken: not measured: no data")


@pytest.mark.parametrize("kind", ["trainer", "plain"])
def test_a_side_trains_in_a_separate_process(kind):
    side = ChildSide(kind, quick("began", 1, batch_size=4))
    try:
        side.start()
        side.prepare(2)
        side.advance(2)
    finally:
        side.close()


def test_the_reason_why_a_side_cannot_be_built_is_reported():
    side = ChildSide("trainer", quick("began", 1, batch_size=1_000_000))
    try:
        with pytest.raises(WorkError, match="batch_size:? 1000000"):
            side.start()
    finally:
        side.close()


def test_a_run_stops_after_its_first_step(tmp_path):
    (words,) = first_step.running("began", 1, tracking=False)
    done = subprocess.run(
        words, env=environment(BENCH_HOME=str(tmp_path)), capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "first step\n"
    assert done.returncode == 130
    (record,) = tmp_path.glob("mlruns/runs/*/record.jsonl")
    session, end = record.read_text().splitlines()
    assert '"session"' in session
    # its scalars had not come to the host
    assert '"end"' in end
    assert '"KILLED"' in end


def test_resident_memory_is_sampled_during_a_whole_run():
    row = memory.measure_one("began", Request((), steps=40))
    assert [sample["step"] for sample in row["samples"]] == list(range(2, 41, 2))
    assert all(sample["bytes"] > 2**20 for sample in row["samples"])
    assert (row["from_step"], row["to_step"]) == (8, 40)
