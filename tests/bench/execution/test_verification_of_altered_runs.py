"""Whatever is altered in a run is found when the run is verified."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.cli import main
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.execution.verification import verify
from bench.health import verdict
from bench.runs import checkpoint, record, run_folder
from bench.runs.description import DIGEST, digest_of
from bench.runs.run_folder import RunFolder
from bench.training.trainer import Interrupted

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace
) -> RunFolder:
    """A run with a moving average, raised alarms, and a checkpoint of a stop that nothing had planned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("recorded")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        small.quick_alarms(patch, "began-v3")
        values = {"ema_decay": 0.9, "eval_every": 3, "checkpoint_every": 9}
        with pytest.raises(Interrupted) as stopped:
            start(small.tiny("began-v3", **values), small.StopAfter(8))
        run = run_folder.find(str(stopped.value))
        resume(run, QUIET)
    assert [saved.step for saved in record.read(run.record_path).checkpoints] == [3, 6, 8, 9]
    return run


@pytest.fixture
def copied(
    recorded: RunFolder, bench_home: Path, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> RunFolder:
    """A copy that a test may alter."""
    small.quick_alarms(monkeypatch, "began-v3")
    target = bench_home / "mlruns" / "runs" / recorded.id
    shutil.copytree(recorded.path, target)
    return RunFolder(target)


def described(run: RunFolder, *keys: str | int, value: Any) -> None:
    """Set a value of run.json and write it with the digest that belongs to it."""
    content = json.loads(run.description_path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    run.description_path.write_text(json.dumps(content | {DIGEST: digest_of(content)}))


def line_altered(run: RunFolder, event: str, at: int | None, /, **values: Any) -> None:
    """Set values of a line of the record, written as a run writes it."""
    rows = [json.loads(line) for line in run.record_path.read_text().splitlines()]
    chosen = [row for row in rows if row.get("event", "step") == event and at in (None, row["step"])]
    chosen[-1].update(values)
    run.record_path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def line_doubled(run: RunFolder, event: str) -> None:
    lines = run.record_path.read_text().splitlines(keepends=True)
    place = max(n for n, line in enumerate(lines) if json.loads(line).get("event") == event)
    run.record_path.write_text("".join([*lines[: place + 1], *lines[place:]]))


def tensor_altered(run: RunFolder, step: int, kind: str) -> None:
    """Change one bit of a tensor in a checkpoint, and its digest with it."""
    path = run.checkpoints / f"step-{step:08d}.safetensors"
    state = checkpoint.read(path)
    part = {
        "variant": lambda: state["variant"],
        "averages": lambda: state["averages"]["generator"],
        "optimizers": lambda: state["optimizers"]["generator"]["state"][0],
    }[kind]()
    name = next(name for name, value in part.items() if value.dtype == torch.float32 and value.numel() > 1)
    part[name].view(torch.int32).view(-1)[0] ^= 1
    checkpoint.write(path, state)


def tensor_lost(run: RunFolder) -> None:
    path = run.checkpoints / "step-00000009.safetensors"
    state = checkpoint.read(path)
    del state["variant"][next(iter(state["variant"]))]
    checkpoint.write(path, state)


def zeroed(run: RunFolder) -> None:
    """Let a collapsed run pass for a healthy one: real samples that show nothing are easily matched."""
    described(run, "real", value=dict.fromkeys(run.describe().real, 0.0))
    line_altered(run, "end", None, health="ok")


def lenient(run: RunFolder) -> None:
    """Let a collapsed run pass for a healthy one: by rules that nothing breaks."""
    rules = verdict.RULES.model_dump() | {"collapse": [], "memorisation": []}
    described(run, "health_rules", value=rules)
    line_altered(run, "end", None, health="ok")


def best_by_highest(run: RunFolder) -> None:
    """Let the worst checkpoint pass for the best one: by a direction that the variant does not declare."""
    described(run, "scalars", 0, "better", value="higher")
    saved = [each for each in record.read(run.record_path).checkpoints if each.means]
    worst = max(saved, key=lambda each: each.means["M"])
    end = record.read(run.record_path).end
    assert end is not None
    best = {**end.best, "M_best": worst.means["M"], "M_best_step": worst.step}
    line_altered(run, "end", None, best=best)


def text_altered(run: RunFolder) -> None:
    path = run.path / "run.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))


def picture_altered(run: RunFolder) -> None:
    shutil.copy(run.samples / "step-00000003.png", run.samples / "step-00000009.png")


TAMPERED: dict[str, tuple[Callable[[RunFolder], None], str]] = {
    "real scores and health": (zeroed, "run.json: .* of real samples is recorded as 0.0"),
    "health rules and health": (
        lenient,
        r"not compared .*rules of health.* the run is ok, by this version's collapsed@\d",
    ),
    "health rules alone": (
        lambda r: described(r, "health_rules", "stuck_over_last", value=0.1),
        "not compared .*rules of health, which are not those of this version",
    ),
    "health rules that are none": (
        lambda r: described(r, "health_rules", value={"a": 1}),
        "run.json is damaged: health_rules: collapse is missing",
    ),
    "one real score": (
        lambda r: described(r, "real", "vendi", value=r.describe().real["vendi"] + 1e-9),
        "vendi of real samples is recorded",
    ),
    "an unknown real score": (lambda r: described(r, "real", "beauty", value=1.0), "beauty of real samples"),
    "health": (lambda r: line_altered(r, "end", None, health="ok"), "step 9: health is recorded as 'ok'"),
    "best value": (
        lambda r: line_altered(r, "end", None, best={**record.read(r.record_path).end.best, "M_best": 0.1}),  # type: ignore[union-attr]
        "step 9: M_best is recorded as 0.1",
    ),
    "step of the end": (lambda r: line_altered(r, "end", None, step=8), "step 8 stands after step 9"),
    "status": (
        lambda r: line_altered(r, "end", None, status="FAILED", health="diverged@9"),
        "recorded as '(diverged@9|FAILED)'",
    ),
    "evaluation": (lambda r: line_altered(r, "evaluation", 6, vendi=9.0), "step 6: vendi is recorded as 9.0"),
    "scalar": (lambda r: line_altered(r, "step", 7, k=0.25), "step 7: k is recorded as 0.25"),
    "step number": (lambda r: line_altered(r, "step", 9, step=10), "step (9|10)"),
    "mean of M": (
        lambda r: line_altered(r, "checkpoint", 6, means={"M": 0.5}),
        "step 6: means/M is recorded as 0.5",
    ),
    "checkpoint's file": (
        lambda r: line_altered(r, "checkpoint", 6, file="x"),
        "step 6: file is recorded as 'x'",
    ),
    "mean of a stop": (
        lambda r: line_altered(r, "checkpoint", 8, means={"M": 0.01}),
        "step 8: means/M is recorded as 0.01",
    ),
    "evaluation twice": (lambda r: line_doubled(r, "evaluation"), "evaluation at step 9 is recorded twice"),
    "alarm": (
        lambda r: line_altered(r, "alarm", None, kind="k-at-1"),
        "alarm is recorded as 'k-at-1@",
    ),
    "rules of alarms": (
        lambda r: described(r, "scalars", 1, "alarms", 0, "steps", value=2),
        "alarm is recorded as|rules of alarms, which are not those of this version",
    ),
    "rules of alarms that are none": (
        lambda r: described(r, "scalars", 1, "alarms", 0, value={"rule": "stuck", "value": 0.0}),
        "run.json is damaged: scalars: 1: alarms: 0: .*steps is missing",
    ),
    "protocol": (lambda r: described(r, "protocol", value="another"), "protocol is recorded as another"),
    "configuration hash": (
        lambda r: described(r, "config_hash", value="0"),
        "configuration hash is recorded as 0",
    ),
    "configuration": (
        lambda r: described(r, "config", "gamma", value=0.9),
        "configuration hash is recorded",
    ),
    "data": (lambda r: described(r, "data", "count", value=9), "data count is recorded as 9"),
    "parameters": (
        lambda r: described(r, "networks", "generator", "parameters", value=9),
        "network generator is recorded as label='generator' parameters=9 and is now label='generator' param",
    ),
    "a network more": (
        lambda r: described(r, "networks", "third", value={"label": "third", "parameters": 1}),
        "network third is recorded as label='third' parameters=1 and is now None",
    ),
    "direction of a scalar and best value": (
        best_by_highest,
        "not compared .*the scalars that select checkpoints or steer rates, which are not those of",
    ),
    "a scalar that selects no more": (
        lambda r: described(r, "scalars", 0, "selects", value=False),
        "means/M is recorded as",
    ),
    "a scalar that steers no more": (
        lambda r: described(r, "scalars", 0, "steers", value=False),
        "not compared .*the scalars that select checkpoints or steer rates, which are not those of",
    ),
    "bounds of a scalar": (
        lambda r: described(r, "scalars", 1, "stuck_at", value=[]),
        "not compared .*rules of health, which are not those of this version",
    ),
    "settings of a metric": (
        lambda r: described(r, "metrics", "coverage", "settings", value="k = 50"),
        "settings of coverage is recorded as k = 50",
    ),
    "direction of a metric": (
        lambda r: described(r, "metrics", "coverage", "better", value="lower"),
        "better of coverage is recorded as lower and is now higher",
    ),
    "identity": (lambda r: described(r, "id", value="0"), "id is recorded as 0"),
    "processor": (
        lambda r: described(r, "environment", "processor", value="another"),
        "NOT VERIFIED.*not compared  steps 6 to 9",
    ),
    "run.json without its digest": (text_altered, "was changed since it was written"),
    "weights": (lambda r: tensor_altered(r, 9, "variant"), "step 9: weights of"),
    "averaged weights": (lambda r: tensor_altered(r, 9, "averages"), "step 9: weights of"),
    "optimizer": (lambda r: tensor_altered(r, 9, "optimizers"), "step 9: optimizers/"),
    "weights at a stop": (lambda r: tensor_altered(r, 8, "variant"), "step 8: weights of"),
    "lost tensor": (tensor_lost, "step 9: weights of"),
    "foreign checkpoint": (
        lambda r: shutil.copy(
            r.checkpoints / "step-00000009.safetensors", r.checkpoints / "step-00000010.safetensors"
        ),
        "not compared  checkpoint files: step-00000010.safetensors",
    ),
    "seconds": (
        lambda r: line_altered(r, "checkpoint", 6, train_seconds=1.0),
        "the record before the checkpoint is recorded",
    ),
    "seconds at the end": (
        lambda r: line_altered(r, "checkpoint", 9, train_seconds=1.0),
        "step 9: the line of the checkpoint is recorded",
    ),
    "threads of the session": (
        lambda r: line_altered(r, "session", 0, threads=7),
        "threads of the first session is recorded as 7",
    ),
    "checkpoint of another run": (
        lambda r: described(r, "config_hash", value=r.describe().config_hash[::-1]),
        "configuration hash is recorded as",
    ),
    "picture": (picture_altered, "step 9: picture of samples"),
    "lost picture": (
        lambda r: (r.samples / "step-00000009.png").unlink(),
        "not compared  the picture of the samples of step 9",
    ),
}


def test_the_run_that_is_altered_below_is_verified_as_it_is(copied: RunFolder) -> None:
    result = verify(copied, QUIET)
    assert result.verified
    assert result.checkpoints == len(list(copied.checkpoints.iterdir())) >= 2
    assert record.read(copied.record_path).alarms


@pytest.mark.parametrize("what", list(TAMPERED))
def test_whatever_was_altered_in_a_run_is_found(
    what: str, copied: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    alter_it, told = TAMPERED[what]
    alter_it(copied)
    assert main(["verify", str(copied.id)]) == 1
    out, err = capsys.readouterr()
    assert re.search(told, " ".join(f"{out} {err}".split("\n"))), (out, err)
    assert ("NOT VERIFIED" in out) or err.count("bench: ") == 1
    assert "SAME" not in out
