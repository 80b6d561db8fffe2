"""A store made again from what lies under mlruns/: runs, and the runs above several."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench import places
from bench.errors import WorkError
from bench.multirun import DESCRIPTION, SUMMARY
from bench.progress import Progress
from bench.run_folder import RunFolder, is_held
from bench.searching import conductor
from bench.tracking import where
from bench.tracking.parents import Summary, of_multirun, of_study
from bench.tracking.process import TrackingProcess

KILLED = Summary(runs=[], metrics={}, step=0, files=[], status="KILLED")


@dataclass(frozen=True)
class Sent:
    """What was sent of a run, a multirun or a study.

    Attributes
    ----------
    kind : str
        ``run``, ``multirun`` or ``study``.
    id : str
        The run's id; of the others the name.
    name : str
        Its name.
    store : str
        The store, without secrets.
    mlflow_run : str or None
        Id of its run in the store.
    points, files : int
        How many of a run were sent; 0 where the store had all.
    passed_over : str or None
        Why nothing was sent, where there is no need to.
    problem : str or None
        Why the store does not show it.
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

    def plain(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Sender:
    """Sends what stores lack, by a tracking process.

    Parameters
    ----------
    progress : Progress
        Told of each.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._tracker = TrackingProcess()
        self._noted: set[str] = set()

    def close(self) -> None:
        """End the tracking process."""
        self._tracker.finish()

    def run(self, run: RunFolder) -> Sent:
        """Send a run that is not in training."""
        description = run.describe()
        name = str(description["name"])
        address, note = where.again(description["tracking"])
        if note and note not in self._noted:
            self._noted.add(note)
            self.progress.say(note)
        if is_held(run):
            held = "it is in training, and its own tracking process sends it"
            return Sent("run", run.id, name, address.shown, passed_over=held)
        answer = self._tracker.send(run, address)
        problem = answer.get("error")
        if problem:
            self._afresh()
            return Sent("run", run.id, name, address.shown, problem=problem)
        self.progress.say(f"{name}: {answer['points']:,} points and {answer['files']} files sent")
        sent = answer["run_id"], answer["points"], answer["files"]
        return Sent("run", run.id, name, address.shown, *sent)

    def multiruns(self) -> Iterable[Sent]:
        """Send the runs above those of every multirun; their own runs are there already."""
        for path in sorted((places.results() / "multiruns").glob(f"*/{DESCRIPTION}")):
            described = json.loads(path.read_text(encoding="utf-8"))
            summary, folder = path.with_name(SUMMARY), path.parent
            known = Summary(**json.loads(summary.read_text(encoding="utf-8"))) if summary.exists() else KILLED
            yield self._above(
                "multirun", folder.name, described["name"], folder, of_multirun(described), known
            )

    def studies(self) -> Iterable[Sent]:
        """Send the runs of every study in a journal, and its trials'; one in a database shows itself."""
        for path in sorted((places.results() / "studies").glob(f"*/{conductor.DESCRIPTION}")):
            yield self._study(path.parent, json.loads(path.read_text(encoding="utf-8")))

    def _study(self, folder: Path, described: dict[str, Any]) -> Sent:
        import optuna

        from bench.searching.journal_storage import JOURNAL, JournalStorage
        from bench.searching.outcome import outcome
        from bench.searching.plan import from_plain
        from bench.searching.study import files_of, summary_of

        name = str(described["name"])
        if not (folder / JOURNAL).exists():
            advice = "it is kept in a database: `bench study` given again shows it"
            return Sent("study", name, name, where.current().shown, passed_over=advice)
        storage = JournalStorage(folder)
        if not storage.lead():
            held = "it is being carried out, and shows itself"
            return Sent("study", name, name, where.current().shown, passed_over=held)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        plan = from_plain(described["plan"])
        study = optuna.load_study(study_name=name, storage=storage.optuna)
        summary = summary_of(outcome(study, plan), files_of(folder))

        def show(parent: str) -> str | None:
            trials = study.get_trials(deepcopy=False)
            return conductor.show(plan, trials, self._tracker, parent, where.current())

        return self._above("study", name, name, folder, of_study(described), summary, show)

    def _above(
        self,
        kind: str,
        id: str,
        name: str,
        folder: Path,
        told: dict[str, Any],
        summary: Summary,
        show: Any = lambda parent: None,
    ) -> Sent:
        """Find or make the run above several, and give it what they amount to."""
        address = where.current()
        try:
            # that of the process that carries a multirun out; a study has a leader
            with FileLock(folder / ".lock", timeout=0):
                parent = self._tracker.gather(told, address)
                problem = show(parent) or self._tracker.aggregate(parent, summary, folder, address)
        except Timeout:
            held = "it is being carried out, and shows itself"
            return Sent(kind, id, name, address.shown, passed_over=held)
        except WorkError as error:
            self._afresh()
            return Sent(kind, id, name, address.shown, problem=str(error))
        return Sent(kind, id, name, address.shown, parent, problem=problem)

    def _afresh(self) -> None:
        """Go on with another process: the store may have ended this one."""
        self._tracker.finish()
        self._tracker = TrackingProcess()
