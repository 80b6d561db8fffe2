"""A store is opened whole, or not at all."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from bench.system.atomic_files import PREFIX
from bench.tracking.opening import open_store
from bench.tracking.store import experiment_id
from bench.tracking.store_choice import default_store

OPEN = "from bench.system import paths; from bench.tracking import store_choice, opening; "
OPEN += "opening.open_store(store_choice.default_store(), paths.results())"


@pytest.mark.slow
def test_a_kill_while_tables_are_created_leaves_no_broken_store(bench_home: Path) -> None:
    """Killed with the first bytes in the file, and further and further into the migrations."""
    results = bench_home / "mlruns"
    database = results / "mlflow.db"
    for size in (1, 100_000, 300_000):
        process = subprocess.Popen([sys.executable, "-c", OPEN])
        while process.poll() is None and not any(
            path.stat().st_size >= size for path in results.glob(f"{PREFIX}*.db")
        ):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was not killed in time"
        assert not database.exists()
    store = open_store(default_store(), results)
    assert [experiment.name for experiment in store.client.search_experiments()] == ["Default"]
    # what the killed processes left is gone
    assert not list(results.glob(f"{PREFIX}*"))


def test_an_empty_file_becomes_a_store(bench_home: Path) -> None:
    results = bench_home / "mlruns"
    results.mkdir(parents=True)
    (results / "mlflow.db").touch(mode=0o640)
    open_store(default_store(), results)
    assert (results / "mlflow.db").stat().st_mode & 0o777 == 0o640
    assert (results / "mlflow.db").read_bytes().startswith(b"SQLite format 3")


def test_a_store_is_made_in_a_folder_of_any_name_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a?b#c d%41"
    monkeypatch.setenv("BENCH_HOME", str(home))
    store = open_store(default_store(), home / "mlruns")
    (experiment,) = store.client.search_experiments()
    assert (home / "mlruns" / "mlflow.db").read_bytes().startswith(b"SQLite format 3")
    assert [path.name for path in tmp_path.iterdir()] == [home.name]
    assert url2pathname(urlsplit(experiment.artifact_location).path).startswith(f"{home}/mlruns/artifacts/")


def test_models_lie_in_a_moved_store(
    bench_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_store(default_store(), bench_home / "mlruns")
    experiment = experiment_id(opened, "mine")
    model = opened.client.create_logged_model(experiment, "generator")
    bench_home.rename(tmp_path / "moved")
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "moved"))
    moved = open_store(default_store(), tmp_path / "moved" / "mlruns").client.get_logged_model(model.model_id)
    assert moved.artifact_location.startswith((tmp_path / "moved" / "mlruns" / "artifacts").as_uri())
    assert (
        moved.artifact_location.partition("/mlruns/")[2] == model.artifact_location.partition("/mlruns/")[2]
    )
