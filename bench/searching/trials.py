"""The trials of a study: asking for the next trial within the budget, ending a trial, retrying a trial.

A trial whose worker died or was stopped is FAIL in Optuna. A new trial with the same params and runs takes
its place in the budget and resumes from the runs' checkpoints. No trial counts twice.
"""

from collections.abc import Iterable

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from bench.searching.plan import StudyPlan
from bench.searching.sampling import sampler_for
from bench.searching.storage import WORKER, Storage

# user attributes of a trial
RUNS = "runs"  # seed to id of its run
STEPS = "steps"  # training steps so far, including those of the trial that it retries
MEASURED = "measured"  # seed to the metrics of its last evaluation
HEALTH = "health"  # seed to the health tag of its run
REASON = "reason"  # why it was pruned or failed; missing or empty if its worker died
MEDIAN = "median"  # of the complete trials, which the trial was pruned against
DEATHS = "deaths"  # workers that died with these params so far
RETRY_OF = "retry_of"  # number of the trial that it retries

STOPPED = "stopped"  # the reason of a trial that the user stopped
DEATHS_ALLOWED = 1
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def to_retry(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that are to be retried: stopped, or their worker died for the first time."""
    trials = list(trials)
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and may_be_retried(trial)
        and trial.number not in retried
        # a trial without a worker is sampled anew, unless its values were fixed
        and (WORKER in trial.user_attrs or "fixed_params" in trial.system_attrs)
    ]


def may_be_retried(trial: FrozenTrial) -> bool:
    """Whether a failed trial is retried: not if training failed, or if two workers died."""
    if trial.user_attrs.get(REASON):
        return bool(trial.user_attrs[REASON] == STOPPED)
    # its worker died before it claimed the trial
    if WORKER not in trial.user_attrs:
        return True
    return int(trial.user_attrs.get(DEATHS, 0)) < DEATHS_ALLOWED


def count_ended(trials: Iterable[FrozenTrial]) -> int:
    """Count the trials that ended and are not retried."""
    return sum(
        trial.state in DONE or (trial.state == TrialState.FAIL and not may_be_retried(trial))
        for trial in trials
    )


def count_spent(trials: Iterable[FrozenTrial]) -> int:
    """Count the trials that use the budget: running or ended, each once."""
    trials = list(trials)
    return count_ended(trials) + sum(trial.state == TrialState.RUNNING for trial in trials)


def has_budget_left(trials: Iterable[FrozenTrial], budget: int) -> bool:
    """Whether another trial may begin."""
    return count_spent(trials) < budget


def next_trial(study: Study, storage: Storage, plan: StudyPlan, worker: str) -> Trial | None:
    """Ask for the next trial for a worker; None if the budget is spent."""
    with storage.exclusive():
        _queue_retries(study)
        trials = study.get_trials(deepcopy=False)
        if not has_budget_left(trials, plan.file.trials):
            return None
        sampled = sum(RETRY_OF not in trial.user_attrs for trial in trials)
        study.sampler = sampler_for(plan.file.sampler, sampled)
        trial = study.ask(plan.space.distributions())
        storage.claim(trial, worker)
        return trial


def finish_trial(
    study: Study, trial: Trial, state: TrialState, values: list[float] | None, reason: str
) -> bool:
    """Tell Optuna how a trial ended; return False if another process has marked the trial as failed."""
    try:
        if reason:
            trial.set_user_attr(REASON, reason)
        study.tell(trial, values, state, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return False
    return True


def fail_dead_trials(study: Study, storage: Storage) -> list[FrozenTrial]:
    """Mark the trials of dead workers as failed, queue their retries, and return the failed trials."""
    with storage.exclusive():
        dead = storage.stale_trials(study)
        for trial in dead:
            # the worker set the reason and died before it recorded the end of the trial
            if trial.user_attrs.get(REASON, STOPPED) != STOPPED:
                study._storage.set_trial_user_attr(trial._trial_id, REASON, "")
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        _queue_retries(study)
    return dead


def _queue_retries(study: Study) -> None:
    """Queue one new trial per trial to retry; call this under ``storage.exclusive()``."""
    for trial in to_retry(study.get_trials(deepcopy=False)):
        kept = {key: value for key, value in trial.user_attrs.items() if key not in (WORKER, REASON, MEDIAN)}
        died = WORKER in trial.user_attrs and not trial.user_attrs.get(REASON)
        marks = {RETRY_OF: trial.number, DEATHS: int(kept.get(DEATHS, 0)) + died}
        # a worker that died while it asked may have got only some of the values
        params = trial.system_attrs.get("fixed_params", {}) | trial.params
        study.enqueue_trial(params, user_attrs=kept | marks)
