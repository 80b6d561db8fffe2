"""One run from its configuration to its end: data, variant, judge, trainer, tracking."""

import math
import uuid
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Literal

from filelock import Timeout

from bench.configuration import Configuration
from bench.execution import disk, resuming
from bench.execution.callbacks import Alarms, Collapsed, Grids, StopOnCollapse
from bench.execution.opening import opening, resume_text
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.execution.tracked_run import TrackingRestarts, tracking
from bench.health.alarms import AlarmMonitor
from bench.runs import environment, record, run_folder
from bench.runs.checkpoint import TrainingState
from bench.runs.description import RunDescription, StudyTrial
from bench.runs.generator import configuration_of, load
from bench.runs.result import RunResult
from bench.runs.run_folder import RunFolder
from bench.runs.run_names import run_name
from bench.system import os_errors
from bench.system.errors import RequestError, WorkError
from bench.system.interruption import stop_on_signal
from bench.system.json_values import JsonScalar
from bench.system.leftovers import remove_leftovers
from bench.system.ranks import ALONE, RankLost, Ranks
from bench.system.waiting import waiting
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store, store_at_resume
from bench.training.device import require_gpu
from bench.training.history import History
from bench.training.trainer import Callback, Diverged, Interrupted
from variants.scalars import TrainingScalar


@dataclass(frozen=True)
class SharedStart:
    """Start of training on all ranks, broadcast by rank 0.

    Attributes
    ----------
    config : dict
        Every knob by name.
    state : TrainingState or None
        State to resume from.
    declared : tuple of TrainingScalar
        The scalars that the run declares.
    distance : str
        Name of the Frechet distance by which the run is judged; empty without a judge.
    scalars : dict of str to list of float
        Values at all earlier steps of the scalars that select checkpoints or steer learning rates.
    """

    config: dict[str, JsonScalar]
    state: TrainingState | None
    declared: tuple[TrainingScalar, ...]
    distance: str
    scalars: dict[str, list[float]]


LOADING = "loading data, networks and judge"
NOTHING_TO_TRAIN: SharedStart | None = None


def start(
    configuration: Configuration,
    progress: Progress,
    *,
    parent: str | None = None,
    study: StudyTrial | None = None,
    on_start: Callable[[RunFolder, TrainingSetup], list[Callback]] = lambda run, setup: [],
    tracker: TrackingProcess | None = None,
    ranks: Ranks = ALONE,
) -> RunResult:
    """Train a new run.

    Parameters
    ----------
    configuration : Configuration
        What to train.
    progress : Progress
        Shows progress and warnings.
    parent : str, optional
        Id of the parent run in MLflow.
    study : StudyTrial, optional
        The trial of a study that the run belongs to.
    on_start : callable
        Called when the run exists and before training; returns callbacks.
    tracker : TrackingProcess, optional
        A tracking process that several runs share; by default the run has its own.
    ranks : Ranks
        The processes that train the run together; this is rank 0, the others call
        :func:`train_on_other_rank`.

    Raises
    ------
    RequestError, WorkError
        As :func:`set_up`. WorkError also if the tracking store cannot be used, or if training ends for lack
        of disk space or memory; the run can then be resumed.
    Interrupted
        If the user stopped the run; it can be resumed.
    Diverged
        If a loss was not finite.
    Collapsed
        If an evaluation showed a collapse and the knob `stop_on` says that this ends the run.
    """
    require_gpu(configuration.harness.device)
    with tracking(configuration.harness.tracking, progress, tracker) as tracker:
        with waiting(LOADING, progress.quiet):
            setup = set_up(configuration, progress, ranks)
        harness = setup.configuration.harness
        name = partial(run_name, type(setup.variant), harness.dataset, harness.seed)
        description = setup.describe("", name(), parent, study)
        disk.check_room(setup.configuration, setup.variant)
        run_id = uuid.uuid4().hex
        if tracker:
            # the optimizers import torch._dynamo, which takes as long as importing torch
            store = current_store()
            run_id = tracker.create(description, store, lambda: import_module("torch._dynamo"))
        description = description.model_copy(update={"id": run_id, "name": name(run_id)})
        run = run_folder.create(description)
        with run.lock():
            resuming.begin(run, record.Record(), setup.session(description.environment, ranks), None)
            progress.info(opening(run, description))
            watch = AlarmMonitor(description.scalars)
            callbacks = on_start(run, setup)
            if tracker:
                tracker.follow(run, store)
                callbacks = [*callbacks, TrackingRestarts(tracker, progress)]
            return _train(run, description, setup, History(), watch, None, progress, callbacks, ranks)


def resume(
    run: RunFolder,
    progress: Progress,
    *,
    steps: int | None = None,
    execution_settings: Mapping[str, JsonScalar] | None = None,
    on_start: Callable[[RunFolder, TrainingSetup], list[Callback]] = lambda run, setup: [],
    tracker: TrackingProcess | None = None,
    ranks: Ranks = ALONE,
) -> RunResult:
    """Resume a run from its newest intact checkpoint; of a run that is over only return the result.

    With more `steps` than planned the run is extended, over or not.

    The other parameters are those of :func:`start`; nothing is built for a run that is over. The run is
    resumed even if the tracking store is unreachable; missing data is sent when the store is back.

    Parameters
    ----------
    steps : int, optional
        Length of the whole training; by default the planned one.
    execution_settings : mapping, optional
        Values of :data:`bench.configuration.EXECUTION_SETTINGS` for this session.

    Raises
    ------
    RequestError
        If another process trains the run, an execution setting is not possible, or the run cannot have that
        number of steps.
    WorkError
        If the data changed, the record is damaged, or no checkpoint can be resumed from.
    """
    description = run.describe()
    begun_with = configuration_of(description)
    changed = begun_with.changed_execution_settings(execution_settings or {})
    resumed = begun_with.with_values(**changed)
    try:
        lock = run.lock().acquire()
    except Timeout:
        raise RequestError(f"run {run.id} is being trained by another process") from None
    with lock:
        recorded = record.read(run.record_path)
        wanted = resuming.wanted_steps(description, recorded, steps)
        if recorded.is_over() and wanted == description.config.steps:
            result = RunResult(run, description, recorded)
            progress.info(f"{result.end_text}: nothing to train")
            ranks.broadcast(NOTHING_TO_TRAIN)
            return result
        require_gpu(resumed.harness.device)
        with tracking(resumed.harness.tracking, progress, tracker) as tracker:
            store, note = store_at_resume(description.tracking)
            if tracker and note:
                progress.info(note)
            remove_leftovers(run.path)
            configuration = shared_among(ranks, resumed.with_values(steps=wanted), progress)
            with waiting(LOADING, progress.quiet):
                setup = set_up(
                    configuration, progress, ranks, stand_in=False, distance=description.metric
                ).with_recorded_rules(description)
            setup.require_same_data(description)
            state = resuming.newest_state(run, recorded, progress)
            step = state["step"] if state else 0
            session = setup.session(environment.facts(), ranks, step, changed)
            before = recorded.planned_steps(description.config.steps)
            description = resuming.extend(run, description, recorded, setup, state)
            if differences := resuming.begin(run, recorded, session, state):
                progress.warning(
                    f"different from the session before ({'; '.join(differences)}): last bits may differ"
                )
            progress.info(opening(run, description, step))
            if wanted != before:
                progress.info(f"extended from {before:,} to {wanted:,} steps")
                if aside := recorded.extensions[-1].evaluation:
                    progress.info(
                        f"the evaluation at step {aside.step:,} is kept, not counted: a run of "
                        f"{wanted:,} steps has none there"
                    )
            callbacks = on_start(run, setup)
            if tracker:
                tracker.follow(run, store)
                callbacks = [*callbacks, TrackingRestarts(tracker, progress)]
            history, watch = History.of(recorded, setup.scalars), AlarmMonitor(description.scalars)
            for row in recorded.steps:
                watch.update(row)
            # the steps of a long run do not stay in memory during training
            del recorded
            return _train(run, description, setup, history, watch, state, progress, callbacks, ranks)


def shared_among(ranks: Ranks, configuration: Configuration, progress: Progress) -> Configuration:
    """Return the configuration with a number of micro-batches that these ranks can share."""
    micro_batches = configuration.harness.micro_batches or 1
    if micro_batches % ranks.count == 0:
        return configuration
    needed = math.lcm(micro_batches, ranks.count)
    progress.warning(
        f"{ranks.count} processes compute {needed} micro-batches per step, not {micro_batches}: "
        "batch norm, where there is any, sees fewer samples at a time"
    )
    return configuration.with_values(micro_batches=needed)


def train_on_other_rank(ranks: Ranks, progress: Progress) -> None:
    """Run the training loop of the non-zero ranks.

    Raises
    ------
    WorkError
        As :func:`start`, and if the configuration is possible on the host of rank 0 but not on this one.
    Interrupted
        If the user stopped any rank.
    """
    try:
        shared = ranks.broadcast(NOTHING_TO_TRAIN)
    except RankLost:
        # rank 0 has reported the reason
        return
    if shared is None:
        return
    history = History({name: array("d", values) for name, values in shared.scalars.items()})
    with stop_on_signal() as stop_requested:
        try:
            setup = set_up(
                Configuration.from_flat(shared.config),
                progress,
                ranks,
                stand_in=False,
                distance=shared.distance,
            )
            setup = replace(setup, scalars=shared.declared)
        except RequestError as error:
            # the configuration was possible on rank 0, so the fault is this host's
            raise WorkError(str(error)) from None
        trainer = setup.trainer(record.NoWriter(), Path(), history, [progress], stop_requested, ranks)
        if shared.state:
            trainer.restore(shared.state)
        trainer.train()


def _train(
    run: RunFolder,
    description: RunDescription,
    setup: TrainingSetup,
    history: History,
    watch: AlarmMonitor,
    state: TrainingState | None,
    progress: Progress,
    callbacks: list[Callback],
    ranks: Ranks,
) -> RunResult:
    """Train until the run ends, fails or is stopped, and write the end to the record."""
    past = {name: values.tolist() for name, values in history.scalars.items()}
    ranks.broadcast(SharedStart(setup.configuration.flat(), state, setup.scalars, setup.judge.metric, past))
    if setup.configuration.harness.micro_batches != 1:
        progress.info(setup.batch_text(ranks))
    writer = record.RecordWriter(run.record_path)
    status: Literal["FINISHED", "FAILED", "KILLED"] = "FINISHED"
    diverged_at: int | None = None
    stopped_on: Literal["collapse"] | None = None
    stop = StopOnCollapse(setup, description.name)
    for evaluation in history.evaluations:
        stop.look_at(evaluation)
    with stop_on_signal() as stop_requested:
        alarms = Alarms(watch, writer, progress)
        callbacks = [progress, alarms, Grids(run, setup.array.modes), stop, *callbacks]
        origin = run_folder.origin_of(description)
        trainer = setup.trainer(writer, run.checkpoints, history, callbacks, stop_requested, ranks, origin)
        if state:
            trainer.restore(state)
        try:
            with progress.bar(trainer, setup.configuration.harness.eval_samples):
                stop.train(trainer)
        except (Interrupted, KeyboardInterrupt):
            status = "KILLED"
            raise Interrupted(description.name) from None
        except RankLost as error:
            status = "FAILED"
            again = f"resume with: torchrun ... -m bench run --resume {quote(description.name)}"
            raise RankLost(f"{error}; {again}") from None
        except BaseException as error:
            status, diverged_at = "FAILED", error.step if isinstance(error, Diverged) else None
            stopped_on = "collapse" if isinstance(error, Collapsed) else None
            if message := os_errors.message_in_training(error):
                raise WorkError(f"{message}; {resume_advice(trainer.step, description)}") from error
            if not isinstance(error, Diverged | Collapsed):
                again = f"resume with: {resume_text(description)}"
                progress.warning(f"training stopped at step {trainer.step:,}; {again}")
            raise
        finally:
            end(run, setup, writer, status, diverged_at, stopped_on, progress)
    if setup.configuration.harness.figures:
        draw(run, setup, progress)
    return RunResult(run, description, record.read(run.record_path))


def resume_advice(step: int, description: RunDescription) -> str:
    """Return how to resume a run that a fault of the machine stopped."""
    return f"training stopped at step {step:,}: make room, then resume with: {resume_text(description)}"


def end(
    run: RunFolder,
    setup: TrainingSetup,
    writer: record.RecordWriter,
    status: Literal["FINISHED", "FAILED", "KILLED"],
    diverged_at: int | None,
    stopped_on: Literal["collapse"] | None,
    progress: Progress,
) -> None:
    """Determine the health of the run, write its end to the record, and draw the trajectories."""
    recorded = record.read(run.record_path)
    ended = record.End(
        # steps whose scalars were not copied to the host are not recorded
        step=recorded.last_step,
        status=status,
        health=setup.health(recorded, diverged_at),
        best=setup.best(recorded),
        peak_memory=environment.peak_memory(setup.device),
        stopped_on=stopped_on,
    )
    try:
        writer.write([ended])
        writer.sync()
    except OSError as error:
        # a record without an end is that of an interrupted run, which can be resumed
        if status == "FINISHED":
            advice = resume_advice(ended.step, run.describe())
            raise WorkError(f"{os_errors.system_error_message(error)}; {advice}") from error
        return
    finally:
        writer.close()
    if setup.configuration.harness.figures:
        progress.info("drawing figures")
        with figures_may_fail(run, progress):
            # imported late so that matplotlib does not delay the first step
            from bench.figures import of_run

            of_run.draw_trajectories(run)


def draw(run: RunFolder, setup: TrainingSetup, progress: Progress) -> None:
    """Draw the samples of a finished run."""
    with figures_may_fail(run, progress):
        from bench.figures import of_run

        materials = of_run.Materials(load(run), setup.array, setup.judge.extractor)
        of_run.draw_samples(materials, run.figures, of_run.FEATURES_AT_END)


@contextmanager
def figures_may_fail(run: RunFolder, progress: Progress) -> Iterator[None]:
    """Turn errors into warnings, because the run is complete even if its figures cannot be drawn."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        progress.warning(f"not all figures could be drawn ({reason}): try bench plot {run.id}")
