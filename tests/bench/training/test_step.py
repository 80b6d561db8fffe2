"""How a step is computed: options that leave its equations alone, against the plain way."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.execution.progress import Progress
from bench.execution.session import start
from bench.runs import record
from bench.training.device import has_bfloat16
from variants.registry import all_variants

CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {"channels_last": False, "fused_adam": False}
VARIANTS = sorted(all_variants())


def steps_of(small: SimpleNamespace, variant: str, **values: Any) -> list[dict[str, Any]]:
    given = {"steps": 4, "eval_every": 0, "checkpoint_every": 100} | PLAIN | values
    rows: list[dict[str, Any]] = small.run(small.tiny(variant, **given)).record.steps
    return rows


def assert_close(rows: list[dict[str, Any]], others: list[dict[str, Any]], rel: float) -> None:
    assert len(rows) == len(others) == 4
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=rel, abs=1e-4 if rel > 1e-4 else 1e-6)


@pytest.mark.parametrize("option", [{"channels_last": True}, {"fused_adam": True}])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_layout_or_another_kernel_changes_rounding_only(
    variant: str, option: dict[str, Any], small: SimpleNamespace
) -> None:
    assert_close(steps_of(small, variant, **option), steps_of(small, variant), 2e-3)


@pytest.mark.parametrize("layers", ["published", "strided"])
def test_recomputing_changes_nothing(layers: str, small: SimpleNamespace) -> None:
    kept, recomputed = (
        steps_of(small, "began-v3", layers=layers, activation_checkpointing=wanted)
        for wanted in (False, True)
    )
    assert kept == recomputed


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this CPU is not fit for bfloat16")
@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_stays_near_float32_and_reaches_no_loss(variant: str, small: SimpleNamespace) -> None:
    """bfloat16 has 8 bits: a relative error of 1/256 in each product.

    The loss of a critic is a difference of scores and a heavy penalty: it has the absolute errors of both.
    """
    exact = steps_of(small, variant)
    rounded = steps_of(small, variant, compute_dtype="bfloat16")
    assert rounded != exact
    for row, other in zip(rounded, exact, strict=True):
        for name in ("loss_real", "loss_fake", "M", "loss_d"):
            if name in other:
                assert row[name] == pytest.approx(
                    other[name], rel=0.03, abs=0.1 if "wasserstein" in other else 0.02
                ), name
    # a number computed in bfloat16 would lie on its grid in every step
    for name in set(exact[0]) - {"step", "lr_g", "lr_d"}:
        values = torch.tensor([row[name] for row in rounded])
        assert name == "k" or not torch.equal(values, values.bfloat16().float()), name


@pytest.mark.slow
def test_compiled_networks_change_rounding_only(small: SimpleNamespace) -> None:
    for variant in ("began", "began-cs"):
        told = Told()
        configuration = small.tiny(variant, **PLAIN | {"steps": 4, "eval_every": 0, "compile": "default"})
        rows = start(configuration, told).record.steps
        assert told.lines == []
        assert_close(rows, steps_of(small, variant), 2e-3)


@pytest.mark.slow
def test_code_compiled_for_other_kernels_is_not_used(tmp_path: Path) -> None:
    """Processes that compute with AVX2 and with all the processor has share a cache folder."""
    words = ["bench", "run", "--variant", "began", "--json", "--steps", "2", "--set", "compile=default"]
    settings = {"filters": 4, "latent_dim": 6, "batch_size": 8, "eval_every": 0, "eval_samples": 100}
    settings |= {"extractor": "shipped", "device": "cpu", "figures": "false", "tracking": "false"}
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    environment = {name: value for name, value in os.environ.items() if name != "ATEN_CPU_CAPABILITY"}
    for kernels in ({"ATEN_CPU_CAPABILITY": "avx2"}, {}):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            env=environment | kernels | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "not compiled" not in done.stderr


def test_without_a_compiler_it_says_so_and_trains_as_before(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("there-is-no-such-compiler",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    told = Told()
    # a width of its own, so that nothing is compiled already
    odd = {"filters": 5, "steps": 4, "eval_every": 0}
    rows = start(small.tiny("began", **PLAIN | odd | {"compile": "default"}), told).record.steps
    (line,) = told.lines
    assert line.startswith("networks are not compiled: ")
    assert rows == steps_of(small, "began", filters=5)


class Told(Progress):
    """Keeps what it is warned of."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def on_warning(self, message: str) -> None:
        self.lines.append(message)


def test_the_most_memory_that_was_held_is_recorded(small: SimpleNamespace) -> None:
    outcome = small.run(small.tiny("began", steps=1))
    end = record.read(outcome.run.record_path).end
    assert end is not None
    # torch alone takes more than 100 MB; the machine has less than a terabyte
    assert 1e8 < end.peak_memory < 1e12
