"""Verification of a run: it is trained again and compared with its record."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from bench.configuration import Configuration
from bench.execution.differences import Comparison, Differs, Verification
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.health import alarms, verdict
from bench.runs import environment, record
from bench.runs.data_location import configuration_at, samples_of
from bench.runs.description import RunDescription
from bench.runs.environment import Environment
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, WorkError
from bench.training.history import History
from bench.training.trainer import Diverged, Interrupted
from variants.scalars import TrainingScalar

# On other machines rounding differs, and the differences grow in training: with other convolution code three
# quick runs differed by more than this at steps 10, 17 and 43.
TOLERANCE_ELSEWHERE = 0.01
STEPS_ELSEWHERE = 5
# facts that decide the last bits of numbers on a CPU
ARITHMETIC = ("processor", "cpu_capability", "threads", "gpu")


def verify(
    run: RunFolder,
    progress: Progress,
    steps: int | None = None,
    tolerance: float | None = None,
    data: Path | None = None,
) -> Verification:
    """Train the run again and compare every recorded number.

    Real samples are measured again, without the cache. Health and the best values are computed again from
    the recorded evaluations, and health also by the rules of this version.

    Parameters
    ----------
    run : RunFolder
        A run that is over; its folder is only read.
    progress : Progress
        Prints the progress.
    steps : int, optional
        Last step to train. By default the whole run if it can be repeated exactly (on a CPU, with the
        processor, thread count, torch and numpy of the record), otherwise :data:`STEPS_ELSEWHERE`.
    tolerance : float, optional
        Largest allowed difference, relative or (for numbers below 1) absolute. By default 0 if the run can be
        repeated exactly, otherwise :data:`TOLERANCE_ELSEWHERE`.
    data : Path, optional
        Folder to which the run's data moved.

    Returns
    -------
    Verification
        All compared values are the same. The run is verified only if nothing is undecided.

    Raises
    ------
    RequestError
        If the run is not over, or its data are not in the folder.
    WorkError
        If run.json does not match its digest, or data, configuration or protocol differ from run.json.
    Differs
        At the first value that differs; the message has its step.
    """
    description, recorded = run.describe(), record.read(run.record_path)
    if recorded.end is None or not recorded.is_over():
        raise RequestError(f"run {description.name} is not over: bench run --resume {run.id} first")
    check_as_written(run)
    configuration = as_recorded(description, data)
    if data is not None:
        samples_of(description, data, progress.info)
    setup = set_up(configuration, progress, stand_in=False, distance=description.metric)
    differences = differences_of_machines(description.environment, environment.facts())
    exact = not differences and setup.device.type == "cpu"
    allowed = (0.0 if exact else TOLERANCE_ELSEWHERE) if tolerance is None else tolerance
    check_identity(run, description, recorded, setup)
    result = Verification(allowed == 0, allowed, notes=differences)
    if (commit := environment.commit()) != description.environment.commit:
        result.notes.append(f"code: recorded at {description.environment.commit}, this is {commit}")
    total = recorded.end.step if recorded.end.stopped_on else setup.stop_rule.steps
    last = min(steps or (total if exact else STEPS_ELSEWHERE), total)
    if (other := first_differing_session(recorded)) is not None and other.step < last:
        last = other.step
        differing = "; ".join(other.differences(recorded.sessions[0]))
        result.notes.append(f"steps after {last:,} were trained otherwise: {differing}")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-verify-") as temporary:
            repeat(run, recorded, setup, last, Path(temporary), result, progress)
    except Differs as error:
        error.notes = result.notes
        raise
    return result


def check_as_written(run: RunFolder) -> None:
    """Raise Differs at the first line whose text is not the text that a run writes for its values.

    A last digit can be changed without a change of the nearest floating-point number.
    """
    for line in run.record_path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if json.dumps(row) != line:
            raise Differs(row.get("step", 0), "a line", line, json.dumps(row))


def as_recorded(description: RunDescription, data: Path | None = None) -> Configuration:
    """Return the configuration with the run's device and thread count, and its data in a folder if given."""
    configuration = configuration_at(description, data)
    return configuration.with_values(
        device="cpu" if description.environment.gpu is None else configuration.harness.device,
        threads=description.environment.threads,
    )


def differences_of_machines(then: Environment, now: Environment) -> list[str]:
    """List the differences of two machines that decide the last bits of numbers."""
    pairs = {name: (getattr(then, name), getattr(now, name)) for name in ARITHMETIC}
    # sums over several processes have another order
    pairs["processes"] = (then.ranks, now.ranks)
    # most metrics are computed by numpy
    for name in ("torch", "numpy"):
        pairs[name] = (then.packages.get(name), now.packages.get(name))
    return [f"{name}: recorded with {a}, this is {b}" for name, (a, b) in pairs.items() if a != b]


def first_differing_session(recorded: record.Record) -> record.Session | None:
    """Return the first session with other arithmetic than the first one, among sessions with valid steps."""
    first, *others = recorded.sessions
    for index, session in enumerate(others):
        is_valid = all(later.step > session.step for later in others[index + 1 :])
        if is_valid and session.differences(first.model_copy(update={"commit": session.commit})):
            return session
    return None


def check_identity(
    run: RunFolder, description: RunDescription, recorded: record.Record, setup: TrainingSetup
) -> None:
    """Compare run.json with the setup of the repetition; raise WorkError if they differ."""
    if not recorded.sessions:
        raise WorkError(f"{run.record_path} does not say in which session it began")
    then, now = description, setup.describe(run.id, description.name)
    # the path of a folder is part of its name; the data are identified by their hash
    now_at_then = setup.configuration.with_values(dataset=then.config.dataset)
    began, environment_then = recorded.sessions[0], then.environment
    packages = environment_then.packages
    pairs: list[tuple[str, object, object]] = [
        ("id", then.id, run.id),
        ("configuration hash", then.config_hash, now_at_then.hash(then.config.flat())),
        ("protocol", then.protocol, now.protocol),
        ("metric", then.metric, now.metric),
        ("paired", then.paired, now.paired),
        ("real batches per step", then.real_batches_per_step, now.real_batches_per_step),
        *_fields("data", then.data, now.data.model_copy(update={"name": then.data.name})),
        *(
            (f"network {name}", then.networks.get(name), now.networks.get(name))
            for name in dict.fromkeys([*then.networks, *now.networks])
        ),
        *(
            (f"{field} of {name}", getattr(declared, field), getattr(now.metrics.get(name), field, None))
            for name, declared in then.metrics.items()
            for field in ("better", "settings")  # a title is for readers
        ),
        ("commit of the first session", began.commit, environment_then.commit),
        ("threads of the first session", began.threads, environment_then.threads),
        ("cpu_capability of the first session", began.cpu_capability, environment_then.cpu_capability),
        ("torch of the first session", began.torch, packages.get("torch")),
    ]
    for what, before, found in pairs:
        if before != found:
            raise WorkError(f"run {then.name}: {what} is recorded as {before} and is now {found}")


def _fields(part: str, then: BaseModel, now: BaseModel) -> Iterator[tuple[str, object, object]]:
    """Yield name, recorded value and present value of each field of a part of a description."""
    for name, value in then:
        yield f"{part} {name}", value, getattr(now, name)


def repeat(
    run: RunFolder,
    recorded: record.Record,
    setup: TrainingSetup,
    last: int,
    folder: Path,
    result: Verification,
    progress: Progress,
) -> None:
    """Train in `folder` up to step `last` and compare every step; then compare the end of the run."""
    description = run.describe()
    # without the cache, whose content may have been changed
    real = setup.judge.score_real(setup.array.samples, setup.array.labels)
    setup = replace(setup, real=real, scalars=description.scalars)
    writer = record.RecordWriter(folder / record.FILE)
    trainer = setup.trainer(writer, folder, History(), [progress], lambda: False)
    measured = frozenset(description.real)
    comparison = Comparison(run, recorded, trainer, last, result, measured, setup.array.modes)
    trainer.callbacks.append(comparison)
    compare_real(comparison, description.real, setup.real)
    diverged_at = None
    try:
        with progress.bar(trainer, setup.configuration.harness.eval_samples):
            trainer.train()
    except Interrupted:
        pass
    except Diverged as error:
        diverged_at = error.step
    finally:
        writer.close()
    comparison.finish(over=diverged_at is not None)
    compare_rules(comparison, recorded, description.scalars, setup.variant.scalars)
    comparison.compare_marks()
    for extension in recorded.extensions:
        if extension.event.step <= last:
            compare_old_end(comparison, recorded, extension, setup.with_recorded_rules(description))
    compare_end(comparison, recorded, description, setup, diverged_at)


def compare_real(comparison: Comparison, recorded: Mapping[str, float], repeated: dict[str, float]) -> None:
    """Compare the recorded metrics of held-out real samples with a new measurement."""
    for name, value in recorded.items():
        comparison.compare(None, f"{name} of real samples", value, repeated.get(name))


def compare_rules(
    comparison: Comparison,
    recorded: record.Record,
    then: Sequence[TrainingScalar],
    now: Sequence[TrainingScalar],
) -> None:
    """Compare the alarms with those that the recorded steps raise by the recorded rules, and the rules."""
    comparison.compare_alarms(recorded.alarms, alarms.alarms_of(recorded.steps, then))
    undecided = comparison.result.undecided
    if _alarms(then) != _alarms(now):
        undecided.append("the rules of alarms, which are not those of this version")
    if _selection(then) != _selection(now):
        undecided.append(
            "the scalars that select checkpoints or steer rates, which are not those of this version"
        )


def _alarms(declared: Sequence[TrainingScalar]) -> dict[str, object]:
    return {scalar.name: scalar.alarms for scalar in declared if scalar.alarms}


def _bounds(declared: Sequence[TrainingScalar]) -> dict[str, object]:
    return {scalar.name: scalar.stuck_at for scalar in declared if scalar.stuck_at}


def _selection(declared: Sequence[TrainingScalar]) -> dict[str, object]:
    return {
        scalar.name: (scalar.selects and scalar.better, scalar.steers)
        for scalar in declared
        if scalar.selects or scalar.steers
    }


def compare_old_end(
    comparison: Comparison, recorded: record.Record, extension: record.Extension, setup: TrainingSetup
) -> None:
    """Compare what the run said of itself before it was extended, by the rules that the run began with."""
    then, end, saved = recorded.at_old_end(extension), extension.end, extension.checkpoint
    if saved:
        first = max((each.step for each in then.checkpoints if each.means and each is not saved), default=0)
        means = History.of(then, setup.scalars).means(first, saved.step, setup.scalars)
        comparison.compare_values(saved.step, saved.means, means)
    if end:
        comparison.compare_values(end.step, end.best, setup.best(then))
        comparison.compare(end.step, "health", end.health, setup.health(then, None))
        if end.status == "FINISHED":
            comparison.compare(end.step, "step", end.step, extension.event.before)


def compare_end(
    comparison: Comparison,
    recorded: record.Record,
    description: RunDescription,
    setup: TrainingSetup,
    diverged_at: int | None,
) -> None:
    """Compare the last line: status, step, best values, and health by recorded and present rules."""
    assert recorded.end is not None
    end, undecided = recorded.end, comparison.result.undecided
    evaluations = [(evaluation.step, evaluation.values) for evaluation in recorded.evaluations]
    by_recorded_rules = setup.with_recorded_rules(description)
    rules = description.health_rules
    stopped_at = setup.stop_rule.step_of(evaluations, by_recorded_rules.real, rules)
    comparison.compare(end.step, "stopped_on", end.stopped_on, None if stopped_at is None else "collapse")
    if stopped_at is None and diverged_at is None and not comparison.whole and end.status != "FINISHED":
        # the repetition ends before this step
        diverged_at = end.step
        undecided.append(f"that a loss ceased to be finite at step {diverged_at:,}")
    ended_early = stopped_at if diverged_at is None else diverged_at
    step = comparison.trainer.plan.steps if ended_early is None else ended_early
    comparison.compare_values(end.step, end.best, setup.best(recorded))
    comparison.compare(end.step, "step", end.step, step)
    comparison.compare(end.step, "status", end.status, "FINISHED" if ended_early is None else "FAILED")
    then = by_recorded_rules.health(recorded, diverged_at)
    comparison.compare(end.step, "health", end.health, then)
    present = setup.variant.scalars
    if description.health_rules != verdict.RULES or _bounds(description.scalars) != _bounds(present):
        today = replace(setup, scalars=present).health(recorded, diverged_at)
        undecided.append(
            f"the rules of health, which are not those of this version: by the recorded rules the run is "
            f"{end.health}, by this version's {today}"
        )
