"""The trials of a study: taking the next one within the budget, ending it, trying the dead again.

A trial that died or was stopped is FAIL in Optuna, and a new trial with its params and its runs,
whose checkpoints the new one goes on from, takes its place in the budget: none counts twice.
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
STEPS = "steps"  # training steps taken so far, those of the trial that it goes on for among them
MEASURED = "measured"  # seed to the numbers of its last evaluation
REASON = "reason"  # why it was pruned or failed; none, or empty, where its worker died
DEATHS = "deaths"  # workers that died over these params so far
RETRY_OF = "retry_of"  # number of the trial whose place it took

STOPPED = "stopped"  # the reason of a trial that the user stopped
DEATHS_ALLOWED = 1
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def to_retry(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that died (for the first time) or were stopped, whose place no other has taken."""
    trials = list(trials)
    taken = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and is_resumable(trial)
        and trial.number not in taken
        # one that nobody had yet is asked for anew, unless its values were fixed
        and (WORKER in trial.user_attrs or "fixed_params" in trial.system_attrs)
    ]


def is_resumable(trial: FrozenTrial) -> bool:
    """Whether a failed trial is tried again: not if it failed by itself, or killed its worker twice."""
    if trial.user_attrs.get(REASON):
        return bool(trial.user_attrs[REASON] == STOPPED)
    # asked for, and its worker died before it was any worker's
    if WORKER not in trial.user_attrs:
        return True
    return int(trial.user_attrs.get(DEATHS, 0)) < DEATHS_ALLOWED


def count_ended(trials: Iterable[FrozenTrial]) -> int:
    """How many trials came to an end that stands."""
    return sum(
        trial.state in DONE or (trial.state == TrialState.FAIL and not is_resumable(trial))
        for trial in trials
    )


def count_spent(trials: Iterable[FrozenTrial]) -> int:
    """How much of the budget is taken: trials that are trained or over, each once."""
    trials = list(trials)
    return count_ended(trials) + sum(trial.state == TrialState.RUNNING for trial in trials)


def has_budget_left(trials: Iterable[FrozenTrial], budget: int) -> bool:
    """Whether there is a trial to take."""
    return count_spent(trials) < budget


def next_trial(study: Study, storage: Storage, plan: StudyPlan, worker: str) -> Trial | None:
    """The next trial, owned by a worker; None if the budget is spent."""
    with storage.exclusive():
        _queue(study)
        trials = study.get_trials(deepcopy=False)
        if not has_budget_left(trials, plan.file.trials):
            return None
        drawn = sum(RETRY_OF not in trial.user_attrs for trial in trials)
        study.sampler = sampler_for(plan.file.sampler, drawn)
        trial = study.ask(plan.space.distributions())
        storage.claim(trial, worker)
        return trial


def finish_trial(
    study: Study, trial: Trial, state: TrialState, values: list[float] | None, reason: str
) -> bool:
    """Tell how a trial ended; False if it was taken from its worker as dead meanwhile."""
    try:
        if reason:
            trial.set_user_attr(REASON, reason)
        study.tell(trial, values, state, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return False
    return True


def fail_dead_trials(study: Study, storage: Storage) -> list[FrozenTrial]:
    """Fail the trials whose worker died, and queue those that are to go on; returns the dead."""
    with storage.exclusive():
        dead = storage.stale_trials(study)
        for trial in dead:
            # it noted why the trial ends, and died before it told the end
            if trial.user_attrs.get(REASON, STOPPED) != STOPPED:
                study._storage.set_trial_user_attr(trial._trial_id, REASON, "")
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        _queue(study)
    return dead


def _queue(study: Study) -> None:
    """Queue a trial in the place of each that is to go on; in an exclusive block."""
    for trial in to_retry(study.get_trials(deepcopy=False)):
        kept = {key: value for key, value in trial.user_attrs.items() if key not in (WORKER, REASON)}
        died = WORKER in trial.user_attrs and not trial.user_attrs.get(REASON)
        marks = {RETRY_OF: trial.number, DEATHS: int(kept.get(DEATHS, 0)) + died}
        # a worker that died while it asked may have been given a part of the values only
        params = trial.system_attrs.get("fixed_params", {}) | trial.params
        study.enqueue_trial(params, user_attrs=kept | marks)
