"""The one window over which tables and figures average scalars of training, so that their numbers agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.runs.record import RecordEvents

WINDOWS = 100  # windows in a run


def steps_of_mean(steps: int) -> int:
    """Return the number of steps over which a scalar of a run of so many steps is averaged: a hundredth."""
    return max(1, steps // WINDOWS)


@dataclass(frozen=True)
class RecentMean:
    """The mean of a scalar over the last steps up to a step.

    Attributes
    ----------
    value : float
        The mean.
    first, last : int
        The first and the last step that it has.
    """

    value: float
    first: int
    last: int


def recent_means(events: RecordEvents, step: int, names: Sequence[str]) -> dict[str, RecentMean]:
    """Return the mean of scalars over the last steps up to a step, a hundredth of the run's steps.

    Of a scalar that fewer steps record the last value counts; one that none did since the checkpoint before
    the step has no mean.
    """
    window = steps_of_mean(events.last_step)
    start = max((each.step for each in events.record.checkpoints if each.step < step), default=0)
    values: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    for at, row in zip(range(step, 0, -1), events.back_from(step), strict=False):
        recent = at > step - window
        if not recent and (at <= start or all(values.values())):
            break
        for name, found in values.items():
            if name in row and (recent or not found):
                found.append((at, row[name]))
    return {
        name: RecentMean(fmean(value for _, value in found), found[-1][0], found[0][0])
        for name, found in values.items()
        if found
    }
