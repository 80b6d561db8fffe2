"""The one command: what it writes, shows again and refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import measure
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(script, *words, **environment):
    words = [sys.executable, str(FOLDER / script), *words]
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def measured(monkeypatch, capsys):
    """The command in this process, where nothing need be loaded again."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["measure.py", *words])
        status = measure.main()
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


@pytest.fixture(scope="module")
def kept(tmp_path_factory, cache_folder):
    file = tmp_path_factory.mktemp("kept") / "data.json"
    words = ["--only", "data", "--pairs", "2", "--steps", "2", "--json", str(file)]
    status, told, errors = run("measure.py", *words, BENCH_CACHE=str(cache_folder))
    assert status == 0, errors
    return file, told


def test_the_result_contains_the_machine_and_every_time(kept):
    result = json.loads(kept[0].read_text())
    machine = result["machine"]
    assert machine["processor"]
    assert machine["cores"] >= 1
    assert machine["threads"] == 1
    assert machine["packages"]["torch"]
    assert len(result["load"]["data"]) == 2
    rows = result["sections"]["data"]
    assert len(rows) == 2
    for row in rows.values():
        assert len(row["faster"]["values"]) == 2
        assert row["images_per_second"]["harness"] > 0
        assert {len(each) for each in row["block_seconds"].values()} == {2}


def test_the_table_names_the_machine_and_its_kernels(kept):
    machine = json.loads(kept[0].read_text())["machine"]
    assert kept[1].startswith("## Data")
    where = f"{machine['processor']} ({machine['cores']} cores, torch's {machine['cpu_capability']} kernels)"
    assert f"{where}, threads 1, torch" in kept[1]
    assert "| mnist-5k, 1 x 28 x 28 |" in kept[1]


def test_a_stored_result_is_printed_as_when_it_was_measured(kept, measured):
    status, told, _ = measured("--from", str(kept[0]))
    assert status == 0
    assert told == kept[1]


def test_a_stored_error_is_reported_and_sets_the_exit_status(kept, tmp_path, measured):
    result = json.loads(kept[0].read_text())
    result["sections"]["data"]["random, 3 x 64 x 64"] = {"error": "no memory"}
    result["sections"]["floor"], result["load"]["floor"] = {"error": "no torch"}, [0.0, 0.0]
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(result))
    status, told, errors = measured("--from", str(file))
    assert status == 1
    assert "- random, 3 x 64 x 64: not measured: no memory" in told
    assert errors == "measure: floor: no torch\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--only", "nothing"], "'nothing' is not one of"),
        (["--variant", "nothing", "--only", "data"], "nothing"),
        (["--pairs", "0"], "0 is not in the range"),
        (["--from", "absent.json"], "not a file that this command wrote"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(words, expected, measured):
    status, told, errors = measured(*words)
    assert status == 2
    assert told == ""
    assert expected in errors
    assert errors.count("\n") == 1


def test_the_papers_configuration_runs_on_a_cpu(tmp_path):
    file = tmp_path / "paper.json"
    words = ["--device", "cpu", "--filters", "8", "--batch-size", "4", "--steps", "2", "--pairs", "2"]
    ways = ["--compile", "none", "--dtype", "float32", "--channels-last"]
    status, told, errors = run("gpu_paper.py", *words, *ways, "--json", str(file))
    assert status == 0, errors
    (row,) = json.loads(file.read_text())["ways"].values()
    assert row["configuration"]["variant"] == "began-v3"
    assert row["images_per_second"]["median"] == pytest.approx(4e3 / row["step_ms"], rel=0.5)
    assert row["hours"] == pytest.approx(300 * 162_770 / row["images_per_second"]["median"] / 3600)
    assert 0 < row["share_of_matrix_rate"]["median"] < 1
    assert (row["memory"], row["peak"]) == (None, None)
    assert "| float32, compile none, channels last |" in told


def test_the_papers_configuration_needs_a_gpu():
    status, told, errors = run("gpu_paper.py", CUDA_VISIBLE_DEVICES="")
    assert (status, told, errors) == (1, "", "not run: torch finds no GPU here\n")
