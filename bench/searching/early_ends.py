"""What ends a trial early, as text: the rules of a study, and the reason of one trial."""

from optuna.trial import FrozenTrial

from bench.searching.plan import StudyPlan
from bench.searching.pruning import collapse_step, pruning_points
from bench.searching.study_file import Pruner
from bench.searching.trials import MEDIAN, REASON


def rules_of(plan: StudyPlan) -> dict[str, str]:
    """Return what ends a trial of the study early, as text by its kind: pruner, collapse, divergence."""
    return {
        "pruner": _pruner_text(plan),
        "collapse": _collapse_text(plan),
        "divergence": "a trial whose loss is not finite ends at once",
    }


def _pruner_text(plan: StudyPlan) -> str:
    file, pruner = plan.file, plan.file.pruner
    if pruner.name == "none":
        return "none"
    if len(plan.goals) > 1:
        return f"none: {pruner.name} needs one objective, and there are {len(plan.goals)}"
    points = pruning_points(pruner, plan.evaluations, len(file.seeds))
    if not points:
        return f"none: no evaluation at which {pruner.name} could end a trial comes before the trial's end"
    begin = f"{pruner.name}, at evaluations from step {min(points):,} of {plan.steps_of_a_trial:,} on"
    if pruner.name != "median":
        return begin
    if pruner.startup_trials >= file.trials:
        return f"none: median needs {pruner.startup_trials} complete trials first, and the budget has no more"
    return f"{begin}, once {pruner.startup_trials} trials are complete"


def _collapse_text(plan: StudyPlan) -> str:
    pruner = plan.file.pruner
    step = collapse_step(pruner, plan.evaluations)
    if step is None:
        return f"ends no trial ({setting_text(pruner)})"
    return f"a collapsed evaluation from step {step:,} of a run on ends its trial ({setting_text(pruner)})"


def setting_text(pruner: Pruner) -> str:
    """Return the share of a run after which a collapsed evaluation ends its trial, with its key."""
    return f"collapse_after {pruner.collapse_after:g}"


def reason_of(trial: FrozenTrial, pruner: Pruner) -> str:
    """Return why a trial ended early, with the numbers that a median pruner compared; else an empty text."""
    text, median = reason_text(str(trial.user_attrs.get(REASON, "")), pruner), trial.user_attrs.get(MEDIAN)
    if not text or median is None or trial.last_step is None:
        return text
    own, other = _told_apart(trial.intermediate_values[trial.last_step], median)
    return f"{text} ({own} against {other})"


def _told_apart(*values: float) -> list[str]:
    """Return numbers with four significant digits, or with as many as tell them apart."""
    texts: list[str] = []
    for digits in range(4, 18):
        texts = [f"{value:.{digits}g}" for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def reason_text(reason: str, pruner: Pruner) -> str:
    """Return why a trial ended early: ``collapsed at step 500 (collapse_after 0.5)``; other reasons as is."""
    kind, mark, step = reason.partition("@")
    if not (mark and step.isdecimal()):
        return reason
    if kind == "median":
        return f"worse than the median at step {int(step):,}"
    text = f"{kind} at step {int(step):,}"
    return f"{text} ({setting_text(pruner)})" if kind == "collapsed" else text
