"""A few real runs that all tests of the report read."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.training.trainer import Diverged

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def reported_home(
    tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace
) -> Path:
    """One run each of two variants, one that diverged, one cut off, one on other data."""
    home = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        # its figures are drawn for the report, those of the next are there
        first = small.run(small.tiny("began", seed=0, data_root="/home/somebody/data sets")).run
        small.run(small.tiny("began-v3", seed=0, figures=True))
        small.run(small.tiny("began", seed=0, image_size=32, experiment="other"))
        with pytest.raises(Diverged):
            small.run(small.tiny("began-v3", seed=1, lr_g=1e30, lr_d=1e30, eval_every=0))
        small.adopt_checkpoints(_cut_off(first.path, paths.runs() / ("c" * 32)))
    return home


def _cut_off(whole: Path, folder: Path) -> RunFolder:
    """A copy of a run as a kill would leave it, with another seed and a hostile name."""
    shutil.copytree(whole, folder)
    record = folder / "record.jsonl"
    lines = [line for line in record.read_text().splitlines(keepends=True) if '"end"' not in line]
    record.write_text("".join(lines))
    described = RunFolder(whole).describe()
    changes = {"id": folder.name, "name": HOSTILE, "config": described.config.model_copy(update={"seed": 7})}
    RunFolder(folder).write_description(described.model_copy(update=changes))
    return RunFolder(folder)


@pytest.fixture
def home(reported_home: Path, bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results folder of these runs."""
    monkeypatch.setenv("BENCH_HOME", str(reported_home))
    return reported_home
