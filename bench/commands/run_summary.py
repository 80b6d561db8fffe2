"""The summary that ``bench run`` prints at the end."""

from typing import Any

from bench.commands.output import table
from bench.runs.record import alarm_tag
from bench.runs.result import RunResult


def data(result: RunResult) -> dict[str, Any]:
    """Return the summary of a run, for ``--json``."""
    record, description = result.record, result.description
    assert record.end is not None
    last = record.evaluations[-1].values if record.evaluations else {}
    return {
        "run_id": result.run.id,
        "name": description.name,
        "status": record.end.status,
        "health": record.end.health,
        "alarms": [{"step": a.step, "kind": a.kind, "words": a.message} for a in record.alarms],
        "step": record.end.step,
        "peak_memory": record.end.peak_memory,
        "train_seconds": record.checkpoints[-1].train_seconds if record.checkpoints else None,
        "last": dict(last),
        "best": dict(record.end.best),
        "metric": description.metric,
        "metric.protocol": description.protocol,
        "folder": str(result.run.path),
        "tracking": description.tracking,
    }


def text(result: RunResult) -> str:
    """Return the summary of a run as aligned text."""
    facts = data(result)
    description = result.description
    best, metric = facts["best"], facts["metric"]
    best_step = best.get(f"{metric}_best_step")
    at_best = next((e.values for e in result.record.evaluations if e.step == best_step), {})
    rows: list[tuple[object, ...]] = []
    means = result.record.checkpoints[-1].means if result.record.checkpoints else {}
    for name in [scalar.name for scalar in description.scalars if f"{scalar.name}_best" in best]:
        label = f"{name} (mean since last checkpoint)"
        rows.append((label, means.get(name), best[f"{name}_best"], best[f"{name}_best_step"]))
    for name, value in facts["last"].items():
        rows.append((name, value, at_best.get(name), best_step if at_best else None))
    samples = sorted(result.run.samples.glob("*.png"))
    seconds = facts["train_seconds"]
    head = [
        ("run", f"{facts['name']}  (id {facts['run_id']})"),
        ("health", facts["health"]),
        ("alarms", alarm_tag(result.record.alarms) or "none"),
        ("trained", f"{facts['step']:,} steps" + (f" in {seconds:.0f} s" if seconds else "")),
        (
            "peak memory",
            f"{facts['peak_memory'] / 2**30:.2f} GiB" if facts["peak_memory"] else "not recorded",
        ),
        (
            "parameters",
            ", ".join(f"{network.label} {network.parameters:,}" for network in description.networks.values()),
        ),
        ("judged by", facts["metric.protocol"]),
        ("samples", str(samples[-1]) if samples else "none"),
    ]
    parts = [table(head)]
    if rows:
        parts.append(table(rows, ("", "last", "best", "at step")))
    return "\n\n".join(parts)
