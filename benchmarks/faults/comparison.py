"""Comparison of a disturbed run with an undisturbed one: numbers, weights, and points in the store."""

from collections import Counter
from pathlib import Path
from typing import Any

import torch

from bench.runs import checkpoint, record


def numbers(folder: Path) -> tuple[list[record.StepRow], list[record.StepRow]]:
    """Return the values of every recorded step and evaluation of a run's folder."""
    recorded = record.read(folder / record.FILE)
    return recorded.steps, [{"step": each.step, **each.values} for each in recorded.evaluations]


def final_state(folder: Path) -> dict[str, Any]:
    """Return the newest checkpoint without values that differ between equal runs."""
    state = checkpoint.read(max((folder / "checkpoints").glob("step-*.safetensors")))
    return {name: state[name] for name in ("step", "variant", "optimizers", "averages", "real_batches")}


def same(first: Any, second: Any) -> bool:
    """Return whether two nested states are equal, tensors bit for bit."""
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def differs(folder: Path, whole: Path) -> str | None:
    """Return the first difference between a disturbed and an undisturbed run, or None."""
    if numbers(folder) != numbers(whole):
        return "recorded numbers differ from those of an undisturbed run"
    if not same(final_state(folder), final_state(whole)):
        return "weights differ from those of an undisturbed run"
    return None


def not_in_store(folder: Path, uri: str) -> str | None:
    """Return which points of a run the tracking store lacks or has twice, or None."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = [run for run in client.search_runs(experiments) if run.data.tags.get("bench.run") == folder.name]
    if len(found) != 1:
        return f"the store has {len(found)} runs instead of one"
    run_id = found[0].info.run_id
    if found[0].info.status != "FINISHED":
        return f"the store has status {found[0].info.status}"
    steps, evaluations = numbers(folder)
    for group, rows in (("train", steps), ("eval", evaluations)):
        for name in [f"{group}/{name}" for name in rows[0] if name != "step"]:
            points = Counter(metric.step for metric in client.get_metric_history(run_id, name))
            wanted = Counter(row["step"] for row in rows)
            if points != wanted:
                missing, extra = sum((wanted - points).values()), sum((points - wanted).values())
                return f"{name}: {missing} points missing, {extra} too many"
    grids = [item.path for item in client.list_artifacts(run_id, "images") if item.path.endswith(".png")]
    if len(grids) != len(evaluations):
        return f"{len(grids)} sample grids for {len(evaluations)} evaluations"
    return None
