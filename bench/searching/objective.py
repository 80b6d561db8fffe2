"""Objectives of a study, and a callback that computes their values during a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from torch import Tensor

from bench.judging.metrics import better_direction, is_metric
from bench.judging.metrics.registry import FRECHET_DISTANCE
from bench.judging.protocol import Better
from bench.runs import record
from bench.searching.study_file import Objective
from bench.system.errors import RequestError, WorkError, shown
from bench.training.trainer import Callback
from variants.scalars import TrainingScalar


@dataclass(frozen=True)
class Goal:
    """A resolved objective.

    Attributes
    ----------
    metric : str
        Name in the record.
    direction : {"minimize", "maximize"}
        Which direction is better.
    select : {"last", "best"}
        Which evaluation counts.
    """

    metric: str
    direction: Literal["minimize", "maximize"]
    select: Literal["last", "best"]

    @property
    def best(self) -> Callable[..., float]:
        """``min`` or ``max``."""
        return min if self.direction == "minimize" else max

    @property
    def text(self) -> str:
        """The objective as text."""
        return f"{self.direction} {self.metric}, {self.select} evaluation"


def goal_of(objective: Objective, frechet_metric: str, declared: Sequence[TrainingScalar]) -> Goal:
    """Resolve an objective.

    Parameters
    ----------
    objective : Objective
        The entry of the study file.
    frechet_metric : str
        Name of the Frechet distance that the judge measures.
    declared : sequence of TrainingScalar
        What the variant declares of its scalars.

    Raises
    ------
    RequestError
        If the objective names no direction, and neither a metric nor the variant does.
    """
    metric = frechet_metric if objective.metric == FRECHET_DISTANCE else objective.metric
    direction = objective.direction or _known_direction(metric, declared)
    if direction is None:
        raise RequestError(
            f"objective {shown(metric)}: the variant does not say which values are better: give its "
            "direction, minimize or maximize"
        )
    return Goal(metric, direction, objective.select)


def _known_direction(
    metric: str, declared: Sequence[TrainingScalar]
) -> Literal["minimize", "maximize"] | None:
    if is_metric(metric):
        better: Better | None = better_direction(metric)
    else:
        better = next((scalar.better for scalar in declared if scalar.name == metric), None)
    return None if better is None else "minimize" if better == "lower" else "maximize"


class ObjectiveCallback(Callback):
    """Computes the objective values of one run at every evaluation.

    Parameters
    ----------
    goals : tuple of Goal
        The objectives.
    is_collapsed : callable
        Whether the metrics of an evaluation show a collapse.
    on_values : callable
        Called after each evaluation with its step, whether the evaluation shows a collapse, and whether the
        evaluation was replayed from the record; returning True ends the run.

    Attributes
    ----------
    values : dict
        Step to one value per objective: of this evaluation, or the best up to this evaluation.
    evaluations : dict
        Step to the metrics of the evaluation.
    step : int
        The last recorded step.
    """

    def __init__(
        self,
        goals: tuple[Goal, ...],
        is_collapsed: Callable[[Mapping[str, float]], bool],
        on_values: Callable[[int, bool, bool], bool],
    ) -> None:
        self.goals = goals
        self.is_collapsed = is_collapsed
        self.on_values = on_values
        self.values: dict[int, tuple[float, ...]] = {}
        self.evaluations: dict[int, dict[str, float]] = {}
        self.step = 0
        self._since: dict[str, list[float]] = {}
        self._over = False

    def replay(self, recorded: record.Record) -> None:
        """Read the steps and evaluations that were recorded before the run is resumed."""
        begin = 0
        for evaluation in recorded.evaluations:
            step = evaluation.step
            self._steps([row for row in recorded.steps if begin < row["step"] <= step])
            self._evaluation(evaluation, past=True)
            begin = step
        self._steps([row for row in recorded.steps if row["step"] > begin])

    def on_steps(self, rows: list[record.StepRow]) -> None:
        """Collect the scalars that are objectives."""
        self._steps(rows)

    def on_evaluation(self, evaluation: record.Evaluation, grid: Tensor) -> None:
        """Compute the objective values of an evaluation."""
        self._evaluation(evaluation)

    def should_stop(self) -> bool:
        """Whether the trial ends."""
        return self._over

    def _steps(self, rows: list[record.StepRow]) -> None:
        for row in rows:
            # a resumed run repeats the steps after its checkpoint
            if row["step"] <= self.step:
                continue
            self.step = int(row["step"])
            for goal in self.goals:
                if goal.metric in row:
                    self._since.setdefault(goal.metric, []).append(row[goal.metric])

    def _evaluation(self, evaluation: record.Evaluation, past: bool = False) -> None:
        step, values = evaluation.step, evaluation.values
        if step in self.values:
            return
        current = []
        for goal in self.goals:
            if goal.metric in values:
                current.append(values[goal.metric])
            elif self._since.get(goal.metric):
                current.append(fmean(self._since[goal.metric]))
            else:
                raise WorkError(f"objective {goal.metric!r} is not recorded")
        self._since.clear()
        if self.values:
            before = self.values[max(self.values)]
            current = [
                goal.best(old, new) if goal.select == "best" else new
                for goal, old, new in zip(self.goals, before, current, strict=True)
            ]
        self.values[step] = tuple(map(float, current))
        self.evaluations[step] = {name: float(value) for name, value in values.items()}
        self._over = self.on_values(step, self.is_collapsed(values), past)
