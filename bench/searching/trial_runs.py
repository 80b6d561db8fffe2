"""Trains the runs of one trial, one per seed, and reports their evaluations to Optuna."""

import time
import traceback
from collections.abc import Callable, Mapping
from statistics import fmean, median

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from bench.configuration import EXECUTION_SETTINGS
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.execution.setup import TrainingSetup
from bench.health.verdict import collapsed
from bench.runs import record, run_folder
from bench.runs.description import StudyTrial
from bench.runs.run_folder import RunFolder
from bench.searching import trials
from bench.searching.objective import ObjectiveCallback
from bench.searching.plan import StudyPlan
from bench.searching.pruning import collapse_step, completed_values, pruning_points
from bench.searching.storage import StorageAway, with_retries
from bench.system import paths
from bench.system.errors import WorkError
from bench.system.store_address import redacted
from bench.tracking.process import TrackingProcess
from bench.training.trainer import Callback, Diverged, Interrupted

HELD_SECONDS = 0.5


class TrialEnded(Exception):
    """A trial ended before all of its seeds were trained.

    Attributes
    ----------
    state : TrialState
        PRUNED or FAIL.
    reason : str
        Why.
    """

    def __init__(self, state: TrialState, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


class StopWithWorker(Callback):
    """Stops a run when its worker is to stop, even if that was requested before the run began."""

    def __init__(self, stop_requested: Callable[[], bool]) -> None:
        self.stop_requested = stop_requested

    def should_stop(self) -> bool:
        """Whether the worker is to stop."""
        return self.stop_requested()


class TrialRuns:
    """The runs of one trial.

    Parameters
    ----------
    trial : Trial
        The trial; its user attributes name the runs of a trial that it retries.
    plan : StudyPlan
        The study.
    tracker : TrackingProcess or None
        Sends the runs to MLflow.
    progress : Progress
        Shows the training's progress.
    stop_requested : callable
        Whether the worker is to stop.
    """

    def __init__(
        self,
        trial: Trial,
        plan: StudyPlan,
        tracker: TrackingProcess | None,
        progress: Progress,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.trial = trial
        self.plan = plan
        self.tracker = tracker
        self.progress = progress
        self.stop_requested = stop_requested
        self.runs: dict[str, str] = dict(trial.user_attrs.get(trials.RUNS, {}))
        self.callbacks: dict[str, ObjectiveCallback] = {}
        self.pruned: str | None = None
        self.health: dict[str, str] = dict(trial.user_attrs.get(trials.HEALTH, {}))
        self._points = pruning_points(plan.file.pruner, plan.evaluations, len(plan.file.seeds))
        self._training = False

    def train(self) -> list[float]:
        """Train every seed and return the objectives' means.

        Raises
        ------
        TrialEnded
            If the trial was pruned, stopped or failed.
        WorkError
            If a run could not start for a reason outside the trial: data or tracking store are missing, or
            the storage cannot be reached.
        """
        for seed in self.plan.file.seeds:
            self._training = False
            try:
                self._train(seed)
            except Diverged as error:
                self._keep_health(seed, record.read(self._folder(seed).record_path))
                raise TrialEnded(TrialState.PRUNED, f"diverged@{error.step}") from None
            except Interrupted:
                if self.pruned is None:
                    raise TrialEnded(TrialState.FAIL, trials.STOPPED) from None
                self._keep_health(seed, record.read(self._folder(seed).record_path))
            except (StorageAway, UpdateFinishedTrialError):
                raise
            except Exception as error:
                if isinstance(error, WorkError) and not self._training:
                    raise
                traceback.print_exc()
                reason = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
                raise TrialEnded(TrialState.FAIL, reason) from None
            if self.pruned is not None:
                raise TrialEnded(TrialState.PRUNED, self.pruned)
        return self._means(self.plan.evaluations[-1])

    def save_progress(self) -> None:
        """Save the trial's steps, its last evaluations and the health of its runs as user attributes."""
        measured = {
            seed: callback.evaluations[max(callback.evaluations)]
            for seed, callback in self.callbacks.items()
            if callback.evaluations
        }
        steps = sum(callback.step for callback in self.callbacks.values())
        with_retries(lambda: self.trial.set_user_attr(trials.STEPS, steps))
        with_retries(lambda: self.trial.set_user_attr(trials.MEASURED, measured))
        with_retries(lambda: self.trial.set_user_attr(trials.HEALTH, self.health))

    def _train(self, seed: int) -> None:
        """Train one seed, or resume its run if there is one."""
        if not self._is_usable(seed):
            result = start(
                self.plan.configuration(self.trial.params, seed),
                self.progress,
                study=StudyTrial(name=self.plan.name, trial=self.trial.number),
                on_start=self._on_start,
                tracker=self.tracker,
            )
            self._keep_health(seed, result.record)
            return
        run = self._folder(seed)
        # a worker that was taken for dead releases the run at its next report
        while run_folder.is_held(run):
            if self.stop_requested():
                raise Interrupted(run.id)
            time.sleep(HELD_SECONDS)
        recorded = record.read(run.record_path)
        if not recorded.is_over():
            here = self.plan.base.harness.model_dump(include=set(EXECUTION_SETTINGS - {"threads"}))
            result = resume(
                run, self.progress, execution_settings=here, on_start=self._on_start, tracker=self.tracker
            )
            self._keep_health(seed, result.record)
            return
        assert recorded.end
        self._keep_health(seed, recorded)
        # trained to its end before the worker died
        self._follow(seed, recorded, lambda _: False)
        health, ends = recorded.end.health, collapse_step(self.plan.file.pruner, self.plan.evaluations)
        if health.startswith("diverged") or (ends is not None and health.startswith("collapsed")):
            self.pruned = health

    def _keep_health(self, seed: int, recorded: record.Record) -> None:
        if recorded.end:
            self.health[str(seed)] = recorded.end.health

    def _is_usable(self, seed: int) -> bool:
        """Whether a seed has a run to resume; a damaged run is left as it is, with a warning."""
        if str(seed) not in self.runs or not (run := self._folder(seed)).path.exists():
            return False
        try:
            run.describe()
            record.read(run.record_path)
        except WorkError as error:
            self.progress.warning(f"seed {seed} is trained again: {error}")
            return False
        return True

    def _folder(self, seed: int) -> RunFolder:
        return RunFolder(paths.runs() / self.runs[str(seed)])

    def _on_start(self, run: RunFolder, setup: TrainingSetup) -> list[Callback]:
        self._training = True
        seed, real = setup.configuration.harness.seed, setup.real
        if self.runs.get(str(seed)) != run.id:
            self.runs[str(seed)] = run.id
            with_retries(lambda: self.trial.set_user_attr(trials.RUNS, self.runs))
        recorded = record.read(run.record_path)
        callback = self._follow(seed, recorded, lambda values: collapsed(values, real))
        return [callback, StopWithWorker(self.stop_requested)]

    def _follow(
        self, seed: int, recorded: record.Record, is_collapsed: Callable[[Mapping[str, float]], bool]
    ) -> ObjectiveCallback:
        callback = self.callbacks[str(seed)] = ObjectiveCallback(
            self.plan.goals, is_collapsed, self._on_evaluation
        )
        callback.replay(recorded)
        return callback

    def _on_evaluation(self, step: int, is_collapsed: bool, past: bool) -> bool:
        """Report an evaluation of the newest run; return whether the trial ends."""
        pruner, last = self.plan.file.pruner, self.plan.evaluations[-1]
        # Optuna neither reports nor prunes several objectives
        single = len(self.plan.goals) == 1
        point = (len(self.callbacks) - 1) * last + step
        if single:
            with_retries(lambda: self.trial.report(self._means(step)[0], point))
        self.save_progress()
        # an evaluation before a resume was judged when it was made
        if past:
            return False
        first = collapse_step(pruner, self.plan.evaluations)
        if is_collapsed and first is not None and step >= first:
            self.pruned = f"collapsed@{step}"
        elif single and point in self._points and with_retries(self.trial.should_prune):
            self.pruned = f"{pruner.name}@{step}"
            if pruner.name == "median":
                others = with_retries(lambda: completed_values(self.trial.study, point))
                with_retries(lambda: self.trial.set_user_attr(trials.MEDIAN, median(others)))
        return self.pruned is not None

    def _means(self, step: int) -> list[float]:
        """Return each objective's mean over the seeds so far, at the same step of their runs."""
        rows = [callback.values[step] for callback in self.callbacks.values()]
        return [fmean(column) for column in zip(*rows, strict=True)]
