"""A study as the tracking store shows it: a run for each trial, the seeds' runs below it.

Optuna's storage is the truth; this is a view of it that can be made again at any time. What the
store has is compared with what it should have, and only the difference is sent.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from bench.runs import record
from bench.runs.run_folder import RunFolder, is_held
from bench.system.errors import WorkError
from bench.tracking import store
from bench.tracking.messages import TrialSnapshot

STATE = "optuna.state"
REREAD_SECONDS = 60.0
STATUS = {"RUNNING": "RUNNING", "COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


@dataclass
class Child:
    """A trial's run as the store has it.

    Attributes
    ----------
    id : str
        The run's id.
    status : str
        The run's status.
    tags : dict
        The run's tags.
    params : set of str
        Names of the params it has.
    metrics : set of str
        Names of the metrics it had when it was found.
    sent : dict
        The steps it has of a metric, as far as they are known.
    """

    id: str
    status: str
    tags: dict[str, str]
    params: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    sent: dict[str, set[int]] = field(default_factory=dict)


class StudyView:
    """Keeps the runs below a study's run like the study's trials.

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
        self._children: dict[int, Child] = {}
        self._read_at = -REREAD_SECONDS
        self._shown: dict[int, TrialSnapshot] = {}
        self._homes: dict[str, str] = {}
        self._over: set[str] = set()
        self._best: dict[str, set[int]] = {}

    def show(self, trials: Sequence[TrialSnapshot], best: Mapping[str, Mapping[int, float]]) -> None:
        """Make the store like the study; where nothing changed, nothing is sent.

        After an exception the store may have more than is known here: go on with a new view.

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
        # someone may have changed the store by hand
        if time.monotonic() - self._read_at >= REREAD_SECONDS:
            self._read()
        for trial in trials:
            if self._shown.get(trial.number) != trial:
                self._show_trial(trial)
                self._shown[trial.number] = trial
        self._show_best(best)
        self._show_runs(trials)

    def _read(self) -> None:
        """Read what the store has of the trials."""
        before, self._children = self._children, {}
        self._shown.clear()
        for run in store.runs_below(self.client, self.experiment, self.parent):
            tags = run.data.tags
            # the seeds' runs have no state of a trial
            if tags.get(store.STUDY) != self.study or STATE not in tags:
                continue
            number, data = int(tags[store.TRIAL]), run.data
            child = Child(run.info.run_id, run.info.status, tags, set(data.params), set(data.metrics))
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

    def _create(self, trial: TrialSnapshot) -> Child:
        tags = self._tags(trial)
        name = f"trial {trial.number}"
        made = self.client.create_run(self.experiment, trial.started, tags, name)
        return Child(made.info.run_id, made.info.status, tags)

    def _tags(self, trial: TrialSnapshot) -> dict[str, str]:
        return {
            **store.trial_tags(self.study, trial.number),
            STATE: trial.state,
            **({"reason": trial.reason} if trial.reason else {}),
            store.PARENT: self.parent,
        }

    def _sent(self, child: Child, name: str) -> set[int]:
        """The steps that the store has of a trial's metric."""
        if name not in child.sent:
            known = name in child.metrics
            child.sent[name] = store.sent_steps(self.client, child.id, name) if known else set()
        return child.sent[name]

    def _show_best(self, best: Mapping[str, Mapping[int, float]]) -> None:
        for metric, values in best.items():
            name = f"best/{metric}"
            if name not in self._best:
                self._best[name] = store.sent_steps(self.client, self.parent, name)
            numbers = [number for number in values if number not in self._best[name]]
            points = [(name, number, values[number]) for number in numbers]
            store.send_points(self.client, self.parent, points, self._began)
            self._best[name] |= {step for _, step, _ in points}

    def _show_runs(self, trials: Sequence[TrialSnapshot]) -> None:
        """Put the seeds' runs below their trials and end those that were left behind."""
        # a run that a later trial goes on with is that trial's
        owners = {run_id: trial for trial in trials for run_id in trial.runs}
        for run_id, trial in owners.items():
            final = trial.state != "RUNNING"
            home = self._children[trial.number].id
            if self._homes.get(run_id) != home:
                self._over.discard(run_id)
            elif run_id in self._over or not final:
                continue
            run = store.find_run(self.client, run_id)
            if run and run.info.lifecycle_stage != "active":
                run = None
            if run and run.data.tags.get(store.PARENT) != home:
                store.send_tags(self.client, run.info.run_id, {store.PARENT: home})
            self._homes[run_id] = home
            if final and (
                run is None or run.info.status != "RUNNING" or self._end_left(run_id, run.info.run_id)
            ):
                self._over.add(run_id)

    def _end_left(self, run_id: str, shown: str) -> bool:
        """End a run that the store has as running, unless a process trains it; whether it is done with."""
        folder = RunFolder(self.runs / run_id)
        if not folder.path.exists():
            return True
        if is_held(folder):
            return False
        # its end may be written, and only its tracking process be cut off or not done yet
        try:
            end = record.read(folder.record_path).end
        except WorkError:
            # a damaged record has no end that counts; `bench doctor` lists it
            end = None
        self.client.set_terminated(shown, status=end.status if end else "KILLED")
        return True


def status_of(trial: TrialSnapshot) -> str:
    """The status of a trial's run."""
    if trial.state == "FAIL" and trial.reason == "stopped":
        return "KILLED"
    return STATUS[trial.state]


def points_of(trial: TrialSnapshot) -> Iterator[store.Point]:
    """The metric points of a trial: its intermediate values, then its final ones."""
    for metric, values in trial.intermediate.items():
        for step, value in values.items():
            yield metric, step, value
    for metric, value in trial.values.items():
        yield f"objective/{metric}", 0, value
