"""A worker of a study: a process that runs trial after trial until the budget is spent.

The worker reads one JSON object from standard input: ``worker`` (its id), ``plan``
(:meth:`StudyPlan.to_json`), ``storage`` (a URL or null) and ``until`` (seconds since the epoch, or null).
"""

import json
import os
import sys
import time

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from bench.execution.progress import Progress
from bench.execution.tracked_run import tracking
from bench.searching import trials
from bench.searching.address import open_storage
from bench.searching.plan import StudyPlan
from bench.searching.pruning import pruner_for
from bench.searching.storage import Storage, StorageAway, with_retries
from bench.searching.trial_runs import TrialEnded, TrialRuns
from bench.system.errors import WorkError
from bench.system.interruption import stop_on_signal
from bench.system.store_address import Redacting


def load_study(plan: StudyPlan, storage: Storage) -> optuna.Study:
    """Load the study of a plan, with its pruner."""
    return optuna.load_study(
        study_name=plan.name,
        storage=storage.optuna,
        pruner=pruner_for(plan.file.pruner, plan.evaluations, len(plan.file.seeds)),
    )


def run_trials(
    plan: StudyPlan, storage: Storage, worker: str, until: float | None, progress: Progress
) -> None:
    """Run trials until the budget or the time is spent or the worker is stopped."""
    study = with_retries(lambda: load_study(plan, storage))
    with (
        storage.worker_lease(worker),
        stop_on_signal() as stop_requested,
        tracking(plan.base.harness.tracking, progress) as tracker,
    ):
        while not stop_requested() and (until is None or time.time() < until):
            trial = with_retries(lambda: trials.next_trial(study, storage, plan, worker))
            if trial is None:
                return
            runs = TrialRuns(trial, plan, tracker, progress, stop_requested)
            # while a run trains, the run handles signals
            if run_trial(study, storage, trial, runs, progress) == trials.STOPPED:
                return


def run_trial(
    study: optuna.Study, storage: Storage, trial: Trial, runs: TrialRuns, progress: Progress
) -> str:
    """Run a trial, tell Optuna how it ended, and return the reason, empty for a complete trial."""
    state, values, reason = TrialState.COMPLETE, None, ""
    try:
        with storage.heartbeat(trial):
            try:
                values = runs.train()
            except TrialEnded as ended:
                state, reason = ended.state, ended.reason
            except StorageAway:
                raise
            except WorkError:
                # another worker may have the data, or reach the tracking store
                with_retries(lambda: trials.finish_trial(study, trial, TrialState.FAIL, None, trials.STOPPED))
                raise
            runs.save_progress()
            with_retries(lambda: trials.finish_trial(study, trial, state, values, reason))
    except UpdateFinishedTrialError:
        # this worker was taken for dead, and another worker retries the trial
        progress.info(f"trial {trial.number} was given to another worker")
        return reason
    result = reason or ", ".join(f"{value:.4g}" for value in values or ())
    progress.info(f"trial {trial.number} {state.name.lower()}: {result}")
    return reason


def main() -> int:
    """Run the worker that standard input describes."""
    # standard error goes into a log file
    sys.stderr = Redacting(sys.stderr)
    request = json.loads(sys.stdin.read())
    plan = StudyPlan.from_json(request["plan"])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = with_retries(lambda: open_storage(request["storage"], plan.folder, plan.name, plan.file.grace))
    try:
        run_trials(plan, storage, request["worker"], request["until"], Progress())
    except WorkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    sys.exit(main())
