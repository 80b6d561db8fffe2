"""Small real runs, and the comparison of their states."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from systems.trio import Trio

from bench.configuration import Configuration, resolve
from bench.execution.progress import Progress
from bench.execution.session import start
from bench.health import verdict
from bench.runs import checkpoint, environment, record
from bench.runs.description import DIGEST, RunDescription, digest_of
from bench.runs.result import RunResult
from bench.runs.run_folder import RunFolder
from bench.training.trainer import Diverged
from variants.registry import VARIANTS, all_variants, register
from variants.scalars import Drop, Rise, Stuck

TINY: dict[str, Any] = {
    "preset": "quick",
    "steps": 9,
    "filters": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "eval_every": 4,
    "eval_samples": 100,
    "checkpoint_every": 3,
    "extractor": "shipped",
    "device": "cpu",
    "figures": False,
    "tracking": False,
}


def tiny(variant: str, **values: Any) -> Configuration:
    """A configuration that trains in about a second on packaged digits."""
    return resolve(TINY | {"variant": variant} | values)


def run(configuration: Configuration) -> RunResult:
    """Train it, quietly."""
    return start(configuration, Progress(quiet=True))


def describe_in(folder: Path, **further: Any) -> RunFolder:
    """A run's folder with a description of a run that never was, with further or other fields."""
    run = RunFolder(folder)
    fields = {
        "id": run.id,
        "name": "a run",
        "created": "2026-01-01T00:00:00+00:00",
        "config": tiny("began").flat() | {"experiment": "tests"},
        "config_hash": "0",
        "data": {"name": "mnist-5k", "hash": "0" * 64, "transform": "none", "count": 5000},
        "real_batches_per_step": 1,
        "metric": "fd",
        "protocol": "p",
        "metrics": {},
        "paired": 100,
        "real": {},
        "health_rules": verdict.RULES.model_dump(),
        "scalars": all_variants()["began"].scalars,
        "networks": {
            "generator": {"label": "generator", "parameters": 1},
            "discriminator": {"label": "discriminator", "parameters": 1},
        },
        "environment": environment.facts().model_dump(),
        "tracking": None,
        "command": [],
    }
    run.write_description(RunDescription.model_validate(fields | further))
    return run


# numbers of rules by which even nine steps raise alarms
QUICK_RULES: dict[type, dict[str, float]] = {
    Rise: {"factor": 1.0, "window": 2},
    Drop: {"least": 0.0, "start": 0, "window": 2},
    Stuck: {"steps": 3},
}


def quick_alarms(patch: pytest.MonkeyPatch, variant: str) -> None:
    """Let a variant declare rules by which even nine steps raise alarms."""
    cls = all_variants()[variant]
    declared = tuple(
        replace(scalar, alarms=tuple(replace(rule, **QUICK_RULES[type(rule)]) for rule in scalar.alarms))
        for scalar in cls.scalars
    )
    patch.setattr(cls, "scalars", declared)


def redescribe(run: RunFolder, *keys: str, value: Any) -> None:
    """Set a value of run.json, whatever it is, and write the digest that belongs to it."""
    content = json.loads(run.description_path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    write_content(run, content)


def write_content(run: RunFolder, content: dict[str, Any]) -> None:
    """Write run.json with any content and its digest."""
    run.description_path.write_text(json.dumps(content | {DIGEST: digest_of(content)}))


def session(step: int, **facts: Any) -> record.Session:
    """A session on a machine that is none."""
    values = {"commit": "0", "torch": "2", "threads": 1, "cpu_capability": "AVX2", "device": "cpu"}
    return record.Session(**({"step": step, "ranks": 1, "micro_batches": 1} | values | facts))


def adopt_checkpoints(folder: RunFolder) -> None:
    """Make the checkpoints of a copied or altered run fit its run.json and its record."""
    content = folder.record_path.read_bytes() if folder.record_path.exists() else b""
    for path in folder.checkpoint_files():
        state = checkpoint.read(path) | {"origin": asdict(folder.origin())}
        length = 0
        for line in content.splitlines(keepends=True):
            row = json.loads(line)
            if (row.pop("event", None), row["step"]) == ("checkpoint", state["step"]):
                digest = hashlib.sha256(content[:length]).hexdigest()
                state |= {"record": {"length": length, "sha256": digest}, "event": row}
            length += len(line)
        checkpoint.write(path, state)


def final_state(folder: RunFolder) -> dict[str, Any]:
    """The newest checkpoint's state of training, without the seconds it took."""
    state = checkpoint.read(folder.checkpoint_files()[0], folder.origin())
    return {name: state[name] for name in ("step", "variant", "optimizers", "averages", "real_batches")}


def numbers(folder: RunFolder) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every recorded step and evaluation."""
    rows = record.read(folder.record_path)
    return rows.steps, rows.evaluations


def same(first: Any, second: Any) -> bool:
    """Whether two nested states are equal, tensors bit for bit."""
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


class StopAfter(Progress):
    """Stops a run politely after so many steps of a session."""

    def __init__(self, steps: int) -> None:
        super().__init__(quiet=True)
        self.left = steps

    def should_stop(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """The functions above, for test files (which cannot import one another)."""
    return SimpleNamespace(
        tiny=tiny,
        run=run,
        describe_in=describe_in,
        quick_alarms=quick_alarms,
        redescribe=redescribe,
        write_content=write_content,
        session=session,
        adopt_checkpoints=adopt_checkpoints,
        final_state=final_state,
        numbers=numbers,
        same=same,
        StopAfter=StopAfter,
        values=TINY,
    )


@pytest.fixture
def trio() -> Iterator[type[Trio]]:
    """The variant of three networks, registered for one test."""
    with VARIANTS.restored():
        register(Trio)
        yield Trio


@pytest.fixture(scope="session")
def trio_run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> RunFolder:
    """A run of nine steps of the variant of three networks, in a results folder of its own; read only."""
    with pytest.MonkeyPatch.context() as patch, VARIANTS.restored():
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("trio")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        register(Trio)
        return run(tiny(Trio.name, ema_decay=0.9)).run


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    """A results folder with five real runs: began twice, began-v3, wgan-gp, and one that diverged."""
    home = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        run(tiny("began", norm="l1", seed=0, experiment="first"))
        run(tiny("began", norm="l1", seed=1, experiment="second"))
        run(tiny("began-v3"))
        run(tiny("wgan-gp", critic_steps=2))
        with pytest.raises(Diverged):
            run(tiny("began", lr_g=1e30, lr_d=1e30, norm="l2", eval_every=0))
    return home


@pytest.fixture
def home(trained_home: Path, bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The results folder of the real runs, for one test; read only."""
    before = sorted(trained_home.rglob("*"))
    monkeypatch.setenv("BENCH_HOME", str(trained_home))
    yield trained_home
    assert sorted(trained_home.rglob("*")) == before
