"""The runs of a trial and their health, as the user attributes of the trial have them."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial

from bench.runs.run_names import run_name
from bench.searching.plan import StudyPlan
from bench.searching.trials import HEALTH, RUNS


@dataclass(frozen=True)
class TrialRun:
    """A run of a trial.

    Attributes
    ----------
    seed : int
        Seed of the run.
    id, name : str
        Id and name of the run.
    """

    seed: int
    id: str
    name: str


def runs_of_trial(trial: FrozenTrial, plan: StudyPlan) -> list[TrialRun]:
    """Return the runs of a trial, one per seed, also where their folders lie on another machine."""
    dataset = plan.base.harness.dataset
    return [
        TrialRun(int(seed), run_id, run_name(plan.base.variant, dataset, int(seed), run_id))
        for seed, run_id in trial.user_attrs.get(RUNS, {}).items()
    ]


def health_of(trial: FrozenTrial) -> str:
    """Return the verdicts on the trial's runs, each once: ``ok and collapsed@75``; empty before the first."""
    return " and ".join(dict.fromkeys(trial.user_attrs.get(HEALTH, {}).values()))


def has_collapsed(trial: FrozenTrial) -> bool:
    """Return whether a run of the trial ended as collapsed."""
    return any(health.startswith("collapsed") for health in trial.user_attrs.get(HEALTH, {}).values())
