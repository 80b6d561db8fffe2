"""Writes a study's folder: table, trials, best configurations, importances and figures."""

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from bench.configuration import yaml_files
from bench.searching.plan import StudyPlan
from bench.searching.summary import StudySummary
from bench.searching.trial_table import csv_of
from bench.system.atomic_files import write_text


def write_files(study: optuna.Study, plan: StudyPlan, summary: StudySummary) -> list[str]:
    """Write table, trials, best configurations, importances and figures into the study's folder.

    Returns
    -------
    list of str
        Names of the files and folders.
    """
    folder = plan.folder
    texts = {"table.md": summary.text() + "\n", "trials.csv": csv_of(summary.trials)}
    if summary.best:
        texts["best.yaml"] = configuration_text(summary, summary.best)
    if summary.importances:
        rows = [(m, name, share) for m, of in summary.importances.items() for name, share in of.items()]
        texts["importances.csv"] = csv_of(pd.DataFrame(rows, columns=["metric", "param", "importance"]))
    for name, text in texts.items():
        write_text(folder / name, text)
    several = {f"trial-{trial.number}.yaml": trial for trial in summary.front if summary.is_several}
    for name, trial in several.items():
        write_text(folder / "front" / name, configuration_text(summary, trial))
    for old in (folder / "front").glob("trial-*.yaml"):
        if old.name not in several:
            old.unlink(missing_ok=True)
    names = [*texts, *(["front"] if several else [])]
    if plan.draws:
        # imported late: matplotlib takes a second
        from bench.searching.figures import draw_study

        names += ["figures"] if draw_study(study, summary, folder / "figures") else []
    return names


def configuration_text(summary: StudySummary, trial: FrozenTrial) -> str:
    """Return a trial's configuration as a file for ``bench run --config``."""
    plan = summary.plan
    values = ", ".join(
        f"{goal.metric} {value!r}" for goal, value in zip(plan.goals, trial.values, strict=True)
    )
    comments = [
        f"study {plan.name}, trial {trial.number}: {values}",
        f"rule: {summary.rule}",
        *([summary.warning] if summary.warning else []),
    ]
    # PyYAML writes a float by its repr, which reads back as the same float
    body = yaml_files.dump(plan.keys(trial.params))
    return "".join(f"# {' '.join(line.split())}\n" for line in comments) + body
