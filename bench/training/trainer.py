"""The training loop, the same for every variant.

A variant computes gradients and scalars. The trainer has the optimizers, the learning rates and the moving
average; it writes record and checkpoints, and evaluates. Scalars stay on the device and are copied to the
host for many steps at once, so that steps do not wait for them.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.runs import checkpoint
from bench.runs.checkpoint import TrainingState
from bench.runs.record import CheckpointEvent, Evaluation, RecordWriter, StepRow, best_checkpoints
from bench.runs.run_folder import Origin
from bench.system.errors import WorkError
from bench.training.history import History
from bench.training.plan import Plan
from bench.training.sampler import (
    EVALUATION,
    NonFiniteSamples,
    Sampler,
    make_sampler,
    picture_latents,
)
from bench.training.step import ComputeOptions, RealBatches, TrainingStep
from variants.base import Scalars, Variant, VariantHyperparameters
from variants.noise import Noise
from variants.scalars import TrainingScalar

NO_RUN = Origin("", "")
FLUSH_STEPS = 100  # maximum number of steps whose scalars stay on the device
FLUSH_SECONDS = 1.0  # maximum time that scalars stay there, so that slow runs show progress


class Diverged(WorkError):
    """A scalar or a generated sample was not finite.

    Parameters
    ----------
    step : int
        The step.
    name : str
        Name of the scalar, or ``a generated sample``.
    """

    def __init__(self, step: int, name: str) -> None:
        super().__init__(f"diverged at step {step}: {name} is not finite")
        self.step = step


class Interrupted(Exception):
    """The user stopped the run, which can be resumed from a checkpoint; the message is the run's name."""


class Callback:
    """Base class of training callbacks; every hook does nothing."""

    def on_steps(self, rows: list[StepRow]) -> None:
        """Called with the scalars of one or more training steps, in order."""

    def on_judging(self, step: int) -> None:
        """Called before the samples of an evaluation are drawn and measured, which takes seconds."""

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


class _WaitingStep(NamedTuple):
    """The numbers of a step whose scalars are still on the device."""

    step: int
    rates: Mapping[str, float]
    names: Sequence[str]
    values: Tensor


@dataclass
class Trainer:
    """Trains a variant on batches of real samples.

    Attributes
    ----------
    variant : Variant
        Networks and losses, on `device`.
    batches : RealBatches
        Real samples.
    plan : Plan
        Length and schedule.
    hyperparameters : VariantHyperparameters
        Initial learning rates, decays and epsilon of the optimizers.
    device : torch.device
        Where to compute.
    writer : RecordWriter
        Writes steps and events to the record.
    folder : Path
        Folder of checkpoints.
    measure : callable
        Evaluates a sampler; returns metrics by name.
    lower_is_better : str
        Metric of the best checkpoint.
    history : History
        History of a resumed run; empty for a new run. Training adds to it.
    callbacks : list of Callback
        Callbacks, in the order of their calls.
    stop_requested : callable
        Called after each step; returns whether to stop.
    options : ComputeOptions
        How steps are computed, and with which other processes; only rank 0 writes files.
    origin : Origin
        The run that checkpoints belong to.
    scalars : sequence of TrainingScalar, optional
        The declared scalars, by which checkpoints are selected and learning rates are steered; the variant's
        by default. A resumed run has those that it began with.
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
    scalars: Sequence[TrainingScalar] | None = None

    def __post_init__(self) -> None:
        self._declared = self.variant.scalars if self.scalars is None else self.scalars
        self._training_step = TrainingStep(
            self.variant,
            self.batches,
            self.hyperparameters,
            self.plan.steps,
            self.plan.seed,
            self.device,
            self.options,
        )
        self.optimizers = self._training_step.optimizers
        self.ranks = self.options.ranks
        self._networks = self.variant.networks()
        self._to_compile = self.options.compile
        self.averages: dict[str, AveragedModel] = {}
        if self.plan.ema_decay:
            # without use_buffers, which would average counters and constants: buffers are copied
            self.averages = {
                name: AveragedModel(network.module, multi_avg_fn=get_ema_multi_avg_fn(self.plan.ema_decay))
                for name, network in self._networks.items()
                if network.averaged
            }
        self.step = 0
        self.seconds = 0.0
        self._rates: dict[str, float] = {}
        self._waiting: list[_WaitingStep] = []
        self._clock = time.perf_counter()
        self._flushed_at = self._clock

    def train(self) -> None:
        """Train from the current step to the last one.

        Raises
        ------
        Diverged
            If a scalar or a generated sample is not finite; the record has all steps up to that one.
        Interrupted
            If the user or a callback stopped training; a checkpoint of the last step was written.
        """
        self.variant.train()
        self._compile()
        self._clock = self._flushed_at = time.perf_counter()
        self._catch_up()
        first = self.step + 1
        for step in range(first, self.plan.steps + 1):
            rates = self._set_learning_rates(step, step == first)
            scalars = self._training_step.run(step)
            for name, average in self.averages.items():
                average.update_parameters(self._networks[name].module)
            self._queue_scalars(step, rates, scalars)
            self.step = step
            saves = self.plan.saves(step)
            if saves:
                # before the evaluation, whose failure then costs no steps
                self._save()
            if self.plan.evaluates(step):
                self._evaluate()
            stop = self._is_to_stop()
            if stop and not saves:
                self._save()
            if stop or saves:
                self._delete_checkpoints()
            if stop and step < self.plan.steps:
                raise Interrupted

    def _catch_up(self) -> None:
        """Evaluate at the step of the checkpoint that training goes on from, if that has not been done."""
        step = self.step
        recorded = any(evaluation.step == step for evaluation in self.history.evaluations)
        is_due = step > 0 and self.plan.evaluates(step) and not recorded
        # rank 0 alone has the evaluations
        if not self.ranks.any_rank(is_due and self.ranks.first):
            return
        self._evaluate()
        self._delete_checkpoints()
        if self._is_to_stop() and step < self.plan.steps:
            raise Interrupted

    def _is_to_stop(self) -> bool:
        requested = self.stop_requested() or any(callback.should_stop() for callback in self.callbacks)
        return self.ranks.any_rank(requested)

    def _compile(self) -> None:
        mode, self._to_compile = self._to_compile, "none"
        if mode != "none" and (problem := self._training_step.compile_networks(mode)):
            for callback in self.callbacks:
                callback.on_warning(f"networks are not compiled: {problem}")

    def _set_learning_rates(self, step: int, first: bool) -> dict[str, float]:
        """Set the learning rates of a step; return them by their names in the record."""
        if first or self.plan.rule.moves(step):
            self._flush_scalars()
            steering = next((scalar.name for scalar in self._declared if scalar.steers), "")
            halvings = self.plan.rule.halvings(step, self.history.scalars.get(steering, ()))
            self._rates = {}
            for name, network in self._networks.items():
                start = float(getattr(self.hyperparameters, network.learning_rate))
                rate = self.plan.rule.rate(start, halvings)
                self.optimizers[name].param_groups[0]["lr"] = rate
                self._rates[network.learning_rate] = rate
        return self._rates

    def _queue_scalars(self, step: int, rates: dict[str, float], scalars: Scalars) -> None:
        values = torch.stack(list(scalars.values())) if scalars else torch.empty(0, device=self.device)
        self._waiting.append(_WaitingStep(step, rates, list(scalars), values))
        late = time.perf_counter() - self._flushed_at > FLUSH_SECONDS
        if len(self._waiting) >= FLUSH_STEPS or late:
            self._flush_scalars()

    def _flush_scalars(self) -> None:
        """Copy waiting scalars to the host, write them to the record and raise Diverged if needed."""
        if not self._waiting:
            return
        values = torch.cat([waiting.values for waiting in self._waiting]).cpu().numpy()
        ends = np.cumsum([len(waiting.names) for waiting in self._waiting])
        rows: list[StepRow] = []
        non_finite: tuple[int, str] | None = None
        for waiting, line in zip(self._waiting, np.split(values, ends[:-1]), strict=True):
            # the shortest decimal number that rounds to the same float32
            numbers = {name: float(str(np.float32(x))) for name, x in zip(waiting.names, line, strict=True)}
            rows.append({"step": waiting.step, **numbers, **waiting.rates})
            if wrong := next((name for name, number in numbers.items() if not math.isfinite(number)), None):
                non_finite = waiting.step, wrong
                break
        self._waiting.clear()
        self._flushed_at = time.perf_counter()
        self.writer.write(rows)
        self.history.extend(rows, self._declared)
        for callback in self.callbacks:
            callback.on_steps(rows)
        # every rank has the same scalars; rank 0 raises
        if non_finite and self.ranks.first:
            raise Diverged(*non_finite)

    def sampler(
        self,
        purpose: str = EVALUATION,
        draw_latent: Callable[[Noise, int, str], Tensor] | None = None,
    ) -> Sampler:
        """Return the sampler of the evaluated generator: the moving average, if there is one.

        Latents are of the variant's prior, or of another function like it.
        """
        average = self.averages.get("generator")
        generator = self.variant.generator if average is None else average.module
        classes = self.variant.classes if self.variant.conditional else 0
        return make_sampler(
            generator, draw_latent or self.variant.draw_latent, self.plan.seed, self.device, purpose, classes
        )

    def _evaluate(self) -> None:
        self._flush_scalars()
        self._stop_clock()
        for callback in self.callbacks:
            callback.on_judging(self.step)
        try:
            measured = self.measure(self.sampler())
        except NonFiniteSamples:
            raise Diverged(self.step, "a generated sample") from None
        if not self.ranks.first:
            return
        evaluation = Evaluation.model_validate({"step": self.step, **measured})
        prior, shown = picture_latents(self.variant, self.plan.grid_images, self.plan.grid_points)
        grid = torch.cat(list(self.sampler("grid latent", prior)(shown))).cpu()
        for callback in self.callbacks:
            callback.on_evaluation(evaluation, grid)
        # last: an evaluation in the record has its picture, and is not repeated at a resume
        self.writer.write([evaluation])
        self.history.evaluations.append(evaluation)
        self._clock = time.perf_counter()

    def _stop_clock(self) -> None:
        self.seconds += time.perf_counter() - self._clock
        self._clock = time.perf_counter()

    def _save(self) -> None:
        """Write a checkpoint and its line of the record."""
        self._flush_scalars()
        if not self.ranks.first:
            return
        self._stop_clock()
        self.writer.sync()
        file, checkpoints = f"step-{self.step:08d}.safetensors", self.history.checkpoints
        means: dict[str, float] = {}
        # a checkpoint of a stop has no means, so that the best one does not depend on stops
        if self.plan.saves(self.step):
            planned = [saved.step for saved in checkpoints if self.plan.saves(saved.step)]
            means = self.history.means(planned[-1] if planned else 0, self.step, self._declared)
        saved = CheckpointEvent(step=self.step, file=file, train_seconds=round(self.seconds, 3), means=means)
        # a resume requires that the record still begins as it does now, and completes it with the event
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
        self._clock = time.perf_counter()

    def _delete_checkpoints(self) -> None:
        """Delete all checkpoints but the last two and the best."""
        if not self.ranks.first:
            return
        checkpoints, evaluations = self.history.checkpoints, self.history.evaluations
        best = best_checkpoints(checkpoints, evaluations, self.lower_is_better, self._declared)
        kept = {each.file for each in checkpoints[-2:]}
        kept |= {each.checkpoint.file for each in best.values()}
        for path in self.folder.glob("step-*.safetensors"):
            # a truncated record does not list later checkpoints, which may be valid
            if path.name not in kept and path.name < checkpoints[-1].file:
                path.unlink()

    def state(self) -> TrainingState:
        """Return the state that the next step depends on, and the training time so far."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "variant": self.variant.state_dict(),
            "optimizers": self._training_step.state(),
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
            "real_batches": self._training_step.real_batches,
            "reads_progress": self.variant.reads_progress,
        }

    def restore(self, state: TrainingState) -> None:
        """Restore a saved state."""
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.variant.load_state_dict(state["variant"])
        self._training_step.restore(state["optimizers"])
        self._training_step.real_batches = state["real_batches"]
        self.variant.reads_progress = state["reads_progress"]
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
