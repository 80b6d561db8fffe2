"""What a paper reports beside what our runs give."""

from typing import Any

import numpy as np
import pandas as pd

from bench.comparing.caveats import caveats
from bench.comparing.groups import is_collapsed, is_complete, is_diverged, once_per_seed, with_groups
from bench.comparing.notes import describe_data
from bench.comparing.numbers import MISSING, duration, number, with_range
from bench.comparing.rendering import Tables, TextTable
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import RequestError, unknown
from variants.modules.losses import BATCH_SIZE_DEPENDENT_NORMS
from variants.published_tables import PUBLISHED_TABLES, PublishedRow, PublishedTable

NO_RUNS = "no runs"


def table_named(name: str) -> PublishedTable:
    """The published table of that name; RequestError if there is none."""
    if name not in PUBLISHED_TABLES:
        raise unknown("published table", name, PUBLISHED_TABLES)
    return PUBLISHED_TABLES[name]


def side_by_side(published: PublishedTable, frame: pd.DataFrame) -> Tables:
    """Set our runs beside a paper's rows.

    Parameters
    ----------
    published : PublishedTable
        What the paper reports.
    frame : DataFrame
        Runs, as :func:`bench.comparing.frame.results` gives them; those of no row are not looked at.

    Returns
    -------
    Tables
        The frame has one row a published row: ``row``, ``group``, ``runs``, ``diverged``, ``collapsed``
        (counts), ``collapsed_at_epochs`` (numbers with commas between), ``M_paper``, ``M`` (mean over
        runs of the lowest M between two checkpoints), ``M_low``, ``M_high`` (its range), ``norm_paper``,
        ``norm``, ``batch_size_paper``, ``batch_size``, ``M_differs`` (in what M is not the paper's, in words;
        missing where norm and batch size agree),
        ``parameters_paper``, ``parameters``, ``train_time_paper``, ``train_seconds`` (mean),
        ``collapse_paper``. Missing where there are no runs.

    Raises
    ------
    RequestError
        If the runs of one row differ in more than the seed, or the rows' runs in their data.
    """
    facts, told, belonging = [], [], []
    for row in published.rows:
        runs = _runs_of(row, frame)
        whole = runs[is_complete(runs)].reset_index(drop=True)
        others = runs[~is_complete(runs)]
        told += [f"{name} ({status})" for name, status in zip(others["name"], others["status"], strict=True)]
        kept, copies = once_per_seed(with_groups(whole))
        told += [f"{name} (a newer run has its seed)" for name in copies]
        groups = list(kept["group"].unique())
        if len(groups) > 1:
            raise RequestError(
                f"the row {row.label!r} of {published.name} has runs of {len(groups)} groups: "
                f"{'; '.join(groups[:4])}{' ...' if len(groups) > 4 else ''}; choose one with --where"
            )
        facts.append(_facts(row, kept))
        belonging.append(kept)
    ours = pd.concat(belonging, ignore_index=True)
    if ours["data_hash"].nunique() > 1:
        raise RequestError(
            f"the rows of {published.name} have runs of different data: {describe_data(ours)}; "
            'choose with --dataset or --where "image_size == ..."'
        )
    text = TextTable(
        f"{published.title}: {published.source}, and our runs",
        (
            "model",
            "optimal M:\npaper",
            "optimal M:\nours",
            "parameters:\npaper",
            "parameters:\nours",
            "training time:\npaper",
            "training time:\nours",
            "mode collapse:\npaper",
            "mode collapse:\nours",
        ),
        tuple(_cells(row, fact) for row, fact in zip(published.rows, facts, strict=True)),
    )
    notes = [*_about_paper(published), *_about_ours(published, ours, belonging), *caveats(ours)]
    if told:
        notes.append(f"Left out: {', '.join(told)}.")
    return Tables((text,), _typed(facts), tuple(notes))


def _runs_of(row: PublishedRow, frame: pd.DataFrame) -> pd.DataFrame:
    chosen = pd.Series(True, index=frame.index)
    for name, value in row.where.items():
        values = value if isinstance(value, tuple) else (value,)
        chosen &= frame[name].isin(values).fillna(False).astype(bool) if name in frame else False
    return frame[chosen]


def _facts(row: PublishedRow, runs: pd.DataFrame) -> dict[str, Any]:
    """One row in numbers."""
    facts: dict[str, Any] = {
        "row": row.label,
        "group": runs["group"].iloc[0] if len(runs) else None,
        "runs": len(runs),
        "diverged": int(is_diverged(runs).sum()),
        "collapsed": int(is_collapsed(runs).sum()),
        "collapsed_at_epochs": None,
        "M_paper": row.convergence,
        "M": None,
        "M_low": None,
        "M_high": None,
        "norm_paper": row.norm,
        "norm": None,
        "batch_size_paper": row.batch_size,
        "batch_size": None,
        "M_differs": None,
        "parameters_paper": row.parameters,
        "parameters": None,
        "train_time_paper": row.training_time,
        "train_seconds": None,
        "collapse_paper": row.mode_collapse,
    }
    if runs.empty:
        return facts
    facts |= {"norm": runs["norm"].iloc[0], "batch_size": int(runs["batch_size"].iloc[0])}
    facts["M_differs"] = _differs(row, facts["norm"], facts["batch_size"])
    healthy = runs[~is_diverged(runs)]
    lowest = healthy["M_best"][np.isfinite(healthy["M_best"])]
    if len(lowest):
        facts |= {"M": float(lowest.mean()), "M_low": float(lowest.min()), "M_high": float(lowest.max())}
    if len(healthy):
        facts["train_seconds"] = float(healthy["train_seconds"].mean())
    counts = runs[["parameters_generator", "parameters_discriminator"]].iloc[0]
    facts["parameters"] = int(counts.sum())
    fallen = runs[is_collapsed(runs)]
    epochs = [
        _epoch(run_id, health) for run_id, health in zip(fallen["run_id"], fallen["health"], strict=True)
    ]
    facts["collapsed_at_epochs"] = ", ".join(f"{epoch:.3g}" for epoch in sorted(epochs)) or None
    return facts


def _differs(row: PublishedRow, norm: str, batch_size: int) -> str | None:
    """In what our M is not the paper's: under another norm, or a batch size on which the norm depends."""
    batch = f"batch size {batch_size}, the paper's {row.batch_size}" if batch_size != row.batch_size else ""
    if norm != row.norm:
        told = f"not comparable: norm {norm}, the paper's {row.norm}"
        return f"{told}; {batch}" if batch else told
    if batch and norm in BATCH_SIZE_DEPENDENT_NORMS:
        return f"not comparable: {batch}, on which M under norm {norm} depends"
    return batch or None


def _epoch(run_id: str, health: str) -> float:
    """Passes over the images after which a run had collapsed."""
    return int(health.partition("@")[2]) * RunFolder(paths.runs() / run_id).describe().epochs_per_step()


def _cells(row: PublishedRow, facts: dict[str, Any]) -> tuple[str, ...]:
    """One row for people."""
    ours = (NO_RUNS,) * 4
    if facts["runs"]:
        collapse = f"{facts['collapsed']} of {facts['runs']} runs"
        if epochs := facts["collapsed_at_epochs"]:
            collapse += f", at {'epochs' if ',' in epochs else 'epoch'} {epochs}"
        if facts["diverged"]:
            collapse += f"; {facts['diverged']} diverged"
        seconds = facts["train_seconds"]
        spent = MISSING if seconds is None else duration(seconds)
        measured = "; ".join(filter(None, (_range(facts), facts["M_differs"])))
        ours = (measured, f"{facts['parameters']:,}", spent, collapse)
    paper = (f"{row.convergence:.2f}", f"{row.parameters:,}", row.training_time, row.mode_collapse)
    return (row.label, *(cell for pair in zip(paper, ours, strict=True) for cell in pair))


def _range(facts: dict[str, Any]) -> str:
    value, low, high = facts["M"], facts["M_low"], facts["M_high"]
    return number(value) if low == high else with_range(value, (low, high))


def _about_paper(published: PublishedTable) -> list[str]:
    return [
        f"The paper trained on {published.dataset} at {published.image_size} px, {published.images:,} "
        f"images, for {published.epochs:g} epochs, on {published.hardware}.",
        *published.notes,
        "M depends on the norm of the reconstruction error: values of M under different norms cannot be "
        "compared with each other, nor with the paper's where it does not say how it scales them.",
    ]


def _about_ours(published: PublishedTable, ours: pd.DataFrame, rows: list[pd.DataFrame]) -> list[str]:
    """On what our runs were trained, and whether that is what the paper had."""
    if ours.empty:
        return ["There are no finished runs of these rows."]
    notes, settings = [], {}
    for row, runs in zip(published.rows, rows, strict=True):
        if len(runs):
            description = RunFolder(paths.runs() / runs["run_id"].iloc[0]).describe()
            steps = int(runs["steps"].iloc[0])
            epochs = steps * description.epochs_per_step()
            settings[row.label] = (
                description.data.count,
                steps,
                f"{epochs:.4g}",
                runs["norm"].iloc[0],
            )
    counts = sorted({count for count, *_ in settings.values()})
    words = [
        f"{label}: {steps:,} steps ({epochs} epochs), norm {norm}"
        for label, (_, steps, epochs, norm) in settings.items()
    ]
    data = f"{describe_data(ours)}, {' or '.join(f'{count:,}' for count in counts)} images"
    notes.append(
        f"Our runs trained on {data}; {'; '.join(words)}; on {', '.join(ours['processor'].unique())}."
    )
    differing = [
        name
        for name, same in (
            ("data", set(ours["dataset"]) == {published.dataset} and counts == [published.images]),
            ("image size", set(ours["image_size"]) == {published.image_size}),
            ("length", all(abs(float(e) / published.epochs - 1) < 0.01 for _, _, e, _ in settings.values())),
        )
        if not same
    ]
    if differing:
        notes.append(
            f"Not the paper's own: {', '.join(differing)}. M, times and collapse do not reproduce its "
            "numbers, nor do parameter counts where the networks have another size."
        )
    notes.append(
        "Our optimal M is the lowest mean of M between two checkpoints: its mean over seeds, with the range. "
        "Training times are means over seeds, without the time for judging."
    )
    return notes


def _typed(facts: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = dict.fromkeys(("M_paper", "M", "M_low", "M_high", "train_seconds"), "float64")
    kinds |= dict.fromkeys(("runs", "diverged", "collapsed", "parameters_paper", "parameters"), "Int64")
    kinds |= dict.fromkeys(("batch_size_paper", "batch_size"), "Int64")
    return pd.DataFrame(facts).astype(kinds)
