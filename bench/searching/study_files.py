"""Writes a study's folder: table, trials, best configurations, importances and figures."""

from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from bench.configuration import yaml_files
from bench.execution.progress import Progress
from bench.searching.plan import StudyPlan
from bench.searching.summary import StudySummary
from bench.searching.trial_outcomes import health_of, runs_of_trial
from bench.searching.trial_table import csv_of
from bench.system.atomic_files import write_text

BEST = "best.yaml"
UNFINISHED = "figures.unfinished"  # marks figures that are older than the texts


def write_files(study: optuna.Study, plan: StudyPlan, summary: StudySummary, progress: Progress) -> list[str]:
    """Write table, trials, best configurations, importances and figures; return :func:`files_of`.

    The figures are drawn only where a text has changed since they were drawn.
    """
    folder = plan.folder
    texts = {"table.md": summary.text() + "\n", "trials.csv": csv_of(summary.trials)}
    if summary.best:
        texts[BEST] = configuration_text(summary, summary.best)
    if summary.importances:
        rows = [(m, name, share) for m, of in summary.importances.items() for name, share in of.items()]
        texts["importances.csv"] = csv_of(pd.DataFrame(rows, columns=["metric", "param", "importance"]))
    figures, unfinished = folder / "figures", folder / UNFINISHED
    is_drawn = (
        figures.exists()
        and not unfinished.exists()
        and all(
            (folder / name).exists() and (folder / name).read_text(encoding="utf-8") == text
            for name, text in texts.items()
        )
    )
    if not is_drawn and (plan.draws or figures.exists()):
        # left where this command is killed or draws none: the next that draws does not keep the old figures
        write_text(unfinished, "")
    for name, text in texts.items():
        write_text(folder / name, text)
    several = {f"trial-{trial.number}.yaml": trial for trial in summary.front if summary.is_several}
    for name, trial in several.items():
        write_text(folder / "front" / name, configuration_text(summary, trial))
    for old in (folder / "front").glob("trial-*.yaml"):
        if old.name not in several:
            old.unlink(missing_ok=True)
    if plan.draws and not is_drawn:
        progress.info("drawing figures")
        # imported late: matplotlib takes a second
        from bench.searching.figures import draw_study

        draw_study(study, summary, figures)
        unfinished.unlink(missing_ok=True)
    return files_of(folder)


def files_of(folder: Path) -> list[str]:
    """Return the names of the files and folders in a study's folder that become artifacts."""
    names = ("table.md", "trials.csv", BEST, "importances.csv", "front", "figures")
    return [name for name in names if (folder / name).exists()]


def configuration_text(summary: StudySummary, trial: FrozenTrial) -> str:
    """Return a trial's configuration as a file for ``bench run --config``."""
    plan = summary.plan
    values = ", ".join(
        f"{goal.metric} {value!r}" for goal, value in zip(plan.goals, trial.values, strict=True)
    )
    comments = [
        f"study {plan.name}, trial {trial.number}: {values}",
        *([f"health: {health}"] if (health := health_of(trial)) else []),
        *([f"runs: {names}"] if (names := ", ".join(run.name for run in runs_of_trial(trial, plan))) else []),
        f"rule: {summary.rule}",
        *([summary.warning] if summary.warning else []),
    ]
    # PyYAML writes a float by its repr, which reads back as the same float
    body = yaml_files.dump(plan.keys(trial.params))
    return "".join(f"# {' '.join(line.split())}\n" for line in comments) + body
