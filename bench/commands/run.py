"""``bench run``: train, or go on with a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.report import Report, reporting, table
from bench.errors import RequestError

if TYPE_CHECKING:
    from bench.configuration import Configuration


@click.command("run")
@click.option("--variant", metavar="NAME", help="What to train; `bench variants` lists them.")
@click.option("--dataset", metavar="NAME", help="What on: a name of `bench datasets`, or folder:PATH.")
@click.option(
    "--preset", metavar="NAME", help="quick (minutes on two cores), small (an hour on a GPU) or paper."
)
@click.option("--steps", metavar="N", help="Length of training in generator updates.")
@click.option("--epochs", metavar="X", help="Length of training in passes over the data.")
@click.option("--seed", metavar="N", help="Seed of everything that is drawn.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Any configuration key; repeatable."
)
@click.option(
    "--config", "file", metavar="FILE.yaml", type=click.Path(path_type=Path), help="Configuration keys."
)
@click.option("--device", metavar="NAME", help="auto, cpu or cuda.")
@click.option("--experiment", metavar="NAME", help="MLflow experiment to record the run in.")
@click.option("--resume", metavar="RUN", help="Go on with a run: an id, a unique prefix, a name or `last`.")
@click.option("--dry-run", is_flag=True, help="Print configuration, parameter counts and the cost of a step.")
@reporting
def command(
    settings: tuple[str, ...], file: Path | None, resume: str | None, dry_run: bool, **options: str | None
) -> Report:
    """Train a variant, judge it and record everything; stop and resume at will."""
    from bench.configuration import parse_settings, resolve

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name, value in parse_settings(settings).items():
        if given.get(name, value) != value:
            raise RequestError(f"{name} is given twice: {given[name]!r} and {value!r}")
        given[name] = value
    if resume is not None:
        return _resume(resume, given, file, dry_run)
    configuration = resolve(given, file)
    from bench.datasets import check_name

    if dry_run:
        return _dry_run(configuration)
    check_name(configuration.harness.dataset)
    return _train(configuration)


def _train(configuration: "Configuration") -> Report:
    from bench.session import start

    return _carry_through(lambda progress: start(configuration, progress))


def _resume(word: str, given: dict[str, Any], file: Path | None, dry_run: bool) -> Report:
    from bench.configuration import read_file, resolve
    from bench.run_folder import find
    from bench.session import resume
    from bench.trained import configuration_of

    run = find(word)
    recorded = configuration_of(run.describe())
    asked = (read_file(file) if file else {}) | given
    if asked:
        wanted = resolve(
            recorded.flat() | {"steps": None, "epochs": None} | _length(recorded.flat(), asked) | asked
        )
        old, new = recorded.flat(), wanted.flat()
        changed = [f"{name} {old[name]!r} -> {new[name]!r}" for name in old if old[name] != new.get(name)]
        if changed:
            raise RequestError(
                f"--resume keeps a run's configuration; this would change {', '.join(changed)}"
            )
    if dry_run:
        return _dry_run(recorded)
    return _carry_through(lambda progress: resume(run, progress))


def _length(recorded: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    return {} if {"steps", "epochs"} & set(asked) else {"steps": recorded["steps"]}


def _carry_through(work: Any) -> Report:
    from bench.commands.run_summary import data, text
    from bench.progress import Progress
    from bench.trainer import Interrupted

    quiet = click.get_current_context().obj["json"]
    try:
        outcome = work(Progress(quiet=quiet))
    except Interrupted as error:
        click.echo(f"bench: stopped; resume with: bench run --resume {error}", err=True)
        raise click.exceptions.Exit(130) from None
    return Report(data(outcome), text(outcome))


def _dry_run(configuration: "Configuration") -> Report:
    from bench.configuration import knobs_of, unit_of
    from bench.cost import cost
    from bench.datasets import native_channels

    harness = configuration.harness
    try:
        price = cost(configuration, harness.channels or native_channels(harness.dataset))
    except ValueError as error:
        raise RequestError(str(error)) from None
    flat = configuration.flat()
    knobs = knobs_of(configuration.variant)
    rows = [(name, str(value), unit_of(knobs[name]) if name in knobs else "") for name, value in flat.items()]
    total = price.generator_parameters + price.discriminator_parameters
    costs = [
        (
            "parameters",
            f"{total:,} (generator {price.generator_parameters:,}, "
            f"discriminator {price.discriminator_parameters:,})",
        ),
        ("operations of a step", f"{price.step_operations / 1e9:.3g} GFLOP"),
        ("configuration hash", configuration.hash()[:16]),
    ]
    data = {
        "config": flat,
        "config_hash": configuration.hash(),
        "parameters": {
            "generator": price.generator_parameters,
            "discriminator": price.discriminator_parameters,
            "total": total,
        },
        "step_operations": price.step_operations,
    }
    return Report(data, table(rows) + "\n\n" + table(costs))
