"""What the trainer remembers of the steps so far."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from bench.runs.record import CheckpointEvent, Evaluation, Record, StepRow
from variants.scalars import TrainingScalar


@dataclass
class History:
    """The part of the record that later steps depend on.

    Attributes
    ----------
    scalars : dict of str to array of float
        For each scalar that selects checkpoints or steers learning rates its value at each step; NaN at a
        step that does not record the scalar.
    evaluations : list of Evaluation
        Evaluations, in order.
    checkpoints : list of CheckpointEvent
        Checkpoints, in order.
    """

    scalars: "dict[str, array[float]]" = field(default_factory=dict)
    evaluations: list[Evaluation] = field(default_factory=list)
    checkpoints: list[CheckpointEvent] = field(default_factory=list)

    @classmethod
    def of(cls, record: Record, declared: Sequence[TrainingScalar]) -> "History":
        """Return the history of a record, without its many steps."""
        history = cls({}, list(record.evaluations), list(record.checkpoints))
        history.extend(record.steps, declared)
        return history

    def extend(self, rows: Sequence[StepRow], declared: Sequence[TrainingScalar]) -> None:
        """Add the next steps; of the declared scalars those that select or steer are kept."""
        for scalar in declared:
            if scalar.selects or scalar.steers:
                values = self.scalars.setdefault(scalar.name, array("d"))
                values.extend(row.get(scalar.name, math.nan) for row in rows)

    def means(self, first: int, last: int, declared: Sequence[TrainingScalar]) -> dict[str, float]:
        """Return the mean of each selecting scalar over the steps above `first` up to `last`."""
        found = {}
        for scalar in declared:
            if scalar.selects:
                values = self.scalars.get(scalar.name, array("d"))[first:last]
                if recorded := [value for value in values if not math.isnan(value)]:
                    found[scalar.name] = fmean(recorded)
        return found
