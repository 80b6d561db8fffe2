"""The summary that ``bench run`` prints at the end."""

from functools import partial
from typing import Any

from bench.commands.output import WIDTH, table
from bench.comparing.smoothing import RecentMean, recent_means
from bench.health.signs import COVERED, text_of_signs
from bench.runs.description import RunDescription
from bench.runs.record import Record, RecordEvents, alarm_tag
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
        "signs": _signs(result),
        "alarms": [{"step": a.step, "kind": a.kind, "words": a.message} for a in record.alarms],
        "step": record.end.step,
        "peak_memory": record.end.peak_memory,
        "train_seconds": record.checkpoints[-1].train_seconds if record.checkpoints else None,
        "last": dict(last),
        "real": dict(description.real),
        "means": {name: mean.value for name, mean in _means(result).items()},
        "best": dict(record.end.best),
        "metric": description.metric,
        "metric.protocol": description.protocol,
        "folder": str(result.run.path),
        "tracking": description.tracking,
    }


def text(result: RunResult) -> str:
    """Return the summary of a run as aligned text: facts, metrics, scalars, and what can be done next."""
    facts = data(result)
    description, run = result.description, result.run
    samples = sorted(run.samples.glob("*.png"))
    drawn = any(run.figures.glob("*.png"))
    seconds, short = facts["train_seconds"], run.id[:6]
    head = [
        ("run", f"{facts['name']}  (id {facts['run_id']})"),
        ("health", facts["health"]),
        *([("signs", facts["signs"])] if facts["signs"] else []),
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
        ("judged by", facts["metric.protocol"] or "no judge: extractor is none"),
        ("samples", str(samples[-1]) if samples else "none"),
        ("figures", str(run.figures) if drawn else f"none: bench plot {short} draws them"),
    ]
    further = [
        ("next", f"bench plot {short}", "figures, animated samples"),
        ("", *_eval(short, description)),
        ("", "bench table", "this run among others"),
    ]
    parts = [table(head, width=WIDTH), _metrics(result), _scalars(result), table(further)]
    return "\n\n".join(part for part in parts if part)


def _eval(short: str, description: RunDescription) -> tuple[str, str]:
    """Return the command that measures a checkpoint of the run, and what it does."""
    if description.is_judged:
        return f"bench eval {short}", "measures a checkpoint again"
    return f"bench eval {short} --extractor NAME", "measures a checkpoint; bench doctor lists the judges"


def _signs(result: RunResult) -> str:
    """Return the signs by which the run was judged to have collapsed or memorised; empty for another run."""
    record, description = result.record, result.description
    assert record.end is not None
    if not record.end.health.startswith(("collapsed@", "memorised@")):
        return ""
    return text_of_signs(record.evaluations[-1].values, description.real, description.health_rules)


def _metrics(result: RunResult) -> str:
    """Return the metrics of the last evaluation beside those of real samples, and of the best distance."""
    header, rows = result.metrics_table(partial(_value, result.description))
    return table(rows, header) if rows else ""


def _value(description: RunDescription, name: str, value: float | None) -> float | str | None:
    """Return a cell of a metric; of one that counts classes or modes such as ``5 of 10``."""
    if value is None or name not in COVERED:
        return value
    # classes are those that the judge's network finds in real images, modes are known
    of = len(description.data.classes) if COVERED[name] == "mode" else description.real.get(name)
    return f"{value:,.0f} of {of:,.0f}" if of else f"{value:,.0f}"


def _scalars(result: RunResult) -> str:
    """Return the means of the scalars that select checkpoints: at the end, as in tables, and the best."""
    record, means = result.record, _means(result)
    rows = []
    for scalar in result.description.scalars:
        name, mean = scalar.name, means.get(scalar.name)
        if mean:
            rows.append((name, mean.value, _steps(mean.first, mean.last), "as in tables and figures"))
        if (best := result.best.get(f"{name}_best")) is not None:
            step = int(result.best[f"{name}_best_step"])
            kind = "highest" if scalar.better == "higher" else "lowest"
            over = _steps(_planned_before(record, step) + 1, step)
            rows.append((f"{name}_best", float(best), over, f"{kind} between two planned checkpoints"))
    return table(rows, ("", "mean", "of", "")) if rows else ""


def _means(result: RunResult) -> dict[str, RecentMean]:
    """Return the means of the selecting scalars at the last evaluation, as ``bench table`` has them."""
    if not result.record.evaluations:
        return {}
    names = [scalar.name for scalar in result.description.scalars if scalar.selects]
    return recent_means(RecordEvents(result.run.record_path), result.record.evaluations[-1].step, names)


def _planned_before(record: Record, step: int) -> int:
    """Return the step of the planned checkpoint before a step, from which on its means are taken."""
    return max((each.step for each in record.checkpoints if each.step < step and each.means), default=0)


def _steps(first: int, last: int) -> str:
    return f"step {last:,}" if first == last else f"steps {first:,} to {last:,}"
