"""A published table beside our runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bench.comparing.caveats import caveats
from bench.comparing.columns import PARAMETERS
from bench.comparing.comparable import holds, knob_value, spelt
from bench.comparing.groups import (
    has_judge,
    is_collapsed,
    is_complete,
    is_diverged,
    once_per_seed,
    with_groups,
)
from bench.comparing.notes import describe_data
from bench.comparing.numbers import MISSING, Bounds, duration, number, with_range
from bench.comparing.rendering import Tables, TextTable
from bench.comparing.scalars import BEST, of_run, of_runs
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import RequestError, unknown
from bench.system.json_values import JsonScalar
from variants.published_tables import PUBLISHED_TABLES, PublishedRow, PublishedTable

NO_RUNS = "no runs"


def table_named(name: str) -> PublishedTable:
    """Return the published table of that name; RequestError if there is none."""
    if name not in PUBLISHED_TABLES:
        raise unknown("published table", name, PUBLISHED_TABLES)
    return PUBLISHED_TABLES[name]


@dataclass(frozen=True)
class Measured:
    """Our runs of one published row; without runs every number is missing.

    Attributes
    ----------
    group : str or None
        Their group.
    runs, diverged : int
        All of them; those that diverged.
    collapsed : int or None
        Those that ended collapsed; None for runs without a judge.
    collapse_epochs : tuple of float
        Passes over the images after which each had collapsed, rising.
    best : float or None
        Mean over runs of the best mean of the table's scalar between two checkpoints; None where no run has
        one.
    best_range : (float, float) or None
        Lowest and highest of these.
    knobs : mapping
        Our values of the knobs that the published row names.
    differs : str or None
        Why the scalar is not comparable with the paper's, or in what knobs the runs differ; None where the
        knobs agree.
    parameters : int or None
        Of all networks.
    train_seconds : float or None
        Mean over the runs that did not diverge.
    """

    group: str | None = None
    runs: int = 0
    diverged: int = 0
    collapsed: int | None = 0
    collapse_epochs: tuple[float, ...] = ()
    best: float | None = None
    best_range: Bounds | None = None
    knobs: Mapping[str, JsonScalar] = field(default_factory=dict)
    differs: str | None = None
    parameters: int | None = None
    train_seconds: float | None = None

    @property
    def listed_epochs(self) -> str:
        """The epochs of collapse, with commas between."""
        return ", ".join(f"{epoch:.3g}" for epoch in self.collapse_epochs)


def side_by_side(published: PublishedTable, frame: pd.DataFrame) -> Tables:
    """Return a table of a paper's rows and our runs.

    Parameters
    ----------
    published : PublishedTable
        The paper's table.
    frame : DataFrame
        Runs, as returned by :func:`bench.comparing.frame.results`; those of no row are ignored.

    Returns
    -------
    Tables
        The frame has one row per published row, with the columns of :func:`_columns`; missing where there
        are no runs.

    Raises
    ------
    RequestError
        If the runs of one row differ in more than the seed, or the rows' runs in their data.
    """
    left_out, members = [], []
    for row in published.rows:
        runs = _runs_of(row, frame)
        whole = runs[is_complete(runs)].reset_index(drop=True)
        others = runs[~is_complete(runs)]
        left_out += [f"{name} ({end})" for name, end in zip(others["name"], others["status"], strict=True)]
        kept, copies = once_per_seed(with_groups(whole))
        left_out += [f"{name} (a newer run has its seed)" for name in copies]
        groups = list(kept["group"].unique())
        if len(groups) > 1:
            raise RequestError(
                f"the row {row.label!r} of {published.name} has runs of {len(groups)} groups: "
                f"{'; '.join(groups[:4])}{' ...' if len(groups) > 4 else ''}; choose one with --where"
            )
        members.append(kept)
    ours = pd.concat(members, ignore_index=True)
    if ours["data_hash"].nunique() > 1:
        raise RequestError(
            f"the rows of {published.name} have runs of different data: {describe_data(ours)}; "
            'choose with --dataset or --where "image_size == ..."'
        )
    pairs = [
        (row, _measured(published.scalar, row, kept))
        for row, kept in zip(published.rows, members, strict=True)
    ]
    quantities = (f"optimal {published.scalar}", "parameters", "training time", "mode collapse")
    text = TextTable(
        f"{published.title}: {published.source}, and our runs",
        ("model", *(f"{name}:\n{side}" for name in quantities for side in ("paper", "ours"))),
        tuple(_cells(row, measured) for row, measured in pairs),
    )
    notes = [*_about_paper(published), *_about_ours(published, ours, members), *caveats(ours)]
    if left_out:
        notes.append(f"Left out: {', '.join(left_out)}.")
    return Tables((text,), _table(published.scalar, pairs), tuple(notes))


def _runs_of(row: PublishedRow, frame: pd.DataFrame) -> pd.DataFrame:
    chosen = pd.Series(True, index=frame.index)
    for name, value in row.where.items():
        values = value if isinstance(value, tuple) else (value,)
        chosen &= frame[name].isin(values).fillna(False).astype(bool) if name in frame else False
    return frame[chosen]


def _measured(scalar: str, row: PublishedRow, runs: pd.DataFrame) -> Measured:
    """Summarise the runs of one group."""
    if runs.empty:
        return Measured()
    healthy, collapsed = runs[~is_diverged(runs)], runs[is_collapsed(runs)]
    best = healthy[scalar + BEST].dropna() if scalar + BEST in healthy else healthy["step"].iloc[:0]
    best = best[np.isfinite(best)]
    first = runs.iloc[0]
    ends = zip(collapsed["run_id"], collapsed["health"], strict=True)
    return Measured(
        group=first["group"],
        runs=len(runs),
        diverged=len(runs) - len(healthy),
        collapsed=len(collapsed) if has_judge(runs).all() else None,
        collapse_epochs=tuple(sorted(_epoch(run_id, health) for run_id, health in ends)),
        best=float(best.mean()) if len(best) else None,
        best_range=(float(best.min()), float(best.max())) if len(best) else None,
        knobs={name: knob_value(first, name) for name in row.knobs},
        differs=_differs(scalar, row, first),
        parameters=int(first[PARAMETERS]),
        train_seconds=float(healthy["train_seconds"].mean()) if len(healthy) else None,
    )


def _differs(scalar: str, row: PublishedRow, run: pd.Series) -> str | None:
    """In what knobs a run differs from the paper's, and whether the scalar is still comparable."""
    differing = {
        name: f"{spelt(name)} {ours}, the paper's {theirs}"
        for name, theirs in row.knobs.items()
        if (ours := knob_value(run, name)) != theirs
    }
    text = "; ".join(differing.values())
    dependences = [d for s in of_run(run) if s.name == scalar for d in s.depends_on if holds(run, d)]
    decisive = [dependence for dependence in dependences if dependence.knob in differing]
    if not decisive:
        return text or None
    if all(dependence.when_knob for dependence in decisive):
        limits = dict.fromkeys(f"{spelt(d.when_knob)} {knob_value(run, d.when_knob)}" for d in decisive)
        text += f", on which {scalar} under {' and '.join(limits)} depends"
    return f"not comparable: {text}"


def _epoch(run_id: str, health: str) -> float:
    """Passes over the images after which a run had collapsed."""
    return int(health.partition("@")[2]) * RunFolder(paths.runs() / run_id).describe().epochs_per_step()


def _cells(row: PublishedRow, measured: Measured) -> tuple[str, ...]:
    """One row for people."""
    ours = (NO_RUNS,) * 4
    if measured.runs:
        judged = measured.collapsed is not None
        collapse = f"{measured.collapsed} of {measured.runs} runs" if judged else "not judged"
        if epochs := measured.listed_epochs:
            collapse += f", at {'epochs' if len(measured.collapse_epochs) > 1 else 'epoch'} {epochs}"
        if measured.diverged:
            collapse += f"; {measured.diverged} diverged"
        seconds = measured.train_seconds
        spent = MISSING if seconds is None else duration(seconds)
        best = "; ".join(filter(None, (_best(measured), measured.differs)))
        ours = (best, f"{measured.parameters:,}", spent, collapse)
    paper = (f"{row.best:.2f}", f"{row.parameters:,}", row.training_time, row.mode_collapse)
    return (row.label, *(cell for pair in zip(paper, ours, strict=True) for cell in pair))


def _best(measured: Measured) -> str:
    value, extent = measured.best, measured.best_range
    if value is None or extent is None or extent[0] == extent[1]:
        return number(value)
    return with_range(value, extent)


def _columns(scalar: str, row: PublishedRow, measured: Measured) -> dict[str, JsonScalar]:
    """One row for programs."""
    low, high = measured.best_range or (None, None)
    knobs: dict[str, JsonScalar] = {}
    for name, theirs in row.knobs.items():
        knobs |= {f"{name}_paper": theirs, name: measured.knobs.get(name)}
    return {
        "row": row.label,
        "group": measured.group,
        "runs": measured.runs,
        "diverged": measured.diverged,
        "collapsed": measured.collapsed,
        "collapsed_at_epochs": measured.listed_epochs or None,
        f"{scalar}_paper": row.best,
        scalar: measured.best,
        f"{scalar}_low": low,
        f"{scalar}_high": high,
        **knobs,
        f"{scalar}_differs": measured.differs,
        "parameters_paper": row.parameters,
        "parameters": measured.parameters,
        "train_time_paper": row.training_time,
        "train_seconds": measured.train_seconds,
        "collapse_paper": row.mode_collapse,
    }


def _table(scalar: str, pairs: list[tuple[PublishedRow, Measured]]) -> pd.DataFrame:
    numbers = (f"{scalar}_paper", scalar, f"{scalar}_low", f"{scalar}_high", "train_seconds")
    counts = ["runs", "diverged", "collapsed", "parameters_paper", "parameters"]
    for row, _ in pairs:
        whole = [name for name, value in row.knobs.items() if isinstance(value, int)]
        counts += [column for name in whole for column in (f"{name}_paper", name)]
    kinds = dict.fromkeys(numbers, "float64") | dict.fromkeys(counts, "Int64")
    return pd.DataFrame([_columns(scalar, *pair) for pair in pairs]).astype(kinds)


def _about_paper(published: PublishedTable) -> list[str]:
    return [
        f"The paper trained on {published.dataset} at {published.image_size} px, {published.images:,} "
        f"images, for {published.epochs:g} epochs, on {published.hardware}.",
        *published.notes,
    ]


def _about_ours(published: PublishedTable, ours: pd.DataFrame, rows: list[pd.DataFrame]) -> list[str]:
    """Notes on the data and length of our training, and on differences from the paper's."""
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
                _scale(published.scalar, runs.iloc[0]),
            )
    counts = sorted({count for count, *_ in settings.values()})
    lengths = [
        f"{label}: {steps:,} steps ({epochs} epochs){scale}"
        for label, (_, steps, epochs, scale) in settings.items()
    ]
    data = f"{describe_data(ours)}, {' or '.join(f'{count:,}' for count in counts)} images"
    notes.append(
        f"Our runs trained on {data}; {'; '.join(lengths)}; on {', '.join(ours['processor'].unique())}."
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
            f"Not the paper's own: {', '.join(differing)}. {published.scalar}, times and collapse do not "
            "reproduce its numbers, nor do parameter counts where the networks have another size."
        )
    declared = of_runs(ours).get(published.scalar)
    best = "highest" if declared is not None and declared.better == "higher" else "lowest"
    notes.append(
        f"Our optimal {published.scalar} is the {best} mean of {published.scalar} between two checkpoints: "
        "its mean over seeds, with the range. Training times are means over seeds, without the time for "
        "judging."
    )
    return notes


def _scale(scalar: str, run: pd.Series) -> str:
    """The knobs that a scalar's scale depends on in every run, with their values in a run."""
    always = [d.knob for s in of_run(run) if s.name == scalar for d in s.depends_on if not d.when_knob]
    return "".join(f", {spelt(name)} {knob_value(run, name)}" for name in always)
