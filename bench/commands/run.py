"""``bench run``: train, or go on with a run."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.dry_run import dry_run_report
from bench.commands.options import Workers
from bench.commands.output import Report, reporting, stopped
from bench.system.errors import RequestError, shown
from bench.system.ranks import is_first, launched

if TYPE_CHECKING:
    from bench.configuration import Configuration
    from bench.tracking.process import TrackingProcess

# settings of a run that is not tracked, and of several runs, which have a tracking process of their own
UNTRACKED = re.compile(r"\s*(tracking\s*=\s*(false|off|no|0)\s*$|variant\s*=.*,)", re.IGNORECASE)


@click.command("run")
@click.option(
    "--variant",
    metavar="NAME[,NAME...]",
    help="What to train; `bench variants` lists them. Several: one run each.",
)
@click.option("--dataset", metavar="NAME", help="What on: a name of `bench datasets`, or folder:PATH.")
@click.option(
    "--preset",
    metavar="NAME",
    help="quick (minutes on two cores), small (an hour on a GPU), paper; else the data set's.",
)
@click.option("--steps", metavar="N", help="Length of training in generator updates.")
@click.option("--epochs", metavar="X", help="Length of training in passes over the data.")
@click.option("--seed", metavar="N", help="Seed of everything that is drawn.")
@click.option("--seeds", metavar="LIST", help="Several seeds, such as 0,1,2 or 0-4: one run each, paired.")
@click.option(
    "--workers",
    metavar="N",
    type=Workers,
    default=1,
    help="Runs at a time, where there are several.",
)
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Any configuration key; repeatable."
)
@click.option(
    "--config", "file", metavar="FILE.yaml", type=click.Path(path_type=Path), help="Configuration keys."
)
@click.option("--device", metavar="NAME", help="auto, cpu or cuda.")
@click.option("--experiment", metavar="NAME", help="MLflow experiment to record the run in.")
@click.option("--resume", metavar="RUN", help="Go on with a run: an id, a unique prefix, a name or `last`.")
@click.option("--parent", hidden=True, help="MLflow run that a run of several belongs to.")
@click.option("--dry-run", is_flag=True, help="Print configuration, parameter counts and the cost of a step.")
@reporting
def command(
    settings: tuple[str, ...],
    file: Path | None,
    seeds: str | None,
    workers: int,
    resume: str | None,
    parent: str | None,
    dry_run: bool,
    **options: str | None,
) -> Report:
    """Train a variant, judge it and record everything; stop and resume at will.

    Several variants or seeds are trained by processes of their own. The same command given again goes
    on where it was stopped, and ends with the table of all runs.
    """
    several = seeds is not None or "," in str(options["variant"])
    if not several and not dry_run and not any(map(UNTRACKED.match, settings)):
        context = click.get_current_context()
        context.obj["tracker"] = context.with_resource(early_tracking())
    from bench.configuration import parse_settings, resolve

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name, value in parse_settings(settings).items():
        if given.get(name, value) != value:
            raise RequestError(f"{name} is given twice: {shown(given[name])} and {shown(value)}")
        given[name] = value
    if resume is not None:
        if seeds is not None:
            raise RequestError(
                "--resume goes on with one run; several go on when their command is given again"
            )
        return _resume(resume, given, file, dry_run)
    if seeds is not None or "," in str(given.get("variant", "")):
        from bench.commands.run_many import run_many

        if launched():
            raise RequestError("torchrun trains one run: give one variant and one seed")
        return run_many(given, file, seeds, workers, dry_run)
    configuration = resolve(given, file)
    from bench.datasets import require_dataset

    if dry_run:
        return dry_run_report(configuration)
    require_dataset(configuration.harness.dataset)
    return _train(configuration, parent)


@contextmanager
def early_tracking() -> Iterator["TrackingProcess | None"]:
    """A tracking process, on the first rank, whose imports pass while this process imports torch.

    Where none is wanted after all, it is ended without having done anything.
    """
    if not is_first():
        yield None
        return
    from bench.tracking.process import TrackingProcess

    tracker = TrackingProcess()
    try:
        yield tracker
    finally:
        tracker.close()


def _train(configuration: "Configuration", parent: str | None) -> Report:
    from bench.execution.session import start

    return _carry_through(partial(start, configuration, parent=parent))


def _resume(word: str, given: dict[str, Any], file: Path | None, dry_run: bool) -> Report:
    from bench.configuration import CIRCUMSTANCES, yaml_files
    from bench.execution.session import resume
    from bench.runs.generator import configuration_of
    from bench.runs.run_folder import find

    run = find(word)
    recorded = configuration_of(run.describe())
    given = (yaml_files.read(file) if file else {}) | given
    circumstances = {name: value for name, value in given.items() if name in CIRCUMSTANCES}
    computing = {name: value for name, value in given.items() if name not in CIRCUMSTANCES}
    if changed := recorded.changes(computing):
        raise RequestError(
            f"--resume keeps what a run computes; this would change {', '.join(changed)}; circumstances "
            f"may change: {', '.join(sorted(CIRCUMSTANCES))}"
        )
    changes = recorded.changed_circumstances(circumstances)
    if dry_run:
        return dry_run_report(recorded.with_values(**changes))
    return _carry_through(partial(resume, run, circumstances=changes))


def _carry_through(work: Any) -> Report:
    from bench.commands.run_summary import data, text
    from bench.execution.progress import Progress
    from bench.execution.session import train_on_other_rank
    from bench.system.ranks import joined
    from bench.training.trainer import Interrupted

    shared = click.get_current_context().obj
    quiet, tracker = shared["json"], shared.get("tracker")
    try:
        with joined() as ranks:
            if not ranks.first:
                train_on_other_rank(ranks, Progress(quiet=True))
                raise click.exceptions.Exit(0)
            outcome = work(Progress(quiet=quiet), ranks=ranks, tracker=tracker)
    except Interrupted as error:
        raise stopped(f"stopped; resume with: bench run --resume {error}") from None
    return Report(data(outcome), text(outcome))
