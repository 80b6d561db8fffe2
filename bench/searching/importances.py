"""What each searched value mattered, by Optuna's PED-ANOVA."""

import math
import warnings

import optuna
from optuna.trial import FrozenTrial, TrialState

from bench.searching.objective import Goal
from bench.searching.plan import StudyPlan

LEAST = 4  # complete trials
ENOUGH = 50  # complete trials: five in the best tenth, as Optuna's manual advises


def importances_of(study: optuna.Study, plan: StudyPlan) -> dict[str, dict[str, float]]:
    """What each value mattered, by metric, as Optuna's PED-ANOVA has it; empty where it cannot say."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    places = [dimension.name for dimension in plan.space.dimensions]
    found = {}
    for place, goal in enumerate(plan.goals):
        different = {one.values[place] for one in complete if math.isfinite(one.values[place])}
        if len(complete) < LEAST or len(different) < 2:
            continue

        def low_is_good(one: FrozenTrial, place: int = place, goal: Goal = goal) -> float:
            return one.values[place] if goal.direction == "minimize" else -one.values[place]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that low values of a target count as good
            try:
                shares = optuna.importance.get_param_importances(
                    study, target=low_is_good if len(plan.goals) > 1 else None
                )
            except (ValueError, RuntimeError):
                continue
        # Optuna leaves the order of equals to chance
        found[goal.metric] = dict(sorted(shares.items(), key=lambda item: (-item[1], places.index(item[0]))))
    return found
