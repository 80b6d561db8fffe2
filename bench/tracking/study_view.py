"""Shows a study in the tracking store: one run per trial, with the trial's training runs below it.

Optuna's storage is the truth; the view in MLflow can be created again at any time. The store's content is
compared with the trials, and only the difference is sent.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from bench.runs import record
from bench.runs.run_folder import RunFolder, is_held
from bench.system.errors import WorkError
from bench.tracking import metric_names, store
from bench.tracking.messages import TrialSnapshot

STATE = "optuna.state"
REREAD_SECONDS = 60.0
STATUS = {"RUNNING": "RUNNING", "COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


@dataclass
class _TrialRun:
    """A trial's run in the store."""

    id: str
    status: str
    tags: dict[str, str]
    # names of the run's params, and of its metrics when it was read
    params: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    # metric to the steps that the store has, as far as they were read
    sent: dict[str, set[int]] = field(default_factory=dict)


class StudyView:
    """Updates the runs below a study's run from the study's trials.

    Parameters
    ----------
    client : MlflowClient
        The store.
    parent : str
        Id of the study's run.
    study : str
        The study's name.
    experiment : str
        Id of the experiment.
    runs : Path
        Folder of the runs' folders.
    """

    def __init__(self, client: MlflowClient, parent: str, study: str, experiment: str, runs: Path) -> None:
        self.client = client
        self.parent = parent
        self.study = study
        self.experiment = experiment
        self.runs = runs
        self._began = int(client.get_run(parent).info.start_time)
        self._children: dict[int, _TrialRun] = {}
        self._read_at = -REREAD_SECONDS
        self._shown: dict[int, TrialSnapshot] = {}
        self._parents: dict[str, str] = {}
        self._over: set[str] = set()
        self._best: dict[str, set[int]] = {}

    def show(self, trials: Sequence[TrialSnapshot], best: Mapping[str, Mapping[int, float]]) -> None:
        """Send what changed in the trials since the last call.

        After an exception the view may be out of date: continue with a new view.

        Parameters
        ----------
        trials : sequence of TrialSnapshot
            Every trial.
        best : mapping
            As :class:`StudySnapshot` has it.

        Raises
        ------
        MlflowException
            If the store cannot be reached or used.
        """
        # the store may have been changed by hand
        if time.monotonic() - self._read_at >= REREAD_SECONDS:
            self._read()
        for trial in trials:
            if self._shown.get(trial.number) != trial:
                self._show_trial(trial)
                self._shown[trial.number] = trial
        self._show_best(best)
        self._show_runs(trials)

    def _read(self) -> None:
        """Read the trials' runs from the store."""
        before, self._children = self._children, {}
        self._shown.clear()
        for run in store.runs_below(self.client, self.experiment, self.parent):
            tags = run.data.tags
            # training runs have no trial state
            if tags.get(store.STUDY) != self.study or STATE not in tags:
                continue
            number, data = int(tags[store.TRIAL]), run.data
            child = _TrialRun(run.info.run_id, run.info.status, tags, set(data.params), set(data.metrics))
            if number in before and before[number].id == child.id:
                child.sent = before[number].sent
            self._children.setdefault(number, child)
        self._read_at = time.monotonic()

    def _show_trial(self, trial: TrialSnapshot) -> None:
        child = self._children.get(trial.number) or self._create(trial)
        self._children[trial.number] = child
        tags = {name: value for name, value in self._tags(trial).items() if child.tags.get(name) != value}
        if tags:
            store.send_tags(self.client, child.id, tags)
            child.tags |= tags
        params = {name: value for name, value in trial.params.items() if name not in child.params}
        if params:
            store.send_params(self.client, child.id, params)
            child.params |= set(params)
        points = [point for point in points_of(trial) if point[1] not in self._sent(child, point[0])]
        store.send_points(self.client, child.id, points, trial.started or 0)
        for name, step, _ in points:
            child.sent[name].add(step)
        status = status_of(trial)
        if child.status != status:
            if status == "RUNNING":
                self.client.update_run(child.id, status=status)
            else:
                self.client.set_terminated(child.id, status=status, end_time=trial.finished)
            child.status = status

    def _create(self, trial: TrialSnapshot) -> _TrialRun:
        tags = self._tags(trial)
        name = f"trial {trial.number}"
        made = self.client.create_run(self.experiment, trial.started, tags, name)
        return _TrialRun(made.info.run_id, made.info.status, tags)

    def _tags(self, trial: TrialSnapshot) -> dict[str, str]:
        return {
            **store.trial_tags(self.study, trial.number),
            STATE: trial.state,
            **({"reason": trial.reason} if trial.reason else {}),
            store.PARENT: self.parent,
        }

    def _sent(self, child: _TrialRun, name: str) -> set[int]:
        """Return the steps of a trial's metric that the store has."""
        if name not in child.sent:
            known = name in child.metrics
            child.sent[name] = store.sent_steps(self.client, child.id, name) if known else set()
        return child.sent[name]

    def _show_best(self, best: Mapping[str, Mapping[int, float]]) -> None:
        for metric, values in best.items():
            name = f"{metric_names.BEST}/{metric}"
            if name not in self._best:
                self._best[name] = store.sent_steps(self.client, self.parent, name)
            numbers = [number for number in values if number not in self._best[name]]
            points = [(name, number, values[number]) for number in numbers]
            store.send_points(self.client, self.parent, points, self._began)
            self._best[name] |= {step for _, step, _ in points}

    def _show_runs(self, trials: Sequence[TrialSnapshot]) -> None:
        """Put training runs below their trials, and end runs that no process trains."""
        # a run that a retry resumes belongs to the retry
        owners = {run_id: trial for trial in trials for run_id in trial.runs}
        for run_id, trial in owners.items():
            final = trial.state != "RUNNING"
            parent = self._children[trial.number].id
            if self._parents.get(run_id) != parent:
                self._over.discard(run_id)
            elif run_id in self._over or not final:
                continue
            run = store.find_run(self.client, run_id)
            if run and run.info.lifecycle_stage != "active":
                run = None
            if run and run.data.tags.get(store.PARENT) != parent:
                store.send_tags(self.client, run.info.run_id, {store.PARENT: parent})
            self._parents[run_id] = parent
            if final and (
                run is None or run.info.status != "RUNNING" or self._end_abandoned(run_id, run.info.run_id)
            ):
                self._over.add(run_id)

    def _end_abandoned(self, run_id: str, shown: str) -> bool:
        """End a run that the store shows as RUNNING; return False if a process still trains it."""
        folder = RunFolder(self.runs / run_id)
        if not folder.path.exists():
            return True
        if is_held(folder):
            return False
        # the record may have an end that the tracking process has not sent
        try:
            end = record.read(folder.record_path).end
        except WorkError:
            # `bench doctor` lists damaged records
            end = None
        self.client.set_terminated(shown, status=end.status if end else "KILLED")
        return True


def status_of(trial: TrialSnapshot) -> str:
    """Return the MLflow status of a trial."""
    if trial.state == "FAIL" and trial.reason == "stopped":
        return "KILLED"
    return STATUS[trial.state]


def points_of(trial: TrialSnapshot) -> Iterator[store.Point]:
    """Yield the metric points of a trial: intermediate values, then final values."""
    for metric, values in trial.intermediate.items():
        for step, value in values.items():
            yield metric_names.of_evaluation(metric), step, value
    for metric, value in trial.values.items():
        yield f"objective/{metric}", 0, value
