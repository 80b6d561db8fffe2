"""Every code block of every page runs: Python, YAML files, and the commands of the shell.

A page is a user's session. Its blocks run from top to bottom in one folder, which is empty and holds the
results too; Python blocks share their names. bash expands variables and loops of a shell block and notes down
each command, and the command runs in this process.

What is changed of a block stands in this module alone: `SHORTER`, `shortened`, `NOT_RUN` and `prepare`.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bench
from bench.cli import cli, main
from bench.datasets.registry import DATASETS
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.metrics.registry import METRICS
from studies import shipped
from variants.registry import VARIANTS

ROOT = Path(__file__).parents[2]
# a comment that states the shape of a tensor
SHAPE = re.compile(r"^(\w+) = .*#.* ?\((\d+(?:, \d+)+)\)", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# A run of two steps of a small network, with one evaluation; nothing is sent to MLflow.
TINY = {
    "steps": 2, "filters": 4, "batch_size": 8, "eval_every": 2, "eval_samples": 100, "checkpoint_every": 2,
    "figures": False, "tracking": False, "device": "cpu", "extractor": "shipped",
}  # fmt: skip
# the same in Python, where the networks keep their size; one run in place of six
SHORTER = {
    "steps=2000": "steps=2, eval_samples=100, figures=False, tracking=False, quiet=True",
    '["began", "began-v3"], range(3), workers=2': '["began"], range(1)',
}
# blocks of other languages, and commands that are not started, with the reason
NOT_RUN = {
    "text": "no program: output, or the layout of a folder",
    "toml": "tests/examples/test_external_package.py installs it",
    "docs/upstream/onednn-strided-1x1.md": "its Python ends in a segmentation fault, which the page is about",
    "bench ui": "serves until it is stopped: tests/bench/commands/test_ui.py",
    "bench runs --delete": "asks, and deletes: tests/bench/commands/test_runs.py",
    "optuna-dashboard": "serves until it is stopped: tests/bench/searching/test_dashboard.py",
    "pip": "installs: .ci/run does; that the extras exist is tested here",
    "python -m pytest": "these tests",
    "python -m venv": "part of an installation: .ci/run",
    "python3 -m venv": "part of an installation: .ci/run",
    "pre-commit": "part of an installation: .ci/run",
    "mkdocs": "builds the site: .ci/run",
    "git": "part of a release",
    "python benchmarks/": "takes minutes to days: tests/benchmarks; script and options are looked up here",
    "python tools/": "takes hours: tests/tools; script and options are looked up here",
}
# Other data may be missing on this machine: runs on them are only tried with `--dry-run`, but for a small
# Fashion-MNIST where the page names a folder `data`.
MADE = ("photos", "UTKFace")  # folders of pictures that `prepare` makes
PACKAGED = (
    "mnist-5k", "ring-8", "grid-25", "stacked-mnist", "my-shapes", *(f"folder:{name}" for name in MADE),
)  # fmt: skip
KEPT = ("dataset", "preset", "experiment")  # options that stay when a run is shortened
# places that a reader fills in; jobs run on this machine, which has no SLURM
FILLED_IN = {"RUN": "last", "RUN_ID": "last", "KEY=VALUE": "gamma=0.7", "slurm": "local"}

PAGES = [
    page.relative_to(ROOT)
    for page in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md"))
    if FENCE.search(page.read_text(encoding="utf-8"))
]


def shortened(arguments: list[str]) -> list[list[str]]:
    """The commands that stand for a command of `bench`, cheap ones.

    A run is tried with `--dry-run`, and trained as `TINY` says, on packaged data: its first two variants,
    each alone in this process, with the first seed. A study is tried with `--dry-run`. A verification and a
    measurement take fewer steps, samples and draws. Documented distances are not computed again. All others
    stay as they are.
    """
    arguments = [FILLED_IN.get(word, word) for word in arguments]
    given = cli.get_command(None, arguments[0]).make_context(arguments[0], list(arguments[1:])).params
    match arguments[0]:
        case "run" if given["dry_run"]:
            return [arguments]
        case "run" if given["resume"]:
            return [[*arguments, "--dry-run"]]
        case "run":
            tried = [*arguments, "--dry-run"]
            small = given["dataset"] == "fashion-mnist" and given["settings"].get("data_root") == "data"
            if (given["dataset"] or "mnist-5k") not in PACKAGED and not small:
                return [tried]
            return [tried, *(trained_alone(name, given) for name in (given["variant"] or "").split(",")[:2])]
        case "study":
            return [arguments if given["dry_run"] else [*arguments, "--dry-run"]]
        case "doctor":
            # tests/bench/judging/test_anchors.py computes them
            return [[word for word in arguments if word != "--anchors"]]
        case "verify":
            return [[word if word != "200" else "2" for word in arguments]]
        case "sample":
            return [["200" if word == "50000" else word for word in arguments]]
        case "judge":
            # Inception is fetched, and takes long on a CPU
            return [arguments if "--extractor" in arguments else [*arguments, "--extractor", "shipped"]]
        case "eval":
            return [[{"10000": "200", "5": "2"}.get(word, word) for word in arguments]]
    return [arguments]


def trained_alone(variant: str, given: dict[str, Any]) -> list[str]:
    """The command that trains one variant of a command, with its first seed."""
    words = ["--steps", str(TINY["steps"]), "--device", str(TINY["device"])]
    for name, value in [("variant", variant), *((name, given[name]) for name in KEPT)]:
        words += [f"--{name}", str(value)] if value else []
    words += ["--config", str(given["file"])] if given["file"] else []
    tiny = {name: str(value) for name, value in TINY.items() if name not in ("steps", "device")}
    for name, value in (given["settings"] | tiny).items():
        words += ["--set", f"{name}={value}"]
    return ["run", *words]


def prepare(block: str) -> None:
    """Make what a reader has before a block: files, and the runs of which the block speaks."""
    for folder in (name for name in MADE if f"folder:{name}" in block):
        for name in ("cat", "dog"):
            Path(folder, name).mkdir(parents=True, exist_ok=True)
            for number in range(150):
                pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(f"{folder}/{name}/{number}.png")
    if "data_root=data" in block:
        raw = Path("data/FashionMNIST/raw")
        raw.mkdir(parents=True, exist_ok=True)
        draws = np.random.default_rng(0)
        for split, count in (("train", 300), ("t10k", 100)):
            head = struct.pack(">4i", 0x803, count, 28, 28)
            images = draws.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            (raw / f"{split}-images-idx3-ubyte").write_bytes(head + images.tobytes())
            labels = (np.arange(count) % 10).astype(np.uint8)
            (raw / f"{split}-labels-idx1-ubyte").write_bytes(
                struct.pack(">2i", 0x801, count) + labels.tobytes()
            )
    if "my-study.yaml" in block and not Path("my-study.yaml").exists():
        shutil.copy(shipped()["gamma-lr-lambda"], "my-study.yaml")
    if "--class" in block or "label=" in block:
        bench.run("cgan", quiet=True, **TINY)
    if "gamma == 0.5" in block:
        bench.run("began", gamma=0.5, quiet=True, **TINY)
    if "mlflow" in block:
        # the one run that is tracked
        bench.run("began", quiet=True, steps=2, eval_samples=100, figures=False, device="cpu")


NOTER = """#!/bin/bash
printf '%s\\0' "$#" "${0##*/}" "$@" >> "$NOTES"
"""
PROGRAMS = (
    "bench", "python", "python3", "torchrun", "git", "mkdocs", "optuna-dashboard", "pip", "pre-commit",
)  # fmt: skip


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with .venv/bin as after the installation; its programs note down what they are given."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv/bin").mkdir(parents=True)
    for name in PROGRAMS:
        file = folder / ".venv/bin" / name
        file.write_text(NOTER)
        file.chmod(0o755)
    (folder / ".venv/bin/activate").write_text("")
    return folder


def commands_of(block: str, programs: Path) -> list[list[str]]:
    """Programs and arguments that a block of the shell starts, after expansion."""
    notes = programs / "notes"
    notes.write_bytes(b"")
    path = f"{programs / '.venv/bin'}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=programs,
        env={"PATH": path, "NOTES": str(notes)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (block, done.stderr)
    words, commands = notes.read_text().split("\0")[:-1], []
    while words:
        count = int(words.pop(0)) + 1
        commands.append(words[:count])
        words = words[count:]
    return commands


@pytest.fixture
def folder(bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder where the page's commands run and their results lie, as in a clone."""
    bench_home.mkdir()
    monkeypatch.chdir(bench_home)
    with VARIANTS.restored(), DATASETS.restored(), METRICS.restored(), EXTRACTORS.restored():
        yield bench_home


@pytest.fixture
def _store_of_mlflow() -> Iterator[None]:
    import mlflow

    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_store_of_mlflow")
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_snippet_of_a_page_runs(
    page: Path, folder: Path, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    blocks = FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    # files are there before the commands that read them; parts of one's own, as once they are installed
    first = ("yaml", "python") if page.name == "extending.md" else ("yaml",)
    blocks.sort(key=lambda block: block[0] not in first)
    for number, (language, block) in enumerate(blocks):
        if language in NOT_RUN or str(page) in NOT_RUN:
            continue
        prepare(block)
        match language:
            case "python":
                run_python(block, tmp_path / f"block_{number}.py", names)
            case "yaml":
                Path(block.partition("\n")[0].removeprefix("# ")).write_text(block)
            case "sh":
                for command in commands_of(block, programs):
                    run_command(command, capsys)
            case _:
                raise AssertionError(f"{page}: a block of {language!r} neither runs nor stands in NOT_RUN")


def run_python(block: str, file: Path, names: dict[str, Any]) -> None:
    """Run a block with the names of the blocks before; it leaves no files but those that it names."""
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    file.write_text(block, encoding="utf-8")
    names["__file__"] = str(file)
    before = set(os.listdir())
    # compiled with the flags of a file, not with those of this one
    exec(compile(block, file, "exec", dont_inherit=True), names)
    for name, shape in SHAPE.findall(block):
        assert list(names[name].shape) == [int(size) for size in shape.split(",")], name
    for left in set(os.listdir()) - before - {"mlruns"}:
        assert f'"{left}"' in block, f"{left} is left behind"


def run_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command of `bench` in this process; check what is given to the programs that are not run."""
    program, *arguments = command
    if program in ("python", "torchrun") and arguments[:2] != ["-m", "pytest"] and "-m" in arguments:
        at = arguments.index("-m")
        if arguments[at + 1] == "bench":
            program, arguments = "bench", arguments[at + 2 :]
    line = " ".join([program, *arguments])
    if any(line.startswith(each) for each in NOT_RUN):
        check_unrun(program, arguments)
        return
    assert program == "bench", f"{line!r} neither runs nor stands in NOT_RUN"
    for words in shortened(arguments):
        status = main(words)
        printed = capsys.readouterr()
        assert status == 0, (line, words, printed.err[-2000:])


def check_unrun(program: str, arguments: list[str]) -> None:
    """Check that the project has the extras, scripts and options that a command names."""
    if program == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for match in re.findall(r"\[([\w,-]+)\]", " ".join(arguments)):
            assert set(match.split(",")) <= set(project["optional-dependencies"])
    elif program == "bench":
        name, *words = arguments
        cli.get_command(None, name).make_context(name, words)
    elif program == "python" and arguments[0] != "-m":
        source = (ROOT / arguments[0]).read_text(encoding="utf-8")
        for word in arguments[1:]:
            assert not word.startswith("--") or word in source, arguments
