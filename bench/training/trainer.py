"""The common trainer: one loop for every variant.

The variant leaves gradients and scalars; the trainer owns optimizers, learning rates, the moving
average, the record, checkpoints and the moments of judging. Scalars stay on the device and come to
the host many steps at a time, so that no step waits for them.
"""

import math
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.runs import checkpoint
from bench.runs.checkpoint import TrainingState
from bench.runs.record import (
    CheckpointEvent,
    Evaluation,
    Record,
    RecordWriter,
    StepRow,
    best_checkpoints,
)
from bench.runs.run_folder import Origin
from bench.system.errors import WorkError
from bench.training.learning_rate import LearningRateRule
from bench.training.sampler import EVALUATION, Sampler, make_sampler
from bench.training.step import ComputeOptions, RealBatches, TrainingStep
from variants.base import Scalars, Variant, VariantHyperparameters

NO_RUN = Origin("", "")
DRAIN_STEPS = 100  # scalars of at most so many steps wait on the device
DRAIN_SECONDS = 1.0  # and no longer than this, so that slow runs show progress


class Diverged(WorkError):
    """A scalar was not finite."""

    def __init__(self, step: int, name: str) -> None:
        super().__init__(f"diverged at step {step}: {name} is not finite")
        self.step = step


class Interrupted(Exception):
    """The user asked to stop, and can go on from a checkpoint; the message names the run."""


class Callback:
    """Base class of training callbacks; every hook does nothing."""

    def on_steps(self, rows: list[StepRow]) -> None:
        """Called with the scalars of one or more training steps, in order."""

    def on_evaluation(self, evaluation: Evaluation, grid: Tensor) -> None:
        """Called after an evaluation with its metrics and samples.

        Parameters
        ----------
        evaluation : Evaluation
            The step and the metrics.
        grid : Tensor
            Generated images (B, C, H, W) in [-1, 1], or points (B, 2).
        """

    def on_warning(self, message: str) -> None:
        """Called when a setting cannot be followed and training continues without it."""

    def on_checkpoint(self, saved: CheckpointEvent) -> None:
        """Called after a checkpoint was written; the record is on the disk up to its step."""

    def should_stop(self) -> bool:
        """Return whether to stop; called after each step and after the step's evaluation."""
        return False


@dataclass(frozen=True)
class Plan:
    """How long and how to train; every time is in steps.

    Attributes
    ----------
    steps : int
        Generator updates.
    seed : int
        Seed of all draws but the initial weights, which the variant already has.
    rule : LearningRateRule
        What learning rates do.
    ema_decay : float
        Decay of the generator's moving average; 0 keeps none.
    eval_every, checkpoint_every : int
        Intervals; 0 evaluates at the end only.
    grid_images, grid_points : int
        Images in a sample grid; points in a sample picture.
    """

    steps: int
    seed: int
    rule: LearningRateRule
    ema_decay: float = 0.0
    eval_every: int = 0
    checkpoint_every: int = 1000
    grid_images: int = 100
    grid_points: int = 2000

    def evaluates(self, step: int) -> bool:
        """Whether an evaluation follows a step."""
        return step == self.steps or (self.eval_every > 0 and step % self.eval_every == 0)

    def saves(self, step: int) -> bool:
        """Whether a checkpoint follows a step; every evaluation has one, so that the best is kept."""
        return self.evaluates(step) or step % self.checkpoint_every == 0


@dataclass
class History:
    """What training depends on of the steps before it.

    Attributes
    ----------
    measures : array of float
        M at each step; empty for a variant without M.
    evaluations : list of Evaluation
        Evaluations, in order.
    checkpoints : list of CheckpointEvent
        Checkpoints, in order.
    """

    measures: "array[float]" = field(default_factory=lambda: array("d"))
    evaluations: list[Evaluation] = field(default_factory=list)
    checkpoints: list[CheckpointEvent] = field(default_factory=list)

    @classmethod
    def of(cls, record: Record) -> "History":
        """Return the history that a record holds, without its steps, which are many."""
        return cls(array("d", record.series("M")), list(record.evaluations), list(record.checkpoints))


@dataclass
class Trainer:
    """Trains one variant on one stream of real batches.

    Attributes
    ----------
    variant : Variant
        Networks and losses, on `device`.
    batches : RealBatches
        Real samples.
    plan : Plan
        How long and how.
    hyperparameters : VariantHyperparameters
        Adam's knobs: learning rates at the start, decays and epsilon.
    device : torch.device
        Where to compute.
    writer : RecordWriter
        Takes every step and event.
    folder : Path
        Where checkpoints go.
    measure : callable
        Judges a sampler; returns named numbers.
    lower_is_better : str
        The number by which the best checkpoint is chosen.
    history : History
        The steps before the one to start from; empty for a new run. Training adds to it.
    callbacks : list of Callback
        Who is told.
    stop_requested : callable
        Asked after each step.
    options : ComputeOptions
        How steps are computed, and with which other processes; only rank 0 writes files.
    origin : Origin
        The run that checkpoints belong to.
    """

    variant: Variant
    batches: RealBatches
    plan: Plan
    hyperparameters: VariantHyperparameters
    device: torch.device
    writer: RecordWriter
    folder: Path
    measure: Callable[[Sampler], dict[str, float]]
    lower_is_better: str
    history: History = field(default_factory=History)
    callbacks: list[Callback] = field(default_factory=list)
    stop_requested: Callable[[], bool] = lambda: False
    options: ComputeOptions = field(default_factory=ComputeOptions)
    origin: Origin = NO_RUN

    def __post_init__(self) -> None:
        self._training_step = TrainingStep(
            self.variant, self.batches, self.hyperparameters, self.plan.seed, self.device, self.options
        )
        self.learning_rates = self._training_step.learning_rates
        self.optimizers = self._training_step.optimizers
        self.ranks = self.options.ranks
        self._to_compile = self.options.compile
        self.average: AveragedModel | None = None
        if self.plan.ema_decay:
            self.average = AveragedModel(
                self.variant.generator,
                multi_avg_fn=get_ema_multi_avg_fn(self.plan.ema_decay),
                use_buffers=True,
            )
        self.step = 0
        self.seconds = 0.0
        self.real_batches_per_step = self._training_step.real_batches_per_step
        self._rates: dict[str, float] = {}
        self._waiting: list[tuple[int, dict[str, float], Tensor]] = []
        self._names: list[str] = []
        self._clock = time.perf_counter()
        self._drained_at = self._clock

    def train(self) -> None:
        """Train from where the state stands to the plan's end.

        Raises
        ------
        Diverged
            If a scalar is not finite; the record holds everything up to there.
        Interrupted
            If a stop was requested, by the user or an callback; a checkpoint of the last step was written.
        """
        self.variant.train()
        self._compile()
        self._clock = self._drained_at = time.perf_counter()
        first = self.step + 1
        for step in range(first, self.plan.steps + 1):
            rates = self._set_learning_rates(step, step == first)
            scalars = self._training_step.run(step)
            if self.average is not None:
                self.average.update_parameters(self.variant.generator)
            self._keep(step, rates, scalars)
            self.step = step
            if self.plan.evaluates(step):
                self._evaluate()
            asked = self.stop_requested() or any(callback.should_stop() for callback in self.callbacks)
            stop = self.ranks.any_rank(asked)
            if stop or self.plan.saves(step):
                self._save()
            if stop and step < self.plan.steps:
                raise Interrupted

    def _compile(self) -> None:
        mode, self._to_compile = self._to_compile, "none"
        if mode != "none" and (problem := self._training_step.compile_networks(mode)):
            for callback in self.callbacks:
                callback.on_warning(f"networks are not compiled: {problem}")

    def _set_learning_rates(self, step: int, first: bool) -> dict[str, float]:
        """Adam's rates for a step, by their names in the record."""
        if first or self.plan.rule.moves(step):
            self._drain()
            halvings = self.plan.rule.halvings(step, self.history.measures)
            self._rates = {}
            for network, optimizer in self.optimizers.items():
                rate = self.plan.rule.rate(self.learning_rates[network], halvings)
                optimizer.param_groups[0]["lr"] = rate
                self._rates[f"lr_{network[0]}"] = rate
        return self._rates

    def _keep(self, step: int, rates: dict[str, float], scalars: Scalars) -> None:
        self._names = list(scalars)
        self._waiting.append((step, rates, torch.stack(list(scalars.values()))))
        late = time.perf_counter() - self._drained_at > DRAIN_SECONDS
        if len(self._waiting) >= DRAIN_STEPS or late:
            self._drain()

    def _drain(self) -> None:
        """Bring waiting scalars to the host, into the record, and look at them."""
        if not self._waiting:
            return
        values = torch.stack([tensor for _, _, tensor in self._waiting]).cpu().numpy()
        rows: list[StepRow] = []
        for (step, rates, _), line in zip(self._waiting, values, strict=True):
            # the shortest decimal that gives the same float32 back
            numbers = {name: float(str(np.float32(x))) for name, x in zip(self._names, line, strict=True)}
            rows.append({"step": step, **numbers, **rates})
        self._waiting.clear()
        self._drained_at = time.perf_counter()
        bad = next(((int(r["step"]), n) for r in rows for n in self._names if not math.isfinite(r[n])), None)
        if bad:
            rows = [row for row in rows if row["step"] <= bad[0]]
        self.writer.write(rows)
        self.history.measures.extend(row["M"] for row in rows if "M" in row)
        for callback in self.callbacks:
            callback.on_steps(rows)
        # every rank has the same scalars, and the first one tells
        if bad and self.ranks.first:
            raise Diverged(*bad)

    def sampler(self, purpose: str = EVALUATION) -> Sampler:
        """Samples of the generator that is judged: its moving average where there is one."""
        generator = self.variant.generator if self.average is None else self.average.module
        return make_sampler(generator, self.variant.draw_latent, self.plan.seed, self.device, purpose)

    def _evaluate(self) -> None:
        self._drain()
        self._stop_clock()
        measured = self.measure(self.sampler())
        if not self.ranks.first:
            return
        evaluation = Evaluation.model_validate({"step": self.step, **measured})
        self.writer.write([evaluation])
        self.history.evaluations.append(evaluation)
        points = len(self.variant.sample_shape) == 1
        shown = self.plan.grid_points if points else self.plan.grid_images
        grid = torch.cat(list(self.sampler("grid latent")(shown))).cpu()
        for callback in self.callbacks:
            callback.on_evaluation(evaluation, grid)
        self._clock = time.perf_counter()

    def _stop_clock(self) -> None:
        self.seconds += time.perf_counter() - self._clock
        self._clock = time.perf_counter()

    def _save(self) -> None:
        """Write a checkpoint, then delete earlier ones that are neither the last but one nor the best."""
        self._drain()
        if not self.ranks.first:
            return
        self._stop_clock()
        self.writer.sync()
        file, checkpoints = f"step-{self.step:08d}.safetensors", self.history.checkpoints
        mean = None
        # one that a stop asked for has no mean, so that a run's best M does not depend on being stopped
        if self.history.measures and self.plan.saves(self.step):
            planned = [saved.step for saved in checkpoints if self.plan.saves(saved.step)]
            mean = fmean(self.history.measures[planned[-1] if planned else 0 : self.step])
        saved = CheckpointEvent(step=self.step, file=file, train_seconds=round(self.seconds, 3), M=mean)
        # a resume goes on only where the record still begins as it does now, and completes it by the event
        about = {
            "origin": asdict(self.origin),
            "record": asdict(self.writer.mark()),
            "event": saved.plain(),
        }
        checkpoint.write(self.folder / file, self.state() | about)
        self.writer.write([saved])
        checkpoints.append(saved)
        for callback in self.callbacks:
            callback.on_checkpoint(saved)
        best = best_checkpoints(checkpoints, self.history.evaluations, self.lower_is_better)
        kept = {each.file for each in checkpoints[-2:]}
        kept |= {each.checkpoint.file for each in best.values()}
        for path in self.folder.glob("step-*.safetensors"):
            # a record that was cut does not know later ones, which may be good
            if path.name not in kept and path.name < file:
                path.unlink()
        self._clock = time.perf_counter()

    def state(self) -> TrainingState:
        """Return everything that the next step depends on, and the seconds trained so far."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "variant": self.variant.state_dict(),
            "optimizers": self._training_step.state(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def restore(self, state: TrainingState) -> None:
        """Restore a saved state."""
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.variant.load_state_dict(state["variant"])
        self._training_step.restore(state["optimizers"])
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])
