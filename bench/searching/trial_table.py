"""The trials of a study as a table."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from bench.searching.plan import StudyPlan
from bench.searching.trial_outcomes import health_of, runs_of_trial
from bench.searching.trials import MEASURED, REASON, RETRY_OF, STEPS
from bench.system.json_values import JsonScalar


def trial_frame(trials: Sequence[FrozenTrial], plan: StudyPlan) -> pd.DataFrame:
    """Return a table with one row per trial.

    Returns
    -------
    DataFrame
        number, state, ``objective/METRIC`` (complete trials only), ``reported`` and ``reported_at`` (the
        last value of a single objective, and its point), ``param/NAME``, reason, health (the verdicts on its
        runs), runs (their names, ``; `` between those of several seeds), steps, seconds (of this trial
        alone), retry_of, ``measured/METRIC`` (last evaluations' mean over seeds).
    """
    columns = ["number", "state", *(f"objective/{goal.metric}" for goal in plan.goals)]
    columns += ["reported", "reported_at", *(f"param/{d.name}" for d in plan.space.dimensions)]
    columns += ["reason", "health", "runs", "steps", "seconds", "retry_of"]
    rows = [_row(trial, plan) for trial in trials]
    measured = dict.fromkeys(name for row in rows for name in row if name not in columns)
    frame = pd.DataFrame(rows, columns=[*columns, *measured])
    # integers stay integers beside missing values
    return frame.astype({"reported_at": "Int64", "retry_of": "Int64"})


def steps_of(trial: FrozenTrial) -> int:
    """Return the training steps of a trial, including those of the trial that it retries."""
    return int(trial.user_attrs.get(STEPS, 0))


def csv_of(frame: pd.DataFrame) -> str:
    """Return a table as CSV, with all digits."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _row(trial: FrozenTrial, plan: StudyPlan) -> dict[str, JsonScalar]:
    # Optuna gives a pruned trial its last reported value as if it were the objective
    values = trial.values if trial.state == TrialState.COMPLETE else [None] * len(plan.goals)
    named = zip((goal.metric for goal in plan.goals), values, strict=True)
    point = trial.last_step
    return {
        "number": trial.number,
        "state": trial.state.name,
        **{f"objective/{metric}": value for metric, value in named},
        "reported": None if point is None else trial.intermediate_values[point],
        "reported_at": point,
        **{f"param/{name}": value for name, value in trial.params.items()},
        "reason": trial.user_attrs.get(REASON),
        "health": health_of(trial) or None,
        "runs": "; ".join(run.name for run in runs_of_trial(trial, plan)) or None,
        "steps": steps_of(trial),
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        "retry_of": trial.user_attrs.get(RETRY_OF),
        **{f"measured/{name}": value for name, value in _measured(trial).items()},
    }


def _measured(trial: FrozenTrial) -> dict[str, float]:
    of_seeds: list[Mapping[str, float]] = list(trial.user_attrs.get(MEASURED, {}).values())
    names = dict.fromkeys(name for numbers in of_seeds for name in numbers)
    return {name: fmean(numbers[name] for numbers in of_seeds if name in numbers) for name in names}
