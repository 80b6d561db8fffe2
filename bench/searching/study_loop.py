"""The loop of a study command: start workers, mark trials of dead workers as failed, update MLflow.

Several commands may run one study, on one host or on several. One of them is the leader: it marks trials
of dead workers as failed and updates MLflow. When the leader ends, another command becomes the leader.
"""

import json
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from bench.comparing.numbers import duration
from bench.execution.jobs import Stopped
from bench.execution.opening import aligned, length_text
from bench.execution.progress import Progress
from bench.execution.time_left import time_left, time_left_text
from bench.runs import environment
from bench.searching import trials
from bench.searching.advice import advice_on
from bench.searching.early_ends import reason_of, rules_of
from bench.searching.plan import StudyPlan
from bench.searching.space import short_text
from bench.searching.storage import Storage, with_retries
from bench.searching.trial_outcomes import health_of
from bench.searching.worker_pool import WorkerPool
from bench.system.atomic_files import write_text
from bench.system.interruption import stop_on_signal
from bench.system.leftovers import remove_leftovers
from bench.system.store_address import StoreAddress
from bench.tracking.messages import StudySnapshot, TrialSnapshot
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store

DESCRIPTION = "study.json"
POLL_SECONDS = 0.5
VIEW_SECONDS = 2.0


def create_study(plan: StudyPlan, storage: Storage) -> Study:
    """Find or create the study, whose first trial has today's defaults; one process at a time."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with storage.exclusive():
        study = optuna.create_study(
            study_name=plan.name,
            storage=storage.optuna,
            directions=[goal.direction for goal in plan.goals],
            load_if_exists=True,
        )
        if "plan" not in study.user_attrs:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([goal.metric for goal in plan.goals])
            defaults = plan.space.params(plan.base)
            if defaults is not None:
                study.enqueue_trial(defaults, skip_if_exists=True)
            study.set_user_attr("plan", asdict(plan.describe()))
    remove_leftovers(plan.folder)
    described = asdict(plan.describe()) | {"command": environment.command(), "plan": plan.to_json()}
    write_text(plan.folder / DESCRIPTION, json.dumps(described, indent=2) + "\n")
    return study


@dataclass
class StudyLoop:
    """Runs a study: keeps the worker pool filled, and as the leader updates storage and MLflow.

    Attributes
    ----------
    plan : StudyPlan
        The study.
    study : Study
        The study in Optuna.
    storage : Storage
        The study's storage.
    pool : WorkerPool
        The workers of this command.
    until : float or None
        Seconds since the epoch after which no trial begins.
    tracker : TrackingProcess or None
        Shows the study in MLflow.
    progress : Progress
        Prints which trials ended.
    notes : sequence of str
        Lines that are printed at the start.
    """

    plan: StudyPlan
    study: Study
    storage: Storage
    pool: WorkerPool
    until: float | None
    tracker: TrackingProcess | None
    progress: Progress
    notes: Sequence[str] = ()
    parent: str | None = None
    _reported: set[int] = field(default_factory=set)
    _shown_at: float = 0.0
    _has_advised: bool = False

    def run(self) -> bool:
        """Run until the budget or the time is spent; return whether this command leads at the end.

        Raises
        ------
        Stopped
            If the user stopped the command; running trials have written checkpoints and are queued.
        WorkError
            If workers keep dying, or the storage stays away.
        """
        known = with_retries(self._trials)
        self._reported = {trial.number for trial in known if trial.state.is_finished()}
        self.progress.info(opening_of_study(self.plan))
        self.progress.info(f"{trials.count_ended(known)} of {self.plan.file.trials} trials are over")
        for note in self.notes:
            self.progress.info(note)
        with stop_on_signal() as stop_requested:
            try:
                while not with_retries(self._step):
                    if stop_requested():
                        raise Stopped
                    time.sleep(POLL_SECONDS)
            finally:
                self.pool.stop()
                is_leader = self.storage.acquire_leadership()
                if is_leader:
                    with_retries(self._lead)
        return is_leader

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _step(self) -> bool:
        """Check workers and trials once; return whether the study has ended."""
        is_leader = self.storage.acquire_leadership()
        if is_leader and time.monotonic() - self._shown_at > VIEW_SECONDS:
            self._lead()
        known = self._trials()
        self._report(known)
        timely = self.until is None or time.time() < self.until
        more = timely and trials.has_budget_left(known, self.plan.file.trials)
        self.pool.refill(more)
        running = any(trial.state == TrialState.RUNNING for trial in known)
        # the worker of the last running trial may still die, and the trial be retried
        return not (more or running or self.pool.busy())

    def _lead(self) -> None:
        """Mark trials of dead workers as failed, and show the study in MLflow."""
        for trial in trials.fail_dead_trials(self.study, self.storage):
            self.progress.info(f"trial {trial.number}: its worker died; it is retried from its checkpoint")
        self._shown_at = time.monotonic()
        if not self.tracker:
            return
        if self.parent is None:
            parent = self.plan.describe().parent_run(environment.command())
            self.parent = self.tracker.open_parent(parent, current_store())
        if problem := show_study(self.plan, self._trials(), self.tracker, self.parent, current_store()):
            self.progress.warning(f"tracking: {problem}")

    def _report(self, known: Iterable[FrozenTrial]) -> None:
        """Print which trials ended, and the best value so far."""
        known = list(known)
        for trial in known:
            if trial.number in self._reported or not trial.state.is_finished():
                continue
            self._reported.add(trial.number)
            # not a trial whose worker died or could not start
            if trial.state in trials.DONE or not trials.may_be_retried(trial):
                self.pool.on_trial_end()
            best = improvements(known, self.plan) if len(self.plan.goals) == 1 else []
            so_far = f"; best {best[-1][1].values[0]:.4g} (trial {best[-1][1].number})" if best else ""
            count = f"[{trials.count_ended(known)}/{self.plan.file.trials}]"
            left = time_left_text(self._time_left(known))
            self.progress.info(f"{count} {end_text(trial, self.plan)}{so_far}{left}")
            self._advise(trial, known)

    def _advise(self, trial: FrozenTrial, known: Iterable[FrozenTrial]) -> None:
        """Print once, while no trial is complete, what keeps a trial from its end and what to change."""
        kind = str(trial.user_attrs.get(trials.REASON, "")).partition("@")[0]
        if self._has_advised or kind not in ("collapsed", "diverged"):
            return
        if all(each.state != TrialState.COMPLETE for each in known):
            self.progress.info(f"to change that: {advice_on(kind, self.plan)}")
            self._has_advised = True

    def _time_left(self, known: Sequence[FrozenTrial]) -> float | None:
        """Estimate the seconds until the budget is spent, with this command's workers."""
        now = datetime.now()
        ended = [trial.duration.total_seconds() for trial in known if trial.duration is not None]
        running = [
            (now - trial.datetime_start).total_seconds()
            for trial in known
            if trial.state == TrialState.RUNNING and trial.datetime_start
        ]
        waiting = max(self.plan.file.trials - trials.count_spent(known), 0)
        return time_left(ended, running, waiting, max(self.pool.count, len(running)))


def opening_of_study(plan: StudyPlan) -> str:
    """Return the lines with which a study begins."""
    lines = {
        "study": plan.name,
        "folder": str(plan.folder),
        "preset": length_text(plan.base.flat()),
        "objective": "; ".join(goal.text for goal in plan.goals),
        **rules_of(plan),
        "resume": "the same command again",
    }
    return aligned(lines)


def end_text(trial: FrozenTrial, plan: StudyPlan) -> str:
    """Return how a trial ended, as text: values and health or the reason, time, and what was tried."""
    if trial.state == TrialState.COMPLETE:
        named = zip(plan.goals, trial.values, strict=True)
        facts = [f"{goal.metric} {value:.4g}" for goal, value in named]
        facts += [f"health {health}"] if (health := health_of(trial)) else []
        result = ": " + ", ".join(facts)
    else:
        reason = reason_of(trial, plan.file.pruner)
        result = f": {reason}" if reason else ""
    took = "" if trial.duration is None else f", took {duration(trial.duration.total_seconds())}"
    params = ", ".join(f"{name} {short_text(value)}" for name, value in trial.params.items())
    return f"trial {trial.number} {trial.state.name.lower()}{result}{took} ({params})"


def show_study(
    plan: StudyPlan,
    known: Sequence[FrozenTrial],
    tracker: TrackingProcess,
    parent: str,
    address: StoreAddress,
) -> str | None:
    """Show a study's trials below its MLflow run; return why the store does not show all, if it does not."""
    shown = [snapshot_of(t, plan) for t in known if t.state != TrialState.WAITING]
    best = {}
    if len(plan.goals) == 1:
        points = {count: trial.values[0] for count, trial in improvements(known, plan)}
        best = {plan.goals[0].metric: points}
    return tracker.show_trials(StudySnapshot(parent, plan.name, plan.experiment, shown, best), address)


def snapshot_of(trial: FrozenTrial, plan: StudyPlan) -> TrialSnapshot:
    """Return a trial as the tracking process reads it."""
    metrics = [goal.metric for goal in plan.goals]
    complete = trial.state == TrialState.COMPLETE
    return TrialSnapshot(
        number=trial.number,
        state=trial.state.name,
        reason=str(trial.user_attrs.get(trials.REASON, "")),
        params=trial.params,
        values=dict(zip(metrics, trial.values, strict=True)) if complete else {},
        intermediate={metrics[0]: trial.intermediate_values} if len(metrics) == 1 else {},
        runs=list(trial.user_attrs.get(trials.RUNS, {}).values()),
        started=milliseconds(trial.datetime_start),
        finished=milliseconds(trial.datetime_complete),
    )


def milliseconds(moment: datetime | None) -> int | None:
    """Return a local time as milliseconds since the epoch."""
    return None if moment is None else int(moment.timestamp() * 1000)


def improvements(known: Iterable[FrozenTrial], plan: StudyPlan) -> list[tuple[int, FrozenTrial]]:
    """Return the trials that improved on the best value, each with the number of trials ended by then."""
    ended = [trial for trial in known if trial.state in trials.DONE]
    found: list[tuple[int, FrozenTrial]] = []
    for count, trial in enumerate(sorted(ended, key=lambda t: (t.datetime_complete, t.number)), start=1):
        if trial.state != TrialState.COMPLETE:
            continue
        if not found or plan.goals[0].best(found[-1][1].values[0], trial.values[0]) != found[-1][1].values[0]:
            found.append((count, trial))
    return found
