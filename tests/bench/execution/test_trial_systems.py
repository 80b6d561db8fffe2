"""The trial systems of the wider family as runs of the whole harness."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import bench
from bench.cli import main
from variants.base import Variant
from variants.registry import VARIANTS, register

# without labels; conditional runs have tests of their own
SYSTEMS = ["lazy"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_run_recorded_sampled_and_exported(
    name: str, small: SimpleNamespace, tmp_path: Path
) -> None:
    members = vars(importlib.import_module(f"systems.{name}")).values()
    (kind,) = (each for each in members if isinstance(each, type) and getattr(each, "name", "") == name)
    assert issubclass(kind, Variant)
    with VARIANTS.restored():
        register(kind)
        result = small.run(small.tiny(name, steps=2, eval_every=2, ema_decay=0.5))
        description = result.run.describe()
        rows = result.record.steps
        assert [row["step"] for row in rows] == [1, 2]
        assert {scalar.name for scalar in kind.scalars} <= set(rows[0])
        assert set(rows[0]) >= {"lr_g", "lr_d"}
        assert description.scalars == kind.scalars
        assert description.real_batches_per_step == 1
        assert set(description.networks) == {"generator", "discriminator"}

        samples = bench.load(result.run).sample(3, seed=0)
        assert samples.shape == (3, 1, 28, 28)
        assert main(["export", result.run.id, "--out", str(tmp_path / "generator.pt2")]) == 0
        assert main(["verify", result.run.id]) == 0
    program = torch.export.load(tmp_path / "generator.pt2").module()
    assert program(torch.zeros(2, 6)).shape == (2, 1, 28, 28)
