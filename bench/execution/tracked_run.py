"""The tracking process of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.execution.progress import Progress
from bench.runs.record import StepRow
from bench.tracking.process import TrackingProcess
from bench.training.trainer import Callback


class TrackingRestarts(Callback):
    """Callback that restarts a tracking process that died and prints its notices.

    Parameters
    ----------
    tracker : TrackingProcess
        Follows the run.
    progress : Progress
        Prints the notices.
    """

    def __init__(self, tracker: TrackingProcess, progress: Progress) -> None:
        self.tracker, self.progress = tracker, progress

    def on_steps(self, rows: list[StepRow]) -> None:
        """Print notices; restart the process if it died."""
        print_notices(self.tracker, self.progress)
        if problem := self.tracker.restart_if_dead():
            self.progress.warning(f"tracking: {problem}")


@contextmanager
def tracking(
    wanted: bool, progress: Progress, shared: TrackingProcess | None = None
) -> Iterator[TrackingProcess | None]:
    """Yield the tracking process of a run, or None; at the end, wait until the store is complete.

    Parameters
    ----------
    wanted : bool
        Whether to track at all.
    progress : Progress
        Prints notices and problems.
    shared : TrackingProcess, optional
        A process that tracks several runs in turn and is not ended here; without one, a process is started
        and ended.
    """
    if not wanted:
        yield None
        return
    tracker = shared or TrackingProcess()
    try:
        yield tracker
    finally:
        if tracker.follows_run:
            progress.info("sending the rest to MLflow")
        problem = tracker.finish_run() if shared else tracker.close()
        print_notices(tracker, progress)
        if problem:
            progress.warning(f"tracking: {problem}")


def print_notices(tracker: TrackingProcess, progress: Progress) -> None:
    """Print the tracking process's notices."""
    for notice in tracker.notices():
        (progress.warning if notice.is_warning else progress.info)(notice.text)
