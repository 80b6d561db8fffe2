"""Pruners of study files."""

from statistics import median

from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from bench.searching.study_file import Pruner


class MedianAtSamePoint(BasePruner):
    """Prunes a trial whose latest value is worse than the median of complete trials at the same point.

    Optuna's MedianPruner compares a trial's best value so far. One lucky seed would save a trial whose mean
    over seeds is bad, and an early good evaluation would save a run that collapsed later.

    Parameters
    ----------
    startup_trials : int
        Complete trials before anything is pruned.
    points : frozenset of int
        The points at which to prune.
    """

    def __init__(self, startup_trials: int, points: frozenset[int]) -> None:
        self.startup_trials = startup_trials
        self.points = points

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to end the trial now."""
        point = trial.last_step
        if point is None or point not in self.points:
            return False
        others = completed_values(study, point)
        if len(others) < self.startup_trials:
            return False
        value = trial.intermediate_values[point]
        if study.direction == StudyDirection.MAXIMIZE:
            return value < median(others)
        return value > median(others)


def completed_values(study: Study, point: int) -> list[float]:
    """Return what the complete trials reported at a point."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial.intermediate_values[point] for trial in complete if point in trial.intermediate_values]


def collapse_step(pruner: Pruner, evaluations: list[int]) -> int | None:
    """Return the first step at which a collapsed evaluation ends a trial; None if none does."""
    if pruner.collapse_after >= 1:
        return None
    return next(step for step in evaluations if step >= pruner.collapse_after * evaluations[-1])


def pruning_points(pruner: Pruner, evaluations: list[int], seeds: int) -> frozenset[int]:
    """Return the points at which a pruner may end a trial of one objective.

    Parameters
    ----------
    pruner : Pruner
        The file's entry.
    evaluations : list of int
        Steps of a run's evaluations, in order.
    seeds : int
        Seeds of a trial; the points of its later ones follow those of the first.
    """
    if pruner.name == "none":
        return frozenset()
    length = evaluations[-1]
    warmup = pruner.warmup * length if pruner.name == "median" else 0
    first = [step for step in evaluations if step >= warmup]
    # the last point's value is the objective itself: pruning there saves nothing
    return frozenset(index * length + step for index in range(seeds) for step in first) - {length * seeds}


def pruner_for(pruner: Pruner, evaluations: list[int], seeds: int) -> BasePruner:
    """Return the pruner of a study file; the parameters are those of :func:`pruning_points`."""
    if pruner.name == "none":
        return NopPruner()
    if pruner.name == "hyperband":
        return HyperbandPruner(min_resource=evaluations[0], max_resource=evaluations[-1] * seeds)
    return MedianAtSamePoint(pruner.startup_trials, pruning_points(pruner, evaluations, seeds))
