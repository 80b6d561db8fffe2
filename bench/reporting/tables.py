"""Tables about runs, beside those of results: the runs, what they cost, how they were configured."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.comparing.numbers import MISSING, duration, number
from bench.comparing.rendering import TextTable
from bench.configuration import EXECUTION_SETTINGS, knobs_of
from bench.reporting.findings import is_well, meaning, tag
from bench.runs.description import RunDescription
from bench.runs.environment import PACKAGES, Environment
from bench.runs.record import RecordEvents
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.json_values import Scalar
from variants.registry import all_variants

Descriptions = Sequence[RunDescription]
_ASIDE = EXECUTION_SETTINGS | {"variant", "seed"}


def of_runs(runs: pd.DataFrame, metrics: Sequence[str], copies: Sequence[str]) -> TextTable:
    """All runs by group and seed, with their values at the selected step.

    Parameters
    ----------
    runs : DataFrame
        With the column ``group``.
    metrics : sequence of str
        What the tables of results report.
    copies : sequence of str
        Ids of runs that gave way to a newer one of the same group and seed.
    """
    shown = [name for name in metrics if name in runs]
    # a name tells the variant; the group only where it is more than that
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
    """The runs about which something is to tell, and what; None where all are well."""
    rows = []
    for _, run in runs.sort_values(["group", "seed"], kind="stable").iterrows():
        if not is_well(run):
            rows.append((str(run["name"]), tag(run), meaning(run, *_judged(str(run["run_id"])))))
    return TextTable("Runs that are not ok", ("run", "health", "meaning"), tuple(rows)) if rows else None


def _judged(run_id: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """A run's last evaluation, and what real samples scored when it began; {} where its files do not tell."""
    run = RunFolder(paths.runs() / run_id)
    evaluations = RecordEvents(run.record_path).record.evaluations
    return evaluations[-1].values if evaluations else {}, run.describe().real


def of_cost(runs: pd.DataFrame) -> TextTable:
    """Parameters and training time of groups, of the runs that finished."""
    header = ("group", "generator", "discriminator", "runs", "training time", "least to most", "a step")
    rows = []
    for group, members in runs[runs["status"] == "FINISHED"].groupby("group"):
        seconds = members["train_seconds"].dropna()
        pace = (seconds / members["steps"].loc[seconds.index]).mean()
        rows.append(
            (
                str(group),
                *(_several(members[f"parameters_{side}"], "{:,}") for side in ("generator", "discriminator")),
                str(len(seconds)),
                duration(float(seconds.mean())) if len(seconds) else MISSING,
                f"{duration(seconds.min())} to {duration(seconds.max())}" if len(seconds) > 1 else MISSING,
                f"{1000 * pace:.3g} ms" if len(seconds) else MISSING,
            )
        )
    return TextTable("Parameters, and training time as a mean over finished runs", header, tuple(rows))


def _several(values: pd.Series, form: str) -> str:
    return " or ".join(form.format(value) for value in values.unique())


def of_shared_knobs(descriptions: Descriptions) -> TextTable:
    """The knobs that have one value in all runs."""
    meanings = _meanings(descriptions)
    rows = []
    for name, value in descriptions[0].config.flat().items():
        if name not in _ASIDE and _same(descriptions, _knob(name)):
            rows.append((name, _word(value), meanings.get(name, "")))
    return TextTable("Knobs with the same value in all runs", ("knob", "value", "meaning"), tuple(rows))


def of_differing_knobs(descriptions: Descriptions, groups: Sequence[str]) -> TextTable | None:
    """The knobs in which groups differ, one column a group; None where there is none.

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
            values = [_word(knobs[name]) for d in members if name in (knobs := d.config.flat())]
            cells.append(" or ".join(dict.fromkeys(values)) or MISSING)
        rows.append((name, *cells, meanings.get(name, "")))
    if not rows:
        return None
    caption = "Knobs in which groups differ (a dash: the variant has no such knob)"
    return TextTable(caption, ("knob", *columns, "meaning"), tuple(rows))


def _meanings(descriptions: Descriptions) -> dict[str, str]:
    """What each knob means; nothing for one that means another thing in another variant."""
    known = all_variants()
    told: dict[str, set[str | None]] = {"preset": {"name of the values that a configuration starts from"}}
    for variant in {d.config.variant for d in descriptions} & set(known):
        for name, field in knobs_of(known[variant]).items():
            told.setdefault(name, set()).add(field.description)
    return {name: next(iter(words)) or "" for name, words in told.items() if len(words) == 1}


def of_environment(descriptions: Descriptions) -> TextTable:
    """Machine, packages and commit; where runs differ, how many have which."""
    readings: dict[str, Callable[[Environment], Scalar]] = {
        "processor": lambda e: e.processor,
        "cores": lambda e: e.cores,
        "threads": lambda e: e.threads,
        "memory": lambda e: f"{e.memory / 2**30:.1f} GiB",
        "GPU": lambda e: e.gpu,
        "system": lambda e: e.system,
        "Python": lambda e: e.python,
    }
    for package in ("began-bench", *PACKAGES):
        readings[package] = _package(package)
    readings["commit"] = lambda e: e.commit
    rows = [(name, _tally([read(d.environment) for d in descriptions])) for name, read in readings.items()]
    return TextTable("Where the runs were made", ("what", "value"), tuple(rows))


def differing_environment(descriptions: Descriptions) -> list[str]:
    """In what the runs' environments differ."""
    rows = of_environment(descriptions).rows
    return [name for name, value in rows if value.endswith("runs)") or value.endswith("run)")]


def _tally(values: Sequence[Any]) -> str:
    """One value, or each with the number of runs that have it."""
    words = [_word(value) for value in values]
    different = list(dict.fromkeys(words))
    if len(different) == 1:
        return different[0]
    counts = [(word, words.count(word)) for word in different]
    return ", ".join(f"{word} ({count} {'run' if count == 1 else 'runs'})" for word, count in counts)


def _knob(name: str) -> Callable[[RunDescription], object]:
    # a knob that a variant lacks is not one without a value
    return lambda description: description.config.flat().get(name, ...)


def _package(name: str) -> Callable[[Environment], str | None]:
    return lambda environment: environment.packages.get(name)


def _same(descriptions: Descriptions, read: Callable[[RunDescription], object]) -> bool:
    return len({json.dumps(read(d), default=str) for d in descriptions}) == 1


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
