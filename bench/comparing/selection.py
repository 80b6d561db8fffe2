"""Rules that select the one step of a run whose numbers a table reports."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.runs.record import Record
from bench.system.errors import unknown


@dataclass(frozen=True)
class SelectionRule:
    """A rule that selects the reported step of a run.

    Attributes
    ----------
    name : str
        The value of ``--select``.
    description : str
        One sentence, printed with every table.
    select : callable
        Returns the evaluated step of a record, given the name of the run's Frechet distance, or None
        where the run has none by this rule.
    """

    name: str
    description: str
    select: Callable[[Record, str], int | None]


def last(record: Record, metric: str) -> int | None:
    """The step of the last evaluation."""
    return record.evaluations[-1].step if record.evaluations else None


def best_distance(record: Record, metric: str) -> int | None:
    """The evaluation with the lowest Frechet distance; the first of equals."""
    return _lowest((each.step, each.values.get(metric)) for each in record.evaluations)


def best_convergence(record: Record, metric: str) -> int | None:
    """The evaluated checkpoint with the lowest mean of M since the checkpoint before."""
    evaluated = {each.step for each in record.evaluations}
    return _lowest((each.step, each.means.get("M")) for each in record.checkpoints if each.step in evaluated)


def _lowest(values: Iterable[tuple[int, float | None]]) -> int | None:
    """The step of the lowest finite value; the first of equals."""
    finite = [(value, step) for step, value in values if value is not None and math.isfinite(value)]
    return min(finite)[1] if finite else None


RULES = {
    rule.name: rule
    for rule in (
        SelectionRule("last", "Each run counts with its last evaluation.", last),
        SelectionRule(
            "best-fid",
            "Each run counts with its evaluation of lowest Frechet distance, "
            "selected by the metric itself and so optimistic.",
            best_distance,
        ),
        SelectionRule(
            "best-M",
            "Each run counts with its evaluated checkpoint of lowest mean M since the checkpoint before.",
            best_convergence,
        ),
    )
}


def rule_named(name: str) -> SelectionRule:
    """The rule of that name; RequestError if there is none."""
    if name not in RULES:
        raise unknown("selection rule", name, RULES)
    return RULES[name]
