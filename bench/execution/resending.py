"""Rebuilding of a tracking store from the folders of runs and multiruns."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.execution.multirun import SUMMARY, parent_run
from bench.execution.progress import Progress
from bench.runs.multirun_description import MULTIRUN_FILE, read_multirun
from bench.runs.run_folder import RunFolder, is_held
from bench.system import paths
from bench.system.errors import WorkError
from bench.tracking.messages import ParentRun, ParentSummary
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store, store_at_resume

KILLED = ParentSummary(runs=[], text="", files=[], status="KILLED")


@dataclass(frozen=True)
class Sent:
    """Result of sending a run, a multirun or a study to a store.

    Attributes
    ----------
    kind : str
        ``run``, ``multirun`` or ``study``.
    id : str
        Id of a run; name of a multirun or study.
    name : str
        Name.
    store : str
        Address of the store, without secrets.
    mlflow_run : str or None
        Id of the run in the store.
    points, files : int
        Numbers of points and files that were sent; 0 if the store had all.
    passed_over : str or None
        Reason why nothing had to be sent.
    problem : str or None
        Reason why sending failed.
    """

    kind: str
    id: str
    name: str
    store: str
    mlflow_run: str | None = None
    points: int = 0
    files: int = 0
    passed_over: str | None = None
    problem: str | None = None


class Sender:
    """Sends missing data to stores with a tracking process.

    Parameters
    ----------
    progress : Progress
        Prints what was sent.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tracker = TrackingProcess()
        self._noted: set[str] = set()

    def close(self) -> None:
        """End the tracking process."""
        self.tracker.close()

    def run(self, run: RunFolder) -> Sent:
        """Send a run that is not in training."""
        description = run.describe()
        name = description.name
        address, note = store_at_resume(description.tracking)
        if note and note not in self._noted:
            self._noted.add(note)
            self.progress.info(note)
        if is_held(run):
            held = "it is in training, and its own tracking process sends it"
            return Sent("run", run.id, name, address.shown, passed_over=held)
        try:
            sent = self.tracker.send_run(run, address)
        except WorkError as error:
            self._afresh()
            return Sent("run", run.id, name, address.shown, problem=str(error))
        self.progress.info(f"{name}: {sent.points:,} points and {sent.files} files sent")
        return Sent("run", run.id, name, address.shown, sent.id, sent.points, sent.files)

    def multiruns(self) -> Iterable[Sent]:
        """Send the parent run of every multirun; the runs below are in the store already."""
        for path in sorted(paths.multiruns().glob(f"*/{MULTIRUN_FILE}")):
            multirun, folder, file = read_multirun(path), path.parent, path.with_name(SUMMARY)
            summary = ParentSummary(**json.loads(file.read_bytes())) if file.exists() else KILLED
            yield self.parent("multirun", folder.name, multirun.name, folder, parent_run(multirun), summary)

    def parent(
        self,
        kind: str,
        id: str,
        name: str,
        folder: Path,
        parent_run: ParentRun,
        summary: ParentSummary,
        show: Callable[[str], str | None] = lambda parent: None,
    ) -> Sent:
        """Find or create the parent run of several runs, and log their summary.

        Parameters
        ----------
        kind, id, name : str
            As in :class:`Sent`.
        folder : Path
            Folder of the multirun or study.
        parent_run : ParentRun
            The parent run.
        summary : ParentSummary
            Values and files of the parent run.
        show : callable
            Called with the parent's MLflow id before the summary is logged; returns a problem or None.
        """
        address = current_store()
        try:
            # that of the process that carries a multirun out; a study has a leader
            with FileLock(folder / ".lock", timeout=0):
                parent = self.tracker.open_parent(parent_run, address)
                problem = show(parent) or self.tracker.finish_parent(parent, summary, folder, address)
        except Timeout:
            held = "it is being carried out, and shows itself"
            return Sent(kind, id, name, address.shown, passed_over=held)
        except WorkError as error:
            self._afresh()
            return Sent(kind, id, name, address.shown, problem=str(error))
        return Sent(kind, id, name, address.shown, parent, problem=problem)

    def _afresh(self) -> None:
        """Go on with another process: the store may have ended this one."""
        self.tracker.close()
        self.tracker = TrackingProcess()
