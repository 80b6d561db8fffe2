"""The trials of a study as rows of a table."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from bench.searching.plan import StudyPlan
from bench.searching.trials import MEASURED, REASON, RETRY_OF, STEPS


def trial_frame(trials: Sequence[FrozenTrial], plan: StudyPlan) -> pd.DataFrame:
    """One row a trial.

    Returns
    -------
    DataFrame
        number, state, ``objective/METRIC`` (complete trials only), ``reported`` and ``reported_at`` (the
        last value of a single objective, and where), ``param/NAME``, reason, steps, seconds (of this
        trial alone), retry_of, ``measured/METRIC`` (last evaluations' mean over seeds).
    """
    columns = ["number", "state", *(f"objective/{goal.metric}" for goal in plan.goals)]
    columns += ["reported", "reported_at", *(f"param/{d.name}" for d in plan.space.dimensions)]
    columns += ["reason", "steps", "seconds", "retry_of"]
    rows = [_row(one, plan) for one in trials]
    measured = dict.fromkeys(name for row in rows for name in row if name not in columns)
    frame = pd.DataFrame(rows, columns=[*columns, *measured])
    # whole numbers stay so beside trials that have none
    return frame.astype({"reported_at": "Int64", "retry_of": "Int64"})


def steps_of(one: FrozenTrial) -> int:
    """Training steps that a trial took, with those of the trial that it goes on for."""
    return int(one.user_attrs.get(STEPS, 0))


def csv_of(frame: pd.DataFrame) -> str:
    """A table as the text of a CSV file, numbers whole."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _row(one: FrozenTrial, plan: StudyPlan) -> dict[str, Any]:
    # Optuna gives a pruned trial its last reported value as if it were the objective
    values = one.values if one.state == TrialState.COMPLETE else [None] * len(plan.goals)
    named = zip((goal.metric for goal in plan.goals), values, strict=True)
    point = one.last_step
    return {
        "number": one.number,
        "state": one.state.name,
        **{f"objective/{metric}": value for metric, value in named},
        "reported": None if point is None else one.intermediate_values[point],
        "reported_at": point,
        **{f"param/{name}": value for name, value in one.params.items()},
        "reason": one.user_attrs.get(REASON),
        "steps": steps_of(one),
        "seconds": None if one.duration is None else one.duration.total_seconds(),
        "retry_of": one.user_attrs.get(RETRY_OF),
        **{f"measured/{name}": value for name, value in _measured(one).items()},
    }


def _measured(one: FrozenTrial) -> dict[str, float]:
    of_seeds: list[Mapping[str, float]] = list(one.user_attrs.get(MEASURED, {}).values())
    names = dict.fromkeys(name for numbers in of_seeds for name in numbers)
    return {name: fmean(numbers[name] for numbers in of_seeds if name in numbers) for name in names}
