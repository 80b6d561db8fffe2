"""Importances of the searched values, by Optuna's PED-ANOVA."""

import math
import warnings

import optuna
from optuna.trial import FrozenTrial, TrialState

from bench.searching.objective import Goal
from bench.searching.plan import StudyPlan

LEAST = 4  # complete trials
ENOUGH = 50  # complete trials: five in the best tenth, as Optuna's manual advises


def importances_of(study: optuna.Study, plan: StudyPlan) -> dict[str, dict[str, float]]:
    """Return each searched value's importance by metric; metrics without enough trials are left out."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    places = [dimension.name for dimension in plan.space.dimensions]
    found = {}
    for place, goal in enumerate(plan.goals):
        different = {trial.values[place] for trial in complete if math.isfinite(trial.values[place])}
        if len(complete) < LEAST or len(different) < 2:
            continue

        def low_is_good(trial: FrozenTrial, place: int = place, goal: Goal = goal) -> float:
            return trial.values[place] if goal.direction == "minimize" else -trial.values[place]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns that low values of a target count as good
            try:
                shares = optuna.importance.get_param_importances(
                    study, target=low_is_good if len(plan.goals) > 1 else None
                )
            except (ValueError, RuntimeError):
                continue
        # Optuna leaves the order of ties to chance
        found[goal.metric] = dict(sorted(shares.items(), key=lambda item: (-item[1], places.index(item[0]))))
    return found
