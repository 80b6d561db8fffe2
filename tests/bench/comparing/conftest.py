"""Runs made by hand, as the frame has them."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from bench.comparing import measured
from bench.comparing.measured import METRICS
from bench.comparing.scalars import SCALARS, compared, to_cell
from bench.runs.description import MetricDeclaration
from variants.registry import all_variants

RUN: dict[str, Any] = {
    "variant": "began",
    "dataset": "mnist-5k",
    "preset": "quick",
    "seed": 0,
    "experiment": "e",
    "status": "FINISHED",
    "health": "ok",
    "created": "2026-01-01T00:00:00+00:00",
    "commit": "c" * 40,
    "config_hash": "h",
    "data_hash": "d" * 64,
    "metric": "fd_x",
    "protocol": "net@1; 2000 samples; generator raw",
    "health_rules": "0a1b2c3d",
    "select": "last",
    "step": 100,
    "fd_x": 1.0,
    "classes_covered": 10.0,
    "M": 0.1,
    "k": 0.5,
    "M_best": 0.1,
    "parameters": 30,
    "parameters_generator": 10,
    "parameters_discriminator": 20,
    "train_seconds": 60.0,
    "processor": "a processor",
    "image_size": 28,
    "batch_size": 64,
    "steps": 100,
    "device": "cpu",
    "gamma": 0.5,
    "norm": "l1",
}


# what a run says of the metrics in RUN
DECLARED = {
    "fd_x": MetricDeclaration(title="a distance", better="lower", settings=""),
    "classes_covered": MetricDeclaration(title="classes found", better="higher", settings="10 samples each"),
}


def declared(variant: str) -> str:
    """The cell of a variant's scalars; an unknown variant declares those of BEGAN."""
    known = all_variants()
    return to_cell(compared(known[variant if variant in known else "began"].scalars))


@pytest.fixture
def runs() -> Callable[..., pd.DataFrame]:
    """Makes a frame: one mapping a run of what differs from RUN."""

    def made(*differences: dict[str, Any]) -> pd.DataFrame:
        rows = []
        for i, difference in enumerate(differences):
            row = {"run_id": f"id{i}", "name": f"run-{i}"} | RUN | difference
            cells = {SCALARS: declared(row["variant"]), METRICS: measured.to_cell(DECLARED)}
            rows.append(cells | row)
        return pd.DataFrame(rows).astype({"step": "Int64"})

    return made


@pytest.fixture
def seeds(runs: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """Makes a frame of one run a seed: group by group, the values of fd_x."""

    def made(**values: list[float]) -> pd.DataFrame:
        return runs(
            *(
                {"variant": variant.replace("_", "-"), "seed": seed, "fd_x": value}
                for variant, numbers in values.items()
                for seed, value in enumerate(numbers)
            )
        )

    return made
