"""The files of a study's folder: table, trials, best configurations, importances and figures."""

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from bench.configuration import yaml_files
from bench.searching.plan import StudyPlan
from bench.searching.summary import StudySummary
from bench.searching.trial_table import csv_of
from bench.system.atomic_files import write_text


def write_files(study: optuna.Study, plan: StudyPlan, outcome: StudySummary) -> list[str]:
    """Write table, trials, best configurations, importances and figures into the study's folder.

    Returns
    -------
    list of str
        Names of the files and folders.
    """
    folder = plan.folder
    texts = {"table.md": outcome.text() + "\n", "trials.csv": csv_of(outcome.trials)}
    if outcome.best:
        texts["best.yaml"] = configuration_text(outcome, outcome.best)
    if outcome.importances:
        rows = [(m, name, share) for m, of in outcome.importances.items() for name, share in of.items()]
        texts["importances.csv"] = csv_of(pd.DataFrame(rows, columns=["metric", "param", "importance"]))
    for name, text in texts.items():
        write_text(folder / name, text)
    several = {f"trial-{one.number}.yaml": one for one in outcome.front if outcome.is_several}
    for name, one in several.items():
        write_text(folder / "front" / name, configuration_text(outcome, one))
    for old in (folder / "front").glob("trial-*.yaml"):
        if old.name not in several:
            old.unlink(missing_ok=True)
    names = [*texts, *(["front"] if several else [])]
    if plan.draws:
        # imported late: matplotlib takes a second
        from bench.searching.figures import draw_study

        names += ["figures"] if draw_study(study, outcome, folder / "figures") else []
    return names


def configuration_text(outcome: StudySummary, one: FrozenTrial) -> str:
    """A trial's configuration as ``bench run --config`` takes it."""
    plan = outcome.plan
    values = ", ".join(f"{goal.metric} {value!r}" for goal, value in zip(plan.goals, one.values, strict=True))
    said = [
        f"study {plan.name}, trial {one.number}: {values}",
        f"rule: {outcome.rule}",
        *([outcome.warning] if outcome.warning else []),
    ]
    # PyYAML writes a float by its repr, which reads back to the same
    body = yaml_files.dump(plan.keys(one.params))
    return "".join(f"# {' '.join(line.split())}\n" for line in said) + body
