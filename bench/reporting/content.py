"""The content of a report, gathered from the runs: one section per data set, and what all sections share."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.comparing.frame import results
from bench.comparing.groups import is_complete, once_per_seed, with_groups
from bench.comparing.rendering import TextTable
from bench.comparing.result_tables import of_summary
from bench.comparing.scalars import all_of, selecting
from bench.comparing.sections import by_data, require_names, summary_of
from bench.comparing.selection import rule_named
from bench.comparing.summary import Summary, default_metrics
from bench.datasets import label
from bench.reporting import figures, repeating, tables
from bench.reporting.figures import Figure, RunFigures
from bench.reporting.findings import findings, is_well
from bench.reporting.repeating import Command
from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.system import paths
from variants.registry import all_variants


@dataclass(frozen=True)
class Section:
    """The runs on one data set.

    Attributes
    ----------
    heading, data : str
        Name of the data and size of its images; the same with count, hash and transform.
    findings : tuple of str
        Sentences that state facts.
    results : tuple of TextTable
        One table per metric; none where no run is complete.
    notes : tuple of str
        Notes below these tables.
    figures : tuple of Figure
        Of all groups.
    of_runs : tuple of RunFigures
        Of one run per group.
    runs, cost, shared : TextTable
        All runs; parameters and training time; knobs with one value in all runs.
    health, differing : TextTable or None
        Runs that are not ok; knobs in which groups differ.
    unwell : tuple of Figure
        The last samples of runs that are not ok.
    """

    heading: str
    data: str
    findings: tuple[str, ...]
    results: tuple[TextTable, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    of_runs: tuple[RunFigures, ...]
    runs: TextTable
    health: TextTable | None
    cost: TextTable
    shared: TextTable
    differing: TextTable | None
    unwell: tuple[Figure, ...]


@dataclass(frozen=True)
class Variant:
    """A method that is compared.

    Attributes
    ----------
    name, title, source : str
        As the registry has them; the latter two are empty where it is not installed.
    """

    name: str
    title: str
    source: str


@dataclass(frozen=True)
class Content:
    """A whole report.

    Attributes
    ----------
    title, introduction : str
        The heading; a paragraph on what was compared.
    variants : tuple of Variant
        The methods.
    sections : tuple of Section
        One per data set.
    environment : TextTable
        Where the runs were made.
    differing : tuple of str
        Facts in which the runs' environments differ.
    commands, verifications : tuple of Command
        Commands that made the runs; commands that verify them.
    runs : int
        Number of runs.
    """

    title: str
    introduction: str
    variants: tuple[Variant, ...]
    sections: tuple[Section, ...]
    environment: TextTable
    differing: tuple[str, ...]
    commands: tuple[Command, ...]
    verifications: tuple[Command, ...]
    runs: int


def gather(
    title: str | None = None,
    select: str = "last",
    metrics: Sequence[str] = (),
    baseline: str | None = None,
    **chosen: str | None,
) -> Content:
    """Gather the content of a report.

    Parameters
    ----------
    title : str, optional
        The heading; variants and data where not given.
    select : str
        Rule that selects each run's step.
    metrics : sequence of str
        Metrics to report, of each data set those that it has; the defaults of ``bench table`` where empty.
    baseline : str, optional
        A group or variant that others are compared with, in the sections that have it.
    **chosen
        ``experiment``, ``variant``, ``dataset`` and ``where``, as for
        :func:`bench.comparing.frame.results`.

    Raises
    ------
    RequestError
        If a name is unknown, no run is complete, or a section's runs are not comparable.
    """
    selected = results(select=select, **chosen)
    last = selected if select == "last" else results(select="last", **chosen)
    order = [name.strip() for name in (chosen.get("dataset") or "").split(",")]
    parts = by_data(selected, last, order)
    # everything that may be refused is computed before the first figure is drawn
    require_names(parts, metrics, baseline)
    summaries = [summary_of(part, metrics, baseline) for part in parts]
    ordered = selected.sort_values(["variant", "seed", "created"], kind="stable")["run_id"]
    described = {run_id: RunFolder(paths.runs() / run_id).describe() for run_id in ordered}
    sections = [
        _section(part.selected, summary, described) for part, summary in zip(parts, summaries, strict=True)
    ]
    return _content(title, selected, sections, list(described.values()))


def _content(
    title: str | None, selected: pd.DataFrame, sections: list[Section], descriptions: list[RunDescription]
) -> Content:
    names = sorted(selected["variant"].unique())
    known = all_variants()
    environments = tables.environments(descriptions)
    ended = {str(run_id) for run_id in selected.loc[is_complete(selected), "run_id"]}
    return Content(
        title or f"{', '.join(names)} on {', '.join(dict.fromkeys(map(label, selected['dataset'])))}",
        _introduction(selected, descriptions),
        tuple(
            Variant(name, known[name].title, known[name].source) if name in known else Variant(name, "", "")
            for name in names
        ),
        tuple(sections),
        tables.of_environments(environments),
        tuple(fact for fact, values in environments.items() if len(values) > 1),
        tuple(repeating.commands(descriptions)),
        tuple(repeating.verifications([d for d in descriptions if d.id in ended])),
        len(selected),
    )


def _section(part: pd.DataFrame, summary: Summary | None, described: dict[str, RunDescription]) -> Section:
    runs = _labelled(part)
    kept, _ = once_per_seed(runs[is_complete(runs)])
    older = set(runs.loc[is_complete(runs), "run_id"]) - set(kept["run_id"])
    unfinished = int((~is_complete(runs)).sum())
    rendered = of_summary(summary) if summary else None
    metrics = summary.metrics if summary else default_metrics(part)
    descriptions = [described[run_id] for run_id in runs["run_id"]]
    facts = findings(summary, kept, unfinished) if summary else [f"None of {len(runs)} runs has finished."]
    differing = tables.of_differing_knobs(descriptions, list(runs["group"]))
    return Section(
        _heading(descriptions[0]),
        _data(descriptions[0]),
        tuple(facts),
        rendered.texts if rendered else (),
        rendered.notes if rendered else (),
        tuple(figures.of_groups(kept if len(kept) else runs)),
        tuple(figures.of_each_group(kept)),
        tables.of_runs(runs, metrics, sorted(older)),
        tables.of_health(runs),
        tables.of_cost(kept),
        tables.of_shared_knobs(descriptions),
        differing,
        tuple(figures.of_unwell(runs[[not is_well(run) for _, run in runs.iterrows()]])),
    )


def _labelled(part: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with the names of groups that the result tables use, which have complete runs only."""
    everyone = with_groups(part)
    complete = with_groups(part[is_complete(part)].reset_index(drop=True))
    named = dict(zip(complete["run_id"], complete["group"], strict=True))
    # an incomplete run has the name that complete runs of its group have
    alike = {
        label: named[run_id]
        for run_id, label in zip(everyone["run_id"], everyone["group"], strict=True)
        if run_id in named
    }
    return everyone.assign(group=[alike.get(label, label) for label in everyone["group"]])


def _introduction(selected: pd.DataFrame, descriptions: Sequence[RunDescription]) -> str:
    variants, seeds = selected["variant"].nunique(), sorted(selected["seed"].unique())
    steps = sorted(selected["steps"].unique())
    listed = f"{seeds[0]}" if len(seeds) == 1 else f"{', '.join(map(str, seeds[:-1]))} and {seeds[-1]}"
    data = {d.data.hash: f"{_heading(d)} ({_count(d)})" for d in descriptions}
    of = "; and on ".join(sorted(data.values()))
    rule = rule_named(str(selected["select"].iloc[0]), selecting(all_of(selected)))
    return (
        f"{len(selected)} {_counted(len(selected), 'run')} of {variants} {_counted(variants, 'variant')} "
        f"with {_counted(len(seeds), 'seed')} {listed}, set to train for "
        f"{' or '.join(f'{n:,}' for n in steps)} steps on {of}. {rule.description}"
    )


def _counted(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def _heading(description: RunDescription) -> str:
    name, size = label(description.config.dataset), description.config.image_size
    return name if size is None else f"{name}, {size} \N{MULTIPLICATION SIGN} {size} pixels"


def _count(description: RunDescription) -> str:
    points = description.config.image_size is None
    return f"{description.data.count:,} {'points' if points else 'images'}"


def _data(description: RunDescription) -> str:
    config, data = description.config, description.data
    colour = {1: "grey", 3: "colour"}.get(config.channels or 0, "")
    return (
        f"{_heading(description)}{f', {colour}' if colour else ''}; {_count(description)}; sha256 "
        f"{data.hash[:16]}; made by: {data.transform}"
    )
