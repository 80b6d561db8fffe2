"""Optuna's dashboard shows a study from its journal."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from optuna.trial import TrialState

from bench.searching import trials
from bench.searching.journal_storage import JournalStorage
from bench.searching.plan import StudyPlan
from bench.searching.study_file import StudyFile
from bench.searching.study_loop import create_study

pytest.importorskip("optuna_dashboard", reason="it is missing: install 'began-bench[dashboard]'")


def studies_at(address: str, process: "subprocess.Popen[bytes]") -> list[dict[str, object]]:
    """What the dashboard lists, once it answers."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/api/studies", timeout=60) as answer:
                return list(json.load(answer)["study_summaries"])
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the dashboard does not answer")


def test_the_dashboard_lists_a_study_from_its_journal(bench_home: Path) -> None:
    settings = {"variant": "began", "preset": "quick", "steps": 20, "eval_every": 10, "channels": 1}
    plan = StudyPlan("shown", StudyFile(trials=2), settings, "fd_digits_garments", "0")
    storage = JournalStorage(plan.folder)
    study = create_study(plan, storage)
    while trial := trials.next_trial(study, storage, plan, "worker"):
        trials.finish_trial(study, trial, TrialState.COMPLETE, [1.0], "")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = shutil.which("optuna-dashboard", path=str(Path(sys.executable).parent)) or "optuna-dashboard"
    process = subprocess.Popen(
        [program, str(plan.folder / "journal.log"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        (listed,) = studies_at(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.wait()
    assert listed["study_name"] == plan.name
