"""Rules that select the one step of a run whose numbers a table reports."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.judging.protocol import Better
from bench.runs.record import Record
from bench.system.errors import unknown
from variants.scalars import TrainingScalar

BEST = "best-"  # begins the name of a rule that selects by a scalar


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
        Returns the evaluated step of a record, given the name of the run's Frechet distance and the scalars
        that the run declares, or None where the run has none by this rule.
    """

    name: str
    description: str
    select: Callable[[Record, str, Sequence[TrainingScalar]], int | None]


def last(record: Record, metric: str, declared: Sequence[TrainingScalar]) -> int | None:
    """The step of the last evaluation."""
    return record.evaluations[-1].step if record.evaluations else None


def best_distance(record: Record, metric: str, declared: Sequence[TrainingScalar]) -> int | None:
    """The evaluation with the lowest Frechet distance; the first of equals."""
    return _lowest((each.step, each.values.get(metric)) for each in record.evaluations)


def best_mean(scalar: str) -> Callable[[Record, str, Sequence[TrainingScalar]], int | None]:
    """Return the rule of a scalar: the evaluated checkpoint with its best mean since the checkpoint before.

    A run that does not declare the scalar as one that selects has no step.
    """

    def select(record: Record, metric: str, declared: Sequence[TrainingScalar]) -> int | None:
        own = next((each for each in declared if each.name == scalar and each.selects), None)
        if own is None:
            return None
        sign = -1 if own.better == "higher" else 1
        evaluated = {each.step for each in record.evaluations}
        return _lowest(
            (each.step, sign * each.means[scalar] if scalar in each.means else None)
            for each in record.checkpoints
            if each.step in evaluated
        )

    return select


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
    )
}


def rule_named(name: str, directions: Mapping[str, Better | None]) -> SelectionRule:
    """Return the rule of a name: one of :data:`RULES`, or ``best-NAME`` for a scalar NAME.

    Parameters
    ----------
    name : str
        The value of ``--select``.
    directions : mapping
        The scalars that select checkpoints, by name, with the direction of better values. A rule by another
        scalar selects no step of any run; :func:`check_rule` refuses it.
    """
    if name in RULES:
        return RULES[name]
    scalar = name.removeprefix(BEST)
    best = {"lower": "lowest", "higher": "highest"}.get(directions.get(scalar) or "", "best")
    return SelectionRule(
        name,
        f"Each run counts with its evaluated checkpoint of {best} mean {scalar} since the checkpoint before.",
        best_mean(scalar),
    )


def check_rule(name: str, scalars: Collection[str]) -> None:
    """Refuse a rule that is neither in :data:`RULES` nor ``best-NAME`` for one of these scalars.

    Raises
    ------
    RequestError
        The message names the rules that there are.
    """
    known = [*RULES, *(BEST + scalar for scalar in scalars)]
    if name not in known:
        raise unknown("selection rule", name, known)
