"""Tables about runs, beside those of results: all runs, health, costs, knobs and environments."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from bench.comparing.columns import network_columns
from bench.comparing.numbers import MISSING, duration, number
from bench.comparing.rendering import TextTable
from bench.configuration import EXECUTION_SETTINGS, knobs_of
from bench.reporting.findings import is_well, meaning, tag
from bench.runs.description import RunDescription
from bench.runs.environment import PACKAGES, Environment
from bench.runs.record import RecordEvents
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.json_values import JsonScalar
from variants.registry import all_variants

Descriptions = Sequence[RunDescription]
_ASIDE = EXECUTION_SETTINGS | {"variant", "seed"}


def of_runs(runs: pd.DataFrame, metrics: Sequence[str], copies: Sequence[str]) -> TextTable:
    """Table of all runs by group and seed, with their values at the selected step.

    Parameters
    ----------
    runs : DataFrame
        With the column ``group``.
    metrics : sequence of str
        Metrics that the tables of results report.
    copies : sequence of str
        Ids of runs that gave way to a newer one of the same group and seed.
    """
    shown = [name for name in metrics if name in runs]
    # names have the variant; groups have a column where they differ in more
    grouped = ["group"] if (runs["group"] != runs["variant"]).any() else []
    alarmed = ["alarms"] if (runs["alarms"] != "").any() else []
    header = ("run", *grouped, "seed", "health", *alarmed, "step", *shown, "training time")
    rows = []
    for _, run in runs.sort_values(["group", "seed", "created"], kind="stable").iterrows():
        health = tag(run) + (" (older copy)" if run["run_id"] in copies else "")
        seconds = run["train_seconds"]
        rows.append(
            (
                str(run["name"]),
                *(str(run[name]) for name in grouped),
                str(run["seed"]),
                health,
                *(str(run[name]) or MISSING for name in alarmed),
                MISSING if pd.isna(run["step"]) else f"{run['step']:,}",
                *(number(None if pd.isna(run[name]) else float(run[name])) for name in shown),
                MISSING if pd.isna(seconds) else duration(float(seconds)),
            )
        )
    return TextTable("All runs, at the step that counts", header, tuple(rows))


def of_health(runs: pd.DataFrame) -> TextTable | None:
    """Table of unhealthy runs with the meaning of their tags; None where all are well."""
    rows = []
    for _, run in runs.sort_values(["group", "seed"], kind="stable").iterrows():
        if not is_well(run):
            folder = RunFolder(paths.runs() / str(run["run_id"]))
            description = folder.describe()
            told = meaning(run, _last_values(folder), description.real, description.scalars)
            rows.append((str(run["name"]), tag(run), told))
    return TextTable("Runs that are not ok", ("run", "health", "meaning"), tuple(rows)) if rows else None


def _last_values(run: RunFolder) -> Mapping[str, float]:
    """Return the metrics of a run's last evaluation, or {}."""
    evaluations = RecordEvents(run.record_path).record.evaluations
    return evaluations[-1].values if evaluations else {}


def of_cost(runs: pd.DataFrame) -> TextTable:
    """Table of parameters and training time of groups, over finished runs."""
    networks = network_columns(runs)
    header = ("group", *networks, "runs", "training time", "least to most", "a step")
    rows = []
    for group, members in runs[runs["status"] == "FINISHED"].groupby("group"):
        seconds = members["train_seconds"].dropna()
        pace = (seconds / members["steps"].loc[seconds.index]).mean()
        rows.append(
            (
                str(group),
                *(_several(members[column]) for column in networks.values()),
                str(len(seconds)),
                duration(float(seconds.mean())) if len(seconds) else MISSING,
                f"{duration(seconds.min())} to {duration(seconds.max())}" if len(seconds) > 1 else MISSING,
                f"{1000 * pace:.3g} ms" if len(seconds) else MISSING,
            )
        )
    return TextTable("Parameters, and training time as a mean over finished runs", header, tuple(rows))


def _several(counts: pd.Series) -> str:
    """Different numbers of parameters as text; a dash where no run has the network."""
    return " or ".join(f"{int(count):,}" for count in counts.dropna().unique()) or MISSING


def of_shared_knobs(descriptions: Descriptions) -> TextTable:
    """Table of the knobs that have one value in all runs."""
    meanings = _meanings(descriptions)
    rows = []
    for name, value in descriptions[0].config.flat().items():
        if name not in _ASIDE and _same(descriptions, _knob(name)):
            rows.append((name, _text(value), meanings.get(name, "")))
    return TextTable("Knobs with the same value in all runs", ("knob", "value", "meaning"), tuple(rows))


def of_differing_knobs(descriptions: Descriptions, groups: Sequence[str]) -> TextTable | None:
    """Table of the knobs in which groups differ, one column per group; None where there is none.

    Parameters
    ----------
    descriptions : sequence of RunDescription
        What each run's run.json says.
    groups : sequence of str
        The group of each of them.
    """
    names = dict.fromkeys(name for description in descriptions for name in description.config.flat())
    columns = sorted(set(groups))
    meanings = _meanings(descriptions)
    rows = []
    for name in names:
        if name in _ASIDE or _same(descriptions, _knob(name)):
            continue
        cells = []
        for column in columns:
            members = [d for d, group in zip(descriptions, groups, strict=True) if group == column]
            values = [_text(knobs[name]) for d in members if name in (knobs := d.config.flat())]
            cells.append(" or ".join(dict.fromkeys(values)) or MISSING)
        rows.append((name, *cells, meanings.get(name, "")))
    if not rows:
        return None
    caption = "Knobs in which groups differ (a dash: the variant has no such knob)"
    return TextTable(caption, ("knob", *columns, "meaning"), tuple(rows))


def _meanings(descriptions: Descriptions) -> dict[str, str]:
    """Return the meaning of each knob; of none that has different meanings in different variants."""
    known = all_variants()
    meanings: dict[str, set[str | None]] = {"preset": {"name of the values that a configuration starts from"}}
    for variant in {d.config.variant for d in descriptions} & set(known):
        for name, field in knobs_of(known[variant]).items():
            meanings.setdefault(name, set()).add(field.description)
    return {name: next(iter(each)) or "" for name, each in meanings.items() if len(each) == 1}


def environments(descriptions: Descriptions) -> dict[str, Counter[str]]:
    """Count the runs by machine, packages and commit: by fact, the number of runs of each value."""
    facts: dict[str, Callable[[Environment], JsonScalar]] = {
        "processor": lambda e: e.processor,
        "cores": lambda e: e.cores,
        "threads": lambda e: e.threads,
        "memory": lambda e: f"{e.memory / 2**30:.1f} GiB",
        "GPU": lambda e: e.gpu,
        "system": lambda e: e.system,
        "Python": lambda e: e.python,
    }
    for package in ("began-bench", *PACKAGES):
        facts[package] = _package(package)
    facts["commit"] = lambda e: e.commit
    return {name: Counter(_text(read(d.environment)) for d in descriptions) for name, read in facts.items()}


def of_environments(counts: Mapping[str, Counter[str]]) -> TextTable:
    """Table of :func:`environments`; where runs differ, with the number of runs of each value."""
    rows = [(name, _with_counts(values)) for name, values in counts.items()]
    return TextTable("Where the runs were made", ("what", "value"), tuple(rows))


def _with_counts(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} ({n} {'run' if n == 1 else 'runs'})" for value, n in values.items())


def _knob(name: str) -> Callable[[RunDescription], object]:
    # a knob that a variant lacks differs from a knob without a value
    return lambda description: description.config.flat().get(name, ...)


def _package(name: str) -> Callable[[Environment], str | None]:
    return lambda environment: environment.packages.get(name)


def _same(descriptions: Descriptions, read: Callable[[RunDescription], object]) -> bool:
    return len({json.dumps(read(d), default=str) for d in descriptions}) == 1


def _text(value: JsonScalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
