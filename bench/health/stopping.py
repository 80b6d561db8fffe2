"""The rule by which a collapse ends a run: the knobs `stop_on` and `stop_after`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.health.verdict import RULES, Values, collapsed
from bench.runs.description import HealthRules


@dataclass(frozen=True)
class StopRule:
    """When a collapse ends a run.

    Attributes
    ----------
    stop_on : {"none", "collapse"}
        The knob of that name.
    stop_after : float
        The knob of that name: share of the steps before which no collapse ends the run.
    steps : int
        Length of the training.
    """

    stop_on: Literal["none", "collapse"]
    stop_after: float
    steps: int

    def ends(self, step: int, values: Values, real: Values, rules: HealthRules = RULES) -> bool:
        """Whether an evaluation ends the run; that of the last step does not, since the run is complete.

        Parameters
        ----------
        step : int
            Step of the evaluation.
        values, real : mapping
            Metrics of the sampler, and scores of held-out real samples.
        rules : HealthRules
            The bounds of a collapse.
        """
        if self.stop_on == "none" or not self.stop_after * self.steps <= step < self.steps:
            return False
        return collapsed(values, real, rules)

    def caution(self, eval_every: int) -> str:
        """Return why a rule that is to end a run can end none, or an empty text.

        Parameters
        ----------
        eval_every : int
            The knob of that name: steps between evaluations, 0 for one at the end only.
        """
        first = math.ceil(self.stop_after * self.steps)
        planned = range(eval_every, self.steps, eval_every) if eval_every else ()
        if self.stop_on == "none" or any(step >= first for step in planned):
            return ""
        return (
            f"stop_on: {self.stop_on} cannot end this run: no evaluation lies between step {first:,} "
            f"(stop_after {self.stop_after:g}) and the end, step {self.steps:,} (eval_every {eval_every:,})"
        )

    def step_of(
        self, evaluations: Sequence[tuple[int, Mapping[str, float]]], real: Values, rules: HealthRules = RULES
    ) -> int | None:
        """Return the step of the first evaluation that ends the run; None if none does."""
        return next((step for step, values in evaluations if self.ends(step, values, real, rules)), None)
