"""Real studies of tiny networks: commands that are started, killed and stopped, and what they leave."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import yaml
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from bench.runs import record
from bench.searching import trials
from bench.tracking.study_view import STATE, STATUS

DEADLINE = 300  # seconds; only a test that fails comes near it
STUDY: dict[str, Any] = {
    "variant": "began",
    "search": {"gamma": "declared", "lambda_k": "declared"},
    "sampler": {"name": "random"},
    "pruner": {"name": "none", "collapse_after": 1},
}
SETTINGS: dict[str, Any] = {
    "preset": "quick",
    "filters": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "eval_samples": 100,
    "extractor": "shipped",
    "checkpoint_every": 10,
    "figures": False,
}


class Host:
    """A host on which a study is carried out: a results folder and the processes that work on it."""

    def __init__(self, home: Path, file: Path, words: tuple[str, ...]) -> None:
        self.home = home
        self.file = file
        self.words = words

    def start(self, *more: str) -> "subprocess.Popen[str]":
        """Give the command."""
        return subprocess.Popen(
            [sys.executable, "-m", "bench", "study", str(self.file), "--device", "cpu", *self.words, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"BENCH_HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def end_of(self, process: "subprocess.Popen[str]", status: int = 0) -> list[str]:
        """Wait for a command's end and return the lines of its standard error."""
        _, error = process.communicate(timeout=DEADLINE)
        assert process.returncode == status, error
        return error.splitlines()

    def run(self, *more: str) -> list[str]:
        """Give the command and wait for its end."""
        return self.end_of(self.start(*more))

    def interrupt(self, process: "subprocess.Popen[str]") -> None:
        """Press Ctrl-C, which a terminal tells all that the command has started in it; nothing is left."""
        os.killpg(process.pid, signal.SIGINT)
        assert self.end_of(process, 130)[-1] == "bench: stopped; run the same command to continue"
        assert not self.processes()

    def kill_workers(self) -> None:
        """Kill outright every worker that lives now."""
        found = self.processes("bench.searching.worker")
        assert found
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=DEADLINE)

    def processes(self, module: str = "") -> list[psutil.Process]:
        """Living processes of this host, those of one module of ours where that is given."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("BENCH_HOME") == str(self.home)
                if (
                    mine
                    and process.status() != psutil.STATUS_ZOMBIE
                    and module in " ".join(process.cmdline())
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    @staticmethod
    def wait_for(happened: Callable[[], Any], what: str) -> Any:
        """Wait until something is true and return it."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if found := happened():
                return found
            time.sleep(0.05)
        raise AssertionError(f"never happened: {what}")

    def wait_until_training(self, runs: int = 1, sessions: int = 0) -> None:
        """Wait until the last of so many runs trains, after so many resumes, and has written checkpoints."""

        def trains() -> bool:
            found = self.records()
            if len(found) < runs:
                return False
            rows = found[-1]
            return not rows.end and rows.resumes == sessions and len(rows.checkpoints) > 2 * (1 + sessions)

        self.wait_for(trains, f"run {runs} in training after {sessions} resumes")

    @property
    def folder(self) -> Path:
        """The study's folder."""
        (folder,) = (self.home / "mlruns" / "studies").iterdir()
        return folder

    def trials(self) -> list[FrozenTrial]:
        """The trials, as the journal has them."""
        journal = JournalFileBackend(str(self.folder / "journal.log"))
        storage = optuna.storages.JournalStorage(journal)
        return optuna.load_study(study_name=self.folder.name, storage=storage).get_trials()

    def states(self) -> list[str]:
        """The states of the trials."""
        return [trial.state.name for trial in self.trials()]

    def records(self) -> list[record.Record]:
        """The records of the runs, the run that began first first."""
        found = (self.home / "mlruns" / "runs").glob("*/run.json")
        paths = [path.with_name("record.jsonl") for path in sorted(found, key=lambda p: p.stat().st_mtime)]
        return [record.read(path) for path in paths]

    def files(self) -> dict[Path, bytes]:
        """What the runs' folders hold."""
        found = (self.home / "mlruns" / "runs").rglob("*")
        return {path: path.read_bytes() for path in found if path.is_file() and path.name != ".lock"}

    def check_trained(self, steps: int) -> None:
        """Every run was trained to its end, each step once."""
        for rows in self.records():
            assert rows.is_over()
            assert [row["step"] for row in rows.steps] == list(range(1, steps + 1))

    def check_store(self, parent_status: str = "FINISHED") -> None:
        """MLflow shows the study as it is: a run for it, one for each trial, and nothing that runs."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{self.home / 'mlruns' / 'mlflow.db'}")
        runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
        (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        known = self.trials()
        begun = [trial.number for trial in known if trial.state != TrialState.WAITING]
        assert sorted(int(run.data.tags["optuna.trial"]) for run in children) == begun
        for child in children:
            trial = known[int(child.data.tags["optuna.trial"])]
            stopped = trial.user_attrs.get(trials.REASON) == trials.STOPPED
            assert child.data.tags[STATE] == trial.state.name
            assert child.info.status == ("KILLED" if stopped else STATUS[trial.state.name])
        assert parent.info.status == parent_status
        assert "RUNNING" not in {run.info.status for run in runs}
        for path in (self.home / "mlruns" / "runs").glob("*/record.jsonl"):
            sent = [point.step for point in client.get_metric_history(path.parent.name, "train/M")]
            # what no checkpoint covers is sent at the run's end
            known_steps = [row["step"] for row in record.read(path).steps]
            assert sorted(sent) == known_steps[: len(sent)]
            assert len(sent) == len(known_steps) or not record.read(path).is_over()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Make hosts; what still runs on them at the end is killed."""
    hosts: list[Host] = []

    def make(*words: str, name: str = "home", steps: int = 60, tracking: bool = False, **study: Any) -> Host:
        settings = SETTINGS | {"steps": steps, "eval_every": steps // 2, "tracking": tracking}
        file = tmp_path / "tiny.yaml"
        file.write_text(yaml.safe_dump(STUDY | {"settings": settings} | study))
        hosts.append(Host(tmp_path / name, file, words))
        return hosts[-1]

    yield make
    for each in hosts:
        for process in each.processes():
            process.kill()


@pytest.fixture(scope="session")
def check_over() -> Callable[[list[FrozenTrial], int], None]:
    """Assert that a study is over: exactly its budget counts, nothing runs, nothing is left to do."""

    def check(known: list[FrozenTrial], budget: int) -> None:
        assert trials.count_ended(known) == budget
        assert {trial.state for trial in known} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
        assert not trials.to_retry(known)
        # each took the place of one, and of each one place was taken
        heirs = Counter(trial.user_attrs.get(trials.RETRY_OF) for trial in known)
        assert all(count == 1 for number, count in heirs.items() if number is not None)

    return check
