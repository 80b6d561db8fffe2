"""Several processes that train one run together, started by torchrun; gloo, on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import yaml

from bench.cli import main
from bench.execution.progress import Progress
from bench.execution.session import resume
from bench.execution.step_counts import micro_batches_of
from bench.execution.verification import verify
from bench.runs import record, run_folder
from bench.runs.record.events import text
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError
from bench.system.ranks import Ranks

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


class Two:
    """A run of two processes.

    Parameters
    ----------
    words : list of str
        What follows `bench run`.
    """

    def __init__(self, *words: str) -> None:
        command = [*TORCHRUN, "-m", "bench", "run", *words]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def wait(self) -> tuple[int, str, str]:
        """Status, standard output and standard error at the end."""
        out, err = self.process.communicate(timeout=180)
        return self.process.returncode, out, err

    def rank(self, number: int) -> psutil.Process:
        """The process of a rank."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            words = child.cmdline()
            if "run" in words and "--standalone" not in words and child.environ().get("RANK") == str(number):
                return child
        raise AssertionError(f"there is no rank {number}")

    def wait_for_step(self, step: int) -> RunFolder:
        """The run, when its record has a step."""
        while self.process.poll() is None:
            for run in run_folder.all_runs():
                if len(record.read(run.record_path).steps) >= step:
                    return run
            time.sleep(0.05)
        raise AssertionError(self.wait()[2])


def as_file(path: Path, values: dict[str, Any]) -> str:
    """A configuration file of a tiny run."""
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "values"),
    [
        ("began-v3", {"micro_batches": 2}),  # with batch norm
        ("began", {"layers": "published", "micro_batches": 1, "update": "alternating"}),  # without
        ("wgan-gp", {"micro_batches": 2, "critic_steps": 2}),
    ],
)
def test_two_ranks_equal_one_at_the_same_batch(
    variant: str, values: dict[str, Any], small: SimpleNamespace, tmp_path: Path
) -> None:
    given = {"variant": variant, "steps": 4, "eval_every": 2} | values
    alone = small.run(small.tiny(**given)).record
    given |= {"micro_batches": None}
    status, out, err = Two("--config", as_file(tmp_path / "two.yaml", small.values | given)).wait()
    assert status == 0, err
    assert "batch of 8 in 2 micro-batches of 4 on 2 processes" in err
    assert out.count("health") == 1  # one of them tells
    run = run_folder.all_runs()[-1]
    assert run.describe().environment.ranks == 2
    assert run.describe().config.flat()["micro_batches"] == 2
    together = record.read(run.record_path)
    assert [row["step"] for row in together.steps] == [1, 2, 3, 4]
    for one, other in zip(alone.steps, together.steps, strict=True):
        assert other == pytest.approx(one, rel=2e-3, abs=1e-5), one["step"]
    assert alone.steps[0] == pytest.approx(together.steps[0], rel=1e-5, abs=1e-7)
    metric = run.describe().metric
    for one, other in zip(alone.evaluations, together.evaluations, strict=True):
        assert other.step == one.step
        assert other.values[metric] == pytest.approx(one.values[metric], rel=0.02)


THREADS = """
import sys
from pathlib import Path

from bench.cli import main

status = main(sys.argv[1:])
names = [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]
sys.exit(f"still there: {names}" if any("gloo" in name for name in names) else status)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads have no names here")
def test_no_thread_of_the_process_group_outlives_the_training(small: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "threads.py").write_text(THREADS)
    values = small.values | {"variant": "wgan-gp", "steps": 2, "eval_every": 0, "micro_batches": None}
    words = ["run", "--config", as_file(tmp_path / "two.yaml", values)]
    ended = subprocess.run(
        [*TORCHRUN, str(tmp_path / "threads.py"), *words],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_a_killed_rank_ends_the_run_clearly_and_another_number_goes_on(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    values = small.values | {"variant": "began-v3", "steps": 100_000, "eval_every": 0, "checkpoint_every": 5}
    two = Two("--config", as_file(tmp_path / "long.yaml", values))
    run = two.wait_for_step(8)
    two.rank(1).send_signal(signal.SIGKILL)
    status, _, err = two.wait()
    assert status != 0
    name = run.describe().name
    (line,) = [line for line in err.splitlines() if line.startswith("bench: ")]
    assert "another process of this run has ended" in line
    assert f"bench run --resume {quote(name)}" in line
    rows = record.read(run.record_path)
    assert rows.end is not None
    assert rows.end.status == "FAILED"
    assert not run.is_over()

    # by one process, up to a step that it stops at; then by two again, which are asked to stop
    reached = rows.checkpoints[-1].step

    class StopSoon(Progress):
        def should_stop(self) -> bool:
            return True

    with pytest.raises(Exception, match=name):
        resume(run, StopSoon(quiet=True))
    after = record.read(run.record_path)
    assert after.steps[-1]["step"] == reached + 1
    assert after.resumes == 1

    two = Two("--resume", run.id)
    two.wait_for_step(reached + 10)
    two.process.send_signal(signal.SIGTERM)
    _, _, err = two.wait()
    last = record.read(run.record_path)
    assert last.end is not None
    assert last.end.status == "KILLED", err
    assert last.resumes == 2
    assert [row["step"] for row in last.steps] == list(range(1, last.steps[-1]["step"] + 1))
    assert last.checkpoints[-1].step == last.steps[-1]["step"]
    lines = [json.loads(line) for line in run.record_path.read_text().splitlines()]
    assert [row.get("ranks") for row in lines if row.get("event") == "session"] == [2, 1, 2]


@pytest.mark.slow
def test_a_wrong_request_is_told_once(small: SimpleNamespace, tmp_path: Path, bench_home: Path) -> None:
    values = small.values | {"variant": "began", "batch_size": 9}
    status, out, err = Two("--config", as_file(tmp_path / "wrong.yaml", values), "--json").wait()
    assert status != 0
    (line,) = [line for line in err.splitlines() if line.startswith("bench: ")]
    assert "2 does not divide a batch of 9" in line
    (told,) = out.splitlines()
    assert json.loads(told) == {"error": line.removeprefix("bench: "), "status": 2}
    assert not bench_home.exists()


def test_a_run_that_others_joined_later_is_compared_up_to_there(small: SimpleNamespace) -> None:
    outcome = small.run(small.tiny("began", steps=6))
    path = outcome.run.record_path
    lines = path.read_text().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if json.loads(line).get("step") == 4)
    first = record.read(path).sessions[0]
    joined = text(first.model_copy(update={"step": 3, "ranks": 2, "micro_batches": 2}))
    # what two processes would have rounded otherwise
    after = [line.replace('"loss_g": 0', '"loss_g": 1') for line in lines[place:]]
    path.write_text("".join([*lines[:place], joined, *after]))
    small.adopt_checkpoints(outcome.run)
    found = verify(outcome.run, Progress(quiet=True))
    assert found.steps == 3
    assert "steps after 3 were trained otherwise: processes 1, now 2" in found.notes
    assert found.undecided[0] == "steps 4 to 6 with their evaluations and checkpoints"


def test_shares_are_consecutive_and_cover_everything() -> None:
    for count in (1, 2, 3, 5):
        for things in (0, 1, 7, 100):
            shares = [list(Ranks(rank, count).shard(things)) for rank in range(count)]
            assert sum(shares, []) == list(range(things))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_everything_comes_back() -> None:
    alone = Ranks()
    assert alone.first
    assert alone.any_rank(True)
    assert not alone.any_rank(False)
    assert alone.gather("x") == ["x"]
    assert alone.broadcast("x") == "x"


class SomeBatches:
    sizes = frozenset({8, 6})


@pytest.mark.parametrize(
    ("micro_batches", "ranks", "values", "named"),
    [
        (3, 2, {}, "3 cannot be shared by 2 ranks"),
        (4, 2, {}, "4 does not divide a batch of 6"),
        (2, 1, {"norm": "frobenius"}, "norm 'frobenius'"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    micro_batches: int, ranks: int, values: dict[str, Any], named: str, small: SimpleNamespace
) -> None:
    configuration = small.tiny("began", micro_batches=micro_batches, **values)
    variant = configuration.variant(configuration.hyperparameters, (1, 28, 28))
    with pytest.raises(RequestError, match=named):
        micro_batches_of(configuration.harness, variant, SomeBatches(), Ranks(0, ranks))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["table"], "torchrun starts `bench run` only"),
        (["run", "--variant", "began", "--seeds", "0-1"], "torchrun trains one run"),
    ],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_other_work_is_refused_in_one_line_by_the_first(
    words: list[str],
    named: str,
    rank: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bench_home: Path,
) -> None:
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x",
        "WORLD_SIZE": "2",
        "RANK": rank,
        "LOCAL_RANK": rank,
    }.items():
        monkeypatch.setenv(name, str(value))
    assert main(words) == 2
    told = capsys.readouterr().err
    assert (named in told and told.count("\n") == 1) if rank == 0 else told == ""
    assert not bench_home.exists()
