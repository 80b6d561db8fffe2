"""One run from its configuration to its end: data, variant, judge, trainer, tracking."""

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from torch import Tensor

from bench import datasets, environment, pictures, places, record, run_folder
from bench.configuration import Configuration, Harness
from bench.device import prepare
from bench.errors import RequestError, WorkError
from bench.interruption import stop_on_signal
from bench.judging import extractors, health
from bench.judging.judge import Judge
from bench.judging.measurement import Measurement
from bench.judging.reference import reference_statistics
from bench.learning_rate import LearningRateRule
from bench.progress import Progress
from bench.run_folder import RunFolder
from bench.tracking.process import TrackingProcess, tracking_uri
from bench.trained import configuration_of
from bench.trainer import Diverged, Interrupted, Observer, Plan, Trainer, best_checkpoints
from variants.base import Variant, parameter_count
from variants.noise import derive_seed


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    run : RunFolder
        Its folder.
    description : dict
        What run.json says.
    record : Record
        What the record says.
    """

    run: RunFolder
    description: dict[str, Any]
    record: record.Record


@dataclass(frozen=True)
class Workbench:
    """What a configuration becomes on this machine."""

    configuration: Configuration
    array: datasets.ImageArray
    batches: datasets.Batches
    variant: Variant
    judge: Judge
    device: torch.device

    def describe(self, run_id: str, name: str) -> dict[str, Any]:
        """The identity and circumstances of a run, for run.json and the tracking store."""
        return {
            "id": run_id,
            "name": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": self.configuration.flat(),
            "config_hash": self.configuration.hash(),
            "data": {
                "name": self.array.name,
                "hash": self.array.hash,
                "transform": self.array.transform,
                "count": self.array.count,
            },
            "metric": self.judge.extractor.metric,
            "protocol": self.judge.protocol,
            "parameters": {
                "generator": parameter_count(self.variant.generator),
                "discriminator": parameter_count(self.variant.discriminator),
            },
            "environment": environment.facts(),
            "tracking": tracking_uri() if self.configuration.harness.tracking else None,
            "command": sys.argv[1:],
        }


def prepare_workbench(configuration: Configuration, progress: Progress) -> Workbench:
    """Load data, build the networks and measure the reference; creates nothing but caches.

    Raises
    ------
    RequestError
        If the variant cannot be built at that size, or the batch is larger than the data set.
    WorkError
        If the data or what judging needs is missing.
    """
    harness = configuration.harness
    device = prepare(harness.device, harness.threads)
    datasets.check_name(harness.dataset)
    channels = harness.channels or datasets.native_channels(harness.dataset)
    shape = (channels, harness.image_size, harness.image_size)
    # the first weights come from a stream of their own, made on the CPU for every device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(harness.seed, "initial weights"))
        try:
            variant = configuration.variant(configuration.hyperparameters, shape)
        except ValueError as error:
            raise RequestError(str(error)) from None
    array = datasets.load(
        harness.dataset,
        image_size=harness.image_size,
        channels=channels,
        data_root=Path(harness.data_root) if harness.data_root else places.datasets(),
        cache=places.cache(),
        notify=progress.say,
    )
    batches = datasets.Batches(
        array, batch_size=harness.batch_size, seed=harness.seed, device=device, drop_last=harness.drop_last
    )
    reals = sum(phase.new_real for phase in variant.phases())
    steps = harness.steps or max(1, round((harness.epochs or 0) * batches.batches_per_epoch / reals))
    extractor = extractors.choose(
        channels,
        places.cache(),
        allow_download=True,
        device=device,
        prefer_shipped=harness.extractor == "shipped",
    )
    reference = reference_statistics(extractor, array.images, array.hash, array.name, places.cache())
    judge = Judge(extractor, reference, harness.eval_samples, generator="ema" if harness.ema_decay else "raw")
    resolved = configuration.with_values(steps=steps, epochs=None, channels=channels)
    return Workbench(resolved, array, batches, variant.to(device), judge, device)


def start(configuration: Configuration, progress: Progress) -> Outcome:
    """Train a new run.

    Raises
    ------
    RequestError, WorkError
        As :func:`prepare_workbench`; and WorkError if the tracking store cannot be used.
    Interrupted
        If the user stopped it; it can be resumed.
    Diverged
        If a loss was not finite.
    """
    with tracking(configuration.harness.tracking, progress) as tracker:
        workbench = prepare_workbench(configuration, progress)
        harness = workbench.configuration.harness
        data = harness.dataset.partition(":")[0]
        token = uuid.uuid4().hex
        name = f"{workbench.variant.name}-{data}-s{harness.seed}-{token[:6]}"
        description = workbench.describe(token, name)
        if tracker:
            description["id"] = tracker.create(description)
        run = run_folder.create(description["id"], description)
        with run.lock():
            if tracker:
                tracker.follow(run.path, description["tracking"])
            return carry_out(run, description, workbench, record.Record(), None, progress)


def resume(run: RunFolder, progress: Progress) -> Outcome:
    """Go on with a run from its newest whole checkpoint; a complete one is only tracked to its end.

    Raises
    ------
    RequestError
        If another process trains the run.
    WorkError
        If the data changed, or no checkpoint is whole.
    """
    description = run.describe()
    try:
        lock = run.lock().acquire()
    except Timeout:
        raise RequestError(f"run {run.id} is being trained by another process") from None
    with lock, tracking(description["tracking"] is not None, progress) as tracker:
        rows = record.read(run.record_path)
        if rows.end and rows.end["status"] != "KILLED":
            progress.say(f"run {description['name']} is complete: nothing to train")
            if tracker:
                tracker.follow(run.path, description["tracking"])
            return Outcome(run, description, rows)
        workbench = prepare_workbench(configuration_of(description), progress)
        if workbench.array.hash != description["data"]["hash"]:
            raise WorkError(
                f"the data of run {run.id} changed since it began: {workbench.array.name} has another hash"
            )
        state = newest_state(run, progress)
        step = state["step"] if state else 0
        rows.take_back(step)
        writer = record.RecordWriter(run.record_path)
        writer.event("resume", step=step)
        writer.close()
        if tracker:
            tracker.follow(run.path, description["tracking"])
        progress.say(f"resuming {description['name']} after step {step}")
        return carry_out(run, description, workbench, rows, state, progress)


def newest_state(run: RunFolder, progress: Progress) -> dict[str, Any] | None:
    """The state to go on from, or None where the run was killed before its first checkpoint."""
    if not list(run.checkpoints.glob("step-*.safetensors")):
        return None
    state, warnings = run.newest_checkpoint()
    for warning in warnings:
        progress.say(f"warning: {warning}; going on from step {state['step']}")
    return state


def plan_of(harness: Harness) -> Plan:
    """The trainer's plan; `harness` knows its steps by now."""
    assert harness.steps is not None
    return Plan(
        steps=harness.steps,
        seed=harness.seed,
        rule=LearningRateRule(harness.lr_rule, harness.lr_window, harness.lr_floor),
        ema_decay=harness.ema_decay,
        eval_every=harness.eval_every,
        checkpoint_every=harness.checkpoint_every,
    )


def carry_out(
    run: RunFolder,
    description: dict[str, Any],
    workbench: Workbench,
    rows: record.Record,
    state: dict[str, Any] | None,
    progress: Progress,
) -> Outcome:
    """Train to the end, in whatever way it comes, and write that end into the record."""
    writer = record.RecordWriter(run.record_path)
    harness = workbench.configuration.harness
    plan = plan_of(harness)
    status, diverged_at = "FINISHED", None
    with stop_on_signal() as stop_requested:
        trainer = Trainer(
            variant=workbench.variant,
            batches=workbench.batches,
            plan=plan,
            hyperparameters=workbench.configuration.hyperparameters,
            device=workbench.device,
            writer=writer,
            folder=run.checkpoints,
            measure=lambda sampler: dict(workbench.judge.measure(sampler).values),
            lower_is_better=description["metric"],
            record=rows,
            observers=[progress, Grids(run)],
            stop_requested=stop_requested,
        )
        if state:
            trainer.restore(state)
        try:
            with progress.bar(plan.steps, trainer.step, harness.batch_size * trainer.reals_per_step):
                trainer.train()
        except (Interrupted, KeyboardInterrupt):
            status = "KILLED"
            raise Interrupted(description["name"]) from None
        except BaseException as error:
            status, diverged_at = "FAILED", error.step if isinstance(error, Diverged) else None
            raise
        finally:
            end(run, workbench, writer, trainer.step, status, diverged_at, description)
    return Outcome(run, description, record.read(run.record_path))


def end(
    run: RunFolder,
    workbench: Workbench,
    writer: record.RecordWriter,
    step: int,
    status: str,
    diverged_at: int | None,
    description: dict[str, Any],
) -> None:
    """Draw the trajectories, judge the run's health and write its end."""
    rows = record.read(run.record_path)
    pictures.save_trajectories(rows.steps, description["name"], run.figures / "trajectories")
    reference = workbench.judge.reference.counts
    evaluations = [(row["step"], Measurement(row, reference)) for row in rows.evaluations]
    best: dict[str, float] = {}
    for name, row in best_checkpoints(rows, description["metric"]).items():
        best |= {f"{name}_best": row["value"], f"{name}_best_step": row["step"]}
    verdict = health.verdict(evaluations, rows.series("k") or None, diverged_at)
    writer.event("end", step=diverged_at or step, status=status, health=verdict, best=best)
    writer.sync()
    writer.close()


class Grids(Observer):
    """Saves each evaluation's sample grid into the run's folder."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def evaluation(self, row: dict[str, Any], grid: Tensor) -> None:
        """Save the grid under the step's name."""
        pictures.save_grid(grid, self.run.samples / f"step-{row['step']:08d}.png")


@contextmanager
def tracking(wanted: bool, progress: Progress) -> Iterator[TrackingProcess | None]:
    """A tracking process for the time of a run, or None; waits at the end until the store has it all."""
    if not wanted:
        yield None
        return
    tracker = TrackingProcess()
    try:
        yield tracker
    finally:
        if problem := tracker.finish():
            progress.say(f"warning: tracking: {problem}")
