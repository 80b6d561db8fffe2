"""MLflow's pages: links to compare runs, a port that is taken, and an end that leaves no process."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bench.cli import main
from bench.commands.ui import print_links, shared_views
from bench.execution.experiment_pages import ExperimentPage, experiment_pages
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store
from variants.registry import all_variants


def tracked_run(small: SimpleNamespace, run_id: str, variant: str, **further: Any) -> RunFolder:
    config = small.tiny(variant).flat() | {"experiment": "mine"} | further.pop("config", {})
    scalars = all_variants()[variant].scalars
    fields = {"config": config, "scalars": scalars, "tracking": "default", "metric": "fd_digits", **further}
    run: RunFolder = small.describe_in(paths.runs() / run_id, **fields)
    return run


def test_pages_compare_by_the_scalars_of_tables_and_the_distance(small: SimpleNamespace) -> None:
    tracked_run(small, "a", "began")
    tracked_run(small, "b", "began-v3", created="2026-01-02T00:00:00+00:00")
    tracked_run(small, "c", "wgan-gp", config={"experiment": "other"}, created="2026-01-03T00:00:00+00:00")
    tracked_run(small, "d", "began", tracking=None, config={"experiment": "untracked"})
    other, mine = experiment_pages()
    assert mine == ExperimentPage("mine", 2, ["train/M", "train/k", "eval/fd_digits"])
    assert (other.experiment, other.runs) == ("other", 1)
    assert other.metrics[-1] == "eval/fd_digits"


def test_an_experiment_opens_with_its_columns(
    small: SimpleNamespace, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    tracker = TrackingProcess()
    run_id = tracker.create(tracked_run(small, "a", "began").describe(), current_store())
    tracker.close()
    absent = ExperimentPage("never sent", 1, [])
    ((page, experiment_id),) = shared_views(current_store(), [absent, *experiment_pages()])
    client: Any = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mine")
    assert experiment_id == experiment.experiment_id == client.get_run(run_id).info.experiment_id
    print_links("http://127.0.0.1:5000", [(page, experiment_id)])
    key = re.findall(r"viewStateShareKey=(\w+)", capsys.readouterr().out)[0]
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{key}"])
    metrics = ["train/M", "train/k", "eval/fd_digits"]
    assert view["selectedColumns"] == [
        *(f"metrics.`{name}`" for name in metrics),
        *(f"tags.`{name}`" for name in ("variant", "seed", "health")),
    ]
    assert [chart["metricKey"] for chart in view["compareRunCharts"]] == metrics
    # the filter that the page sends keeps the run, and would keep no run above several
    found = client.search_runs([experiment_id], view["searchFilter"], order_by=[view["orderByKey"]])
    assert [each.info.run_id for each in found] == [run_id]
    client.create_run(experiment_id, run_name="above")
    assert len(client.search_runs([experiment_id], view["searchFilter"])) == 1


def test_a_taken_port_is_an_error_in_one_line(bench_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert re.fullmatch(rf"bench: port {port} of 127\.0\.0\.1 is taken .*: try --port \d+", line)
    assert not bench_home.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_and_all_its_children(
    number: signal.Signals, bench_home: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", "ui", "--port", str(port)], stdout=out, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 180
    while b"; Ctrl-C ends them" not in (told := (tmp_path / "out").read_bytes()):
        assert process.poll() is None, told
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) > 1
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert b"Traceback" not in (tmp_path / "out").read_bytes()
