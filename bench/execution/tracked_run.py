"""A tracking process for the time of a run, and for as long as it lasts looked after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.execution.progress import Progress
from bench.tracking.process import TrackingProcess
from bench.training.trainer import Observer


class TrackingRestarts(Observer):
    """Starts the tracking process again where it died while the run goes on, and says so.

    Parameters
    ----------
    tracker : TrackingProcess
        Follows the run.
    progress : Progress
        Says it.
    """

    def __init__(self, tracker: TrackingProcess, progress: Progress) -> None:
        self.tracker, self.progress = tracker, progress

    def scalars(self, rows: list[dict[str, Any]]) -> None:
        """Look after it."""
        for line in self.tracker.messages():
            self.progress.say(line)
        if problem := self.tracker.restart_if_dead():
            self.progress.say(f"warning: tracking: {problem}")


@contextmanager
def tracking(
    wanted: bool, progress: Progress, lent: TrackingProcess | None = None
) -> Iterator[TrackingProcess | None]:
    """A tracking process for the time of a run, or None; waits at the end until the store has it all.

    One that was lent goes on to its next run.
    """
    if not wanted:
        yield None
        return
    tracker = lent or TrackingProcess()
    try:
        yield tracker
    finally:
        problem = tracker.finish_run() if lent else tracker.close()
        for line in tracker.messages():
            progress.say(line)
        if problem:
            progress.say(f"warning: tracking: {problem}")
