"""The declared scalars of runs: which of them a table has, and what was declared of each.

A run's description holds what its variant declares of all scalars. A frame of runs holds a part of that in
its column ``scalars``, so that a selection, a sorted copy or a single row of the frame has the roles of its
columns with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeGuard

from pydantic import TypeAdapter

from bench.judging.protocol import Better
from variants.scalars import TrainingScalar

if TYPE_CHECKING:
    import pandas as pd

SCALARS = "scalars"  # the column
BEST = "_best"  # ends the name of the column of a run's best mean

_LIST = TypeAdapter(tuple[TrainingScalar, ...])


def has_own_panel(scalar: TrainingScalar, declared: Iterable[TrainingScalar]) -> bool:
    """Whether a scalar has a panel of trajectories that no other of the declared scalars shares."""
    others = (other.panel for other in declared if other.name != scalar.name)
    return scalar.panel is not None and scalar.panel not in others


def compared(declared: Sequence[TrainingScalar], taken: Collection[str] = ()) -> tuple[TrainingScalar, ...]:
    """Return the scalars that tables and figures over several runs show.

    Tables show the scalars that select checkpoints, and those with a panel of their own; figures the latter.
    Losses, which share a panel, are read side by side in one run and mean little across runs.

    Parameters
    ----------
    declared : sequence of TrainingScalar
        What the variant of a run declares.
    taken : collection of str
        Names of other columns; a scalar whose columns would have one of these names is left out.

    Returns
    -------
    tuple of TrainingScalar
        In order of declaration, without alarms, and without a panel that is shared.
    """
    return tuple(
        replace(scalar, alarms=(), panel=scalar.panel if has_own_panel(scalar, declared) else None)
        for scalar in declared
        if (scalar.selects or has_own_panel(scalar, declared))
        and scalar.name not in taken
        and not (scalar.selects and scalar.name + BEST in taken)
    )


def to_cell(scalars: Sequence[TrainingScalar]) -> str:
    """Return the cell of the column ``scalars`` for a run, as JSON."""
    return _LIST.dump_json(tuple(scalars), exclude_defaults=True).decode()


@lru_cache(maxsize=1000)
def _from_cell(cell: str) -> tuple[TrainingScalar, ...]:
    return _LIST.validate_json(cell)


def of_run(run: pd.Series) -> tuple[TrainingScalar, ...]:
    """Return the scalars of a row; none where a reader's own frame lacks the column."""
    cell = run.get(SCALARS)
    return _from_cell(cell) if isinstance(cell, str) else ()


def all_of(frame: pd.DataFrame) -> list[TrainingScalar]:
    """Return the scalars of all rows, in order; one that several variants declare may be there repeatedly."""
    return [scalar for declared in _by_variant(frame) for scalar in declared]


def first_selecting(frame: pd.DataFrame) -> list[str]:
    """Return of each row the name of the first scalar that selects checkpoints, each name once."""
    return list(dict.fromkeys(name for declared in _by_variant(frame) for name in [*selecting(declared)][:1]))


def _by_variant(frame: pd.DataFrame) -> list[tuple[TrainingScalar, ...]]:
    cells = frame[SCALARS].unique() if SCALARS in frame else ()
    return [_from_cell(cell) for cell in cells if isinstance(cell, str)]


def of_runs(frame: pd.DataFrame) -> dict[str, TrainingScalar]:
    """Return the scalars of the rows by name, in order of declaration; of several runs the first counts."""
    found: dict[str, TrainingScalar] = {}
    for scalar in all_of(frame):
        found.setdefault(scalar.name, scalar)
    return found


def scalar_of_column(run: pd.Series, column: str) -> TrainingScalar | None:
    """Return the scalar of a row whose value, or best mean, is in a column; None for another column."""
    return next((s for s in of_run(run) if column == s.name or _is_best(s, column)), None)


def selecting_scalar(frame: pd.DataFrame, column: str) -> TrainingScalar | None:
    """Return the scalar that selects checkpoints and whose mean, or best mean, is in a column of a frame."""
    return next((s for s in of_runs(frame).values() if s.selects and column in (s.name, s.name + BEST)), None)


def selecting(declared: Iterable[TrainingScalar]) -> dict[str, Better]:
    """Return the direction of better values of each scalar that selects checkpoints, by name."""
    return {scalar.name: scalar.better for scalar in declared if scalar.selects and _directed(scalar.better)}


def columns_of(scalars: Iterable[TrainingScalar]) -> list[str]:
    """Return the columns of scalars: the value of each, then the best mean of each that selects."""
    known = list(scalars)
    return list(dict.fromkeys([s.name for s in known] + [s.name + BEST for s in known if s.selects]))


def _is_best(scalar: TrainingScalar, column: str) -> bool:
    return scalar.selects and column == scalar.name + BEST


def _directed(better: Better | None) -> TypeGuard[Better]:
    return better is not None
