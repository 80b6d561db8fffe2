"""The tracking process of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.execution.progress import Progress
from bench.tracking.process import TrackingProcess
from bench.training.trainer import Callback


class TrackingRestarts(Callback):
    """Callback that restarts a tracking process that died and prints its messages.

    Parameters
    ----------
    tracker : TrackingProcess
        Follows the run.
    progress : Progress
        Prints the messages.
    """

    def __init__(self, tracker: TrackingProcess, progress: Progress) -> None:
        self.tracker, self.progress = tracker, progress

    def on_steps(self, rows: list[dict[str, Any]]) -> None:
        """Print messages; restart the process if it died."""
        print_messages(self.tracker, self.progress)
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
        Prints messages and problems.
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
        problem = tracker.finish_run() if shared else tracker.close()
        print_messages(tracker, progress)
        if problem:
            progress.warning(f"tracking: {problem}")


def print_messages(tracker: TrackingProcess, progress: Progress) -> None:
    """Print the messages of the tracking process."""
    for message in tracker.messages():
        (progress.warning if message.is_warning else progress.info)(message.text)
