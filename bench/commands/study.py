"""``bench study``: search hyperparameters with Optuna."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import Real, Workers, device, merge_settings, require_given_gpu
from bench.commands.options import settings as set_option
from bench.commands.options import storage as storage_option
from bench.commands.output import Report, progress, reporting, stopped, table
from studies import shipped

if TYPE_CHECKING:
    from bench.searching.plan import StudyPlan
    from bench.searching.study import StudiesResult


@click.command("study", epilog=f"Studies of the project: {', '.join(shipped())}.")
@click.argument("name", metavar="NAME-or-FILE", type=names.StudyFile)
@click.option(
    "--variant",
    metavar="NAME[,NAME...]",
    type=names.SeveralVariants,
    help="Variants to tune, each with the same budget [default: the study file's].",
)
@click.option(
    "--trials",
    metavar="N",
    type=click.IntRange(1, 100_000),
    help="Budget: trials of each variant [default: the study file's].",
)
@click.option("--workers", metavar="N", type=Workers, default=1, show_default=True, help="Trials at a time.")
@click.option(
    "--timeout",
    metavar="MINUTES",
    type=Real(0, 1_000_000),
    help="Start no trial after this time [default: no limit].",
)
@storage_option
@click.option(
    "--cluster",
    type=click.Choice(["slurm", "local"]),
    help="Submit the workers as jobs: to SLURM, or to processes of this host [default: no jobs].",
)
@set_option
@device
@click.option("--experiment", metavar="NAME", help="MLflow experiment [default: the study's name].")
@click.option("--dry-run", is_flag=True, help="Print search space, budget and method, and train nothing.")
@reporting
def command(
    name: str,
    variant: str | None,
    trials: int | None,
    workers: int,
    timeout: float | None,
    storage: str | None,
    cluster: str | None,
    settings: dict[str, str],
    dry_run: bool,
    **options: str | None,
) -> Report:
    """Search hyperparameters with Optuna.

    Running the command again resumes the study. NAME is a study of the project or a YAML file. Every trial
    is trained in a process of its own, reported and possibly pruned, and tracked below one MLflow run.
    """
    given = merge_settings(options, settings)
    if not dry_run:
        require_given_gpu(given)
    from bench.execution.jobs import Stopped
    from bench.searching import study, study_file

    title, file = study_file.read(name, trials=trials)
    variants = [word.strip() for word in (variant or "").split(",") if word.strip()]
    shown_progress = progress()
    execution = study.ExecutionOptions(storage, workers, timeout, cluster)
    plans = study.plan_studies(title, file, variants, given, execution, shown_progress)
    if dry_run:
        return _dry_run(plans)
    try:
        result = study.run_studies(plans, execution, shown_progress)
    except Stopped:
        raise stopped("stopped; run the same command to continue") from None
    return _report(result)


def _dry_run(plans: "list[StudyPlan]") -> Report:
    from bench.searching.early_ends import rules_of

    parts = []
    for plan in plans:
        file = plan.file
        rows: list[tuple[object, ...]] = [
            ("study", plan.name),
            ("objective", "; ".join(goal.text for goal in plan.goals)),
            *((f"search {name}", words) for name, words in plan.space.describe().items()),
            *(("left out", f"{name}: {plan.variant} has no such knob") for name in plan.space.left_out),
            ("sampler", file.sampler.name),
            *rules_of(plan).items(),
            ("seeds of a trial", ", ".join(map(str, file.seeds))),
            ("budget", f"{file.trials} trials of {plan.steps_of_a_trial:,} steps"),
        ]
        parts.append(table(rows))
    data = [asdict(plan.describe()) | {"early_ends": rules_of(plan)} for plan in plans]
    return Report({"studies": data}, "\n\n".join(parts))


def _report(result: "StudiesResult") -> Report:
    data = {
        "studies": [
            {
                "name": each.plan.name,
                "folder": str(each.plan.folder),
                "parent": each.parent,
                **each.result.data(),
            }
            for each in result.studies
        ],
        "winners": result.winners.aggregate.data if result.winners else None,
    }
    parts = [
        f"{each.result.text()}\n\ntable, figures, best.yaml: {each.plan.folder}" for each in result.studies
    ]
    if result.winners:
        parts.append(result.winners.aggregate.text)
    return Report(data, "\n\n".join(parts))
