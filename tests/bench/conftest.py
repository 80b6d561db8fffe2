"""Small real runs, and the comparison of their states."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench import checkpoint, record
from bench.configuration import Configuration, resolve
from bench.progress import Progress
from bench.run_folder import RunFolder
from bench.session import Outcome, start

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


def run(configuration: Configuration) -> Outcome:
    """Train it, quietly."""
    return start(configuration, Progress(quiet=True))


def final_state(folder: RunFolder) -> dict[str, Any]:
    """The newest checkpoint, without the seconds it took."""
    newest = max(folder.checkpoints.glob("step-*.safetensors"))
    state = checkpoint.read(newest)
    state.pop("seconds")
    return state


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


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """The functions above, for test files (which cannot import one another)."""
    return SimpleNamespace(
        tiny=tiny, run=run, final_state=final_state, numbers=numbers, same=same, values=TINY
    )
