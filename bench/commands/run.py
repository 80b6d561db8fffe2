"""``bench run``: train a variant, or resume a run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.dry_run import dry_run_report
from bench.commands.options import EXPERIMENT, Workers, device, merge_settings, require_given_gpu
from bench.commands.options import settings as set_option
from bench.commands.output import Report, reporting, stopped
from bench.system.errors import RequestError
from bench.system.ranks import is_first, launched
from bench.system.waiting import waiting
from variants.presets import MEANT_FOR

if TYPE_CHECKING:
    from bench.configuration import Configuration
    from bench.runs.record import Record
    from bench.runs.result import RunResult
    from bench.runs.run_folder import RunFolder
    from bench.tracking.process import TrackingProcess
    from variants.knobs import Setting

# values that a configuration reads as false
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
PRESETS = ", ".join(f"{name} ({meaning})" for name, meaning in MEANT_FOR.items())


@click.command("run")
@click.option(
    "--variant",
    metavar="NAME[,NAME...]",
    type=names.SeveralVariants,
    help="Variants to train; `bench variants` lists them. With several, each has its own runs.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    type=names.Dataset,
    help="Data set: a name of `bench datasets`, or folder:PATH [default: the preset's].",
)
@click.option(
    "--preset",
    metavar="NAME",
    type=names.Preset,
    help=f"{PRESETS}. `bench variants NAME` shows what each sets for a variant [default: the data set's].",
)
@click.option("--steps", metavar="N", help="Length of training in generator updates [default: the preset's].")
@click.option(
    "--epochs", metavar="X", help="Length of training in passes over the data, in place of --steps."
)
@click.option("--seed", metavar="N", help="Seed of all random draws [default: 0].")
@click.option("--seeds", metavar="LIST", help="Several seeds, such as 0,1,2 or 0-4: one run each, paired.")
@click.option(
    "--workers",
    metavar="N",
    type=Workers,
    default=1,
    show_default=True,
    help="Runs at a time, if there are several.",
)
@set_option
@click.option(
    "--config", "file", metavar="FILE.yaml", type=click.Path(path_type=Path), help="Configuration keys."
)
@device
@click.option(
    "--experiment", metavar="NAME", help=f"MLflow experiment to record the run in [default: {EXPERIMENT}]."
)
@click.option(
    "--resume",
    metavar="RUN",
    type=names.Run,
    help="Resume a run: its id or name, a beginning, or `last`; with more --steps, extend it.",
)
@click.option("--parent", hidden=True, help="MLflow run that a run of several belongs to.")
@click.option("--dry-run", is_flag=True, help="Print configuration, parameter counts and the cost of a step.")
@reporting
def command(
    settings: dict[str, str],
    file: Path | None,
    seeds: str | None,
    workers: int,
    resume: str | None,
    parent: str | None,
    dry_run: bool,
    **options: str | None,
) -> Report:
    """Train a variant, evaluate it and record everything.

    Runs can be stopped and resumed. With several variants or seeds, each run has its own process. Running
    the same command again continues where it was stopped; at the end it prints the table of all runs.
    """
    given = merge_settings(options, settings)
    several = seeds is not None or "," in str(given.get("variant", ""))
    if resume is not None:
        if seeds is not None:
            raise RequestError(
                "--resume continues one run; to continue several, run their command again without it"
            )
        return _resume(resume, given, file, dry_run)
    if not dry_run:
        require_given_gpu(given, file)
    if several:
        from bench.commands.run_many import run_many

        if launched():
            raise RequestError("torchrun trains one run: give one variant and one seed")
        return run_many(given, file, seeds, workers, dry_run)
    if not dry_run:
        start_tracking(given)
    with waiting("importing torch", click.get_current_context().obj["json"]):
        from bench.configuration import resolve
        from bench.execution.setup import require_names

    configuration = resolve(given, file)
    if dry_run:
        return dry_run_report(configuration)
    require_names(configuration.harness)
    return _train(configuration, parent)


def start_tracking(given: Mapping[str, object]) -> None:
    """Start the tracking process of a run that will train, unless the settings say otherwise."""
    if str(given.get("tracking", "true")).lower() not in FALSE:
        context = click.get_current_context()
        context.obj["tracker"] = context.with_resource(early_tracking())


@contextmanager
def early_tracking() -> Iterator["TrackingProcess | None"]:
    """Start a tracking process on rank 0, so that its imports run while this process imports torch.

    If the run turns out not to be tracked, the process ends without having done anything.
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
    with waiting("importing torch", click.get_current_context().obj["json"]):
        from bench.execution.session import start

    return _report(partial(start, configuration, parent=parent))


def _resume(word: str, given: Mapping[str, object], file: Path | None, dry_run: bool) -> Report:
    from bench.runs.record import RecordEvents
    from bench.runs.run_folder import find

    # a trial that is trained on would no longer be the one that its study compared
    run = find(word, trials=False)
    recorded = RecordEvents(run.record_path).record
    is_over = recorded.is_over()

    def prepare() -> None:
        require_given_gpu({"device": run.describe().config.flat()["device"], **given}, file)
        start_tracking(given)

    if not dry_run and not is_over:
        prepare()
    # a bare resume needs no configuration, whose import takes longer than the answer
    changes, steps = _changes(run, recorded, given, file) if given or file else ({}, None)
    if dry_run:
        from bench.runs.generator import configuration_of

        length = {} if steps is None else {"steps": steps}
        return dry_run_report(configuration_of(run.describe()).with_values(**changes, **length))
    if is_over:
        if steps is None:
            return _nothing_to_train(run)
        prepare()
    with waiting("importing torch", click.get_current_context().obj["json"]):
        from bench.execution.session import resume

    return _report(partial(resume, run, steps=steps, execution_settings=changes))


def _changes(
    run: "RunFolder", recorded: "Record", given: Mapping[str, object], file: Path | None
) -> "tuple[dict[str, Setting], int | None]":
    """Return the execution settings that a resume changes, and the number of steps if it becomes larger.

    Raises
    ------
    RequestError
        If the resume would change another knob, or the run cannot have that number of steps.
    """
    from bench.configuration import EXECUTION_SETTINGS, yaml_files
    from bench.execution.resuming import wanted_steps
    from bench.runs.generator import configuration_of

    described = run.describe()
    before = configuration_of(described)
    given = {**(yaml_files.read(file) if file else {}), **given}
    computing = {name: value for name, value in given.items() if name not in EXECUTION_SETTINGS}
    length = computing.pop("steps", None)
    if changed := before.changes(computing):
        raise RequestError(
            f"--resume keeps what a run computes; this would change {', '.join(changed)}; steps may become "
            f"more, and execution settings may change: {', '.join(sorted(EXECUTION_SETTINGS))}"
        )
    settings = before.changed_execution_settings(given)
    if length is None:
        return settings, None
    wanted = wanted_steps(described, recorded, before.with_values(steps=length).harness.steps)
    is_more = wanted > recorded.planned_steps(described.config.steps)
    return settings, wanted if is_more else None


def _nothing_to_train(run: "RunFolder") -> Report:
    """Report a run that is over, without building anything."""
    from bench.commands.run_summary import data, text
    from bench.runs.record import RecordEvents
    from bench.runs.result import RunResult

    result = RunResult(run, run.describe(), RecordEvents(run.record_path).record)
    line = f"{result.end_text}: nothing to train"
    if result.description.tracking:
        line += f"; bench track {quote(result.description.name)} sends what its store may lack"
    if not click.get_current_context().obj["json"] and is_first():
        click.echo(line, err=True)
    return Report(data(result), text(result))


def _report(train: Callable[..., "RunResult"]) -> Report:
    """Train on all ranks and report the result on rank 0."""
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
            result = train(Progress(quiet=quiet), ranks=ranks, tracker=tracker)
    except Interrupted as error:
        raise stopped(f"stopped; resume with: bench run --resume {quote(str(error))}") from None
    return Report(data(result), text(result))
