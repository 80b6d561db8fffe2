"""A run follows whatever networks and scalars its variant declares."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from systems.trio import EVERY, Trio

from bench.api import load
from bench.cli import main
from bench.comparing.frame import results
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.execution.verification import verify
from bench.runs import checkpoint, record, run_folder
from bench.runs.checkpoint_names import checkpoint_file
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError
from bench.training.trainer import Interrupted
from variants.scalars import Rise, Stuck

QUIET = Progress(quiet=True)
CHECKPOINTS = [3, 4, 6, 8, 9]
# the checkpoints with a step of the lazy phase since the checkpoint before: steps 1, 4 and 7
WITH_PENALTY = [3, 4, 8]


@pytest.fixture
def copied(trio: type[Trio], trio_run: RunFolder, bench_home: Path) -> RunFolder:
    """A copy of the run that a test may alter or list."""
    target = bench_home / "mlruns" / "runs" / trio_run.id
    shutil.copytree(trio_run.path, target)
    return RunFolder(target)


def altered(scalar: str, **values: Any) -> tuple[Any, ...]:
    """The variant's scalars with other values of one of them."""
    return tuple(replace(each, **values) if each.name == scalar else each for each in Trio.scalars)


def test_the_description_has_every_network_and_every_scalar(trio: type[Trio], trio_run: RunFolder) -> None:
    description, variant = trio_run.describe(), load(trio_run, "last").variant
    assert {name: network.label for name, network in description.networks.items()} == {
        "generator": "generator",
        "discriminator": "discriminator",
        "code": "code network",
    }
    for name, network in description.networks.items():
        assert network.parameters == sum(each.numel() for each in getattr(variant, name).parameters()), name
    assert description.scalars == Trio.scalars
    assert description.real_batches_per_step == 1


def test_the_record_has_every_rate_and_a_lazy_scalar_at_its_steps(trio_run: RunFolder) -> None:
    rows = record.read(trio_run.record_path).steps
    usual = {"step", "loss_d", "loss_g", "agreement", "setting", "lr_g", "lr_d", "lr_code"}
    for row in rows:
        assert set(row) == usual | ({"penalty"} if row["step"] % EVERY == 1 else set())
        assert row["lr_code"] == 1e-3
        assert row["setting"] == 2.5


def test_checkpoints_hold_every_network_average_and_count(trio: type[Trio], trio_run: RunFolder) -> None:
    state = checkpoint.read(trio_run.checkpoints / "step-00000009.safetensors", trio_run.origin())
    assert set(state["optimizers"]) == {"generator", "discriminator", "code"}
    assert set(state["averages"]) == {"generator", "code"}
    # no moments of plain gradient descent, but the momentum
    moments = [set(each) for each in state["optimizers"]["code"]["state"].values()]
    assert moments == [{"momentum_buffer"}] * 2
    assert state["real_batches"] == 9


def test_means_are_of_the_steps_that_record_a_scalar_since_the_checkpoint_before(
    trio_run: RunFolder,
) -> None:
    rows = record.read(trio_run.record_path)
    assert [saved.step for saved in rows.checkpoints] == CHECKPOINTS
    for before, saved in zip([0, *CHECKPOINTS], rows.checkpoints, strict=False):
        between = [row for row in rows.steps if before < row["step"] <= saved.step]
        expected = {}
        for name in ("agreement", "penalty"):
            values = [row[name] for row in between if name in row]
            if values:
                expected[name] = pytest.approx(sum(values) / len(values), rel=1e-12)
        assert dict(saved.means) == expected
        assert ("penalty" in saved.means) == (saved.step in WITH_PENALTY)


def test_the_best_checkpoint_is_best_in_the_direction_of_its_scalar(
    trio: type[Trio], trio_run: RunFolder
) -> None:
    rows = record.read(trio_run.record_path)
    assert rows.end is not None
    for name, choose in (("agreement", max), ("penalty", min)):
        means = {saved.step: saved.means[name] for saved in rows.checkpoints if name in saved.means}
        step = choose(means, key=means.__getitem__)
        assert rows.end.best[f"{name}_best"] == means[step]
        assert rows.end.best[f"{name}_best_step"] == step
        assert checkpoint_file(trio_run, f"best-{name}").name == f"step-{step:08d}.safetensors"
        assert load(trio_run, f"best-{name}").step == step
    # the two ends lie apart, so that neither direction can pass for the other
    means = {saved.step: saved.means["agreement"] for saved in rows.checkpoints}
    assert max(means, key=means.__getitem__) != min(means, key=means.__getitem__)


def test_a_checkpoint_that_is_none_is_refused_with_those_of_every_selecting_scalar(
    trio: type[Trio], trio_run: RunFolder
) -> None:
    for word in ("best-setting", "best-M", "best-"):
        with pytest.raises(RequestError, match=f"'?{word}'? does not exist: .* has ") as refused:
            load(trio_run, word)
        assert "best-agreement, best-penalty" in str(refused.value)


def test_a_scalar_that_stays_at_its_bound_is_the_run_s_health(
    trio: type[Trio], trio_run: RunFolder, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = record.read(trio_run.record_path)
    assert rows.end is not None
    # a run of nine steps has not learned anything: a collapse, the worse finding, is left out of account
    monkeypatch.setattr("bench.health.verdict.collapsed", lambda *_: False)
    rows = small.run(small.tiny("trio")).record
    assert rows.end is not None
    assert rows.end.health == "setting-stuck-2.5"
    monkeypatch.setattr(Trio, "scalars", altered("setting", stuck_at=(0.0, 1.0)))
    rows = small.run(small.tiny("trio", steps=4)).record
    assert rows.end is not None
    assert rows.end.health == "ok"


def test_alarms_are_those_of_the_declared_rules(trio_run: RunFolder) -> None:
    alarms = {alarm.kind: alarm.step for alarm in record.read(trio_run.record_path).alarms}
    # the penalty is recorded at the steps 1, 4, 7: two of them fill its window
    assert alarms == {"penalty-up": 4, "setting-at-2.5": 5}


def test_a_stopped_and_resumed_run_ends_as_one_never_stopped(
    trio: type[Trio], trio_run: RunFolder, small: SimpleNamespace
) -> None:
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("trio", ema_decay=0.9), small.StopAfter(5))
    run = run_folder.find(str(stopped.value))
    resume(run, QUIET)
    assert small.numbers(run) == small.numbers(trio_run)
    assert small.same(small.final_state(run), small.final_state(trio_run))
    then, now = (record.read(each.record_path) for each in (trio_run, run))
    assert then.end is not None
    assert now.end is not None
    assert now.end.best == then.end.best
    assert now.alarms == then.alarms


def test_a_resumed_run_keeps_the_scalars_that_it_declared(
    trio: type[Trio], trio_run: RunFolder, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("trio", ema_decay=0.9), small.StopAfter(5))
    # another version of the variant, which turns the direction and selects by another scalar
    changed = [
        replace(scalar, better="lower", selects=scalar.name != "penalty", alarms=())
        for scalar in Trio.scalars
    ]
    monkeypatch.setattr(Trio, "scalars", tuple(changed))
    outcome = resume(run_folder.find(str(stopped.value)), QUIET)
    then = record.read(trio_run.record_path)
    assert outcome.record.end is not None
    assert then.end is not None
    assert outcome.record.end.best == then.end.best
    assert outcome.record.alarms == then.alarms
    means = [dict(saved.means) for saved in outcome.record.checkpoints if saved.means]
    assert means == [dict(saved.means) for saved in then.checkpoints]


def test_the_run_comes_out_again_bit_for_bit(copied: RunFolder) -> None:
    result = verify(copied, QUIET)
    assert result.verified
    assert result.exact
    assert result.steps == 9


@pytest.mark.parametrize(
    ("scalars", "undecided"),
    [
        (altered("penalty", alarms=(Rise("penalty-up", 2.0, window=2),)), "the rules of alarms"),
        (altered("setting", alarms=(Stuck(2.5, 6),)), "the rules of alarms"),
        (altered("loss_d", alarms=(Rise("loss-up", 2.0),)), "the rules of alarms"),
        (altered("setting", stuck_at=()), "the rules of health"),
        (altered("agreement", better="lower"), "the scalars that select checkpoints or steer rates"),
        (
            altered("loss_d", better="lower", steers=True),
            "the scalars that select checkpoints or steer rates",
        ),
    ],
)
def test_a_run_whose_variant_declares_other_rules_today_is_compared_by_its_own_and_it_is_said(
    scalars: Any, undecided: str, copied: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trio, "scalars", scalars)
    result = verify(copied, QUIET)
    assert not result.verified
    (line,) = result.undecided
    assert line.startswith(f"{undecided}, which are not those of this version")


def test_other_titles_and_panels_today_are_no_matter(
    copied: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trio, "scalars", altered("agreement", title="another", panel=None))
    assert verify(copied, QUIET).verified


def test_the_summary_names_every_network_and_every_selecting_scalar(
    trio: type[Trio], small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        word
        for name, value in small.values.items()
        if name != "preset"
        for word in ("--set", f"{name}={value}")
    ]
    assert main(["run", "--variant", "trio", *words]) == 0
    out = capsys.readouterr().out
    run = run_folder.find("last")
    counts = {name: network.parameters for name, network in run.describe().networks.items()}
    for label, name in (("generator",) * 2, ("discriminator",) * 2, ("code network", "code")):
        assert f"{label} {counts[name]:,}" in out
    end = record.read(run.record_path).end
    assert end is not None
    lines = {line.split("  ")[0].strip(): line for line in out.splitlines()}
    (row,) = results().to_dict("records")
    for name, kind in (("agreement", "highest"), ("penalty", "lowest")):
        # one that the last steps did not record has no mean there, in tables neither
        assert f"{row[name]:.4g}" in lines[name] if row[name] == row[name] else name not in lines
        line = lines[f"{name}_best"]
        assert re.search(rf"step(s \d+ to)? {end.best[f'{name}_best_step']} ", line)
        assert f"{end.best[f'{name}_best']:.4g}" in line
        assert f"{kind} between two planned checkpoints" in line


def test_a_dry_run_names_every_network_and_every_rate(
    trio: type[Trio], trio_run: RunFolder, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {network.label: network.parameters for network in trio_run.describe().networks.values()}
    values = ("filters=4", "latent_dim=6", "lr_code=0.25", "steps=9")
    words = [word for value in values for word in ("--set", value)] + ["--dry-run"]
    assert main(["run", "--variant", "trio", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == counts | {"total": sum(counts.values())}
    assert told["config"]["lr_code"] == 0.25
    assert main(["run", "--variant", "trio", *words]) == 0
    out = capsys.readouterr().out
    assert ", ".join(f"{label} {count:,}" for label, count in counts.items()) in out
    assert main(["run", "--variant", "trio,began", "--set", "steps=9", "--dry-run"]) == 0
    assert "code network " in capsys.readouterr().out


def test_the_moving_averages_of_all_averaged_networks_are_loaded(
    trio: type[Trio], trio_run: RunFolder
) -> None:
    averages = checkpoint.read(trio_run.checkpoints / "step-00000009.safetensors")["averages"]
    variant = load(trio_run, "last").variant
    for name, average in averages.items():
        for key, value in getattr(variant, name).state_dict().items():
            assert torch.equal(value, average[f"module.{key}"]), (name, key)
