"""Checks of a batch in parts: micro-batches in turn, and ranks that each have some of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bench.checking.comparison import first_difference, relative_distance
from bench.checking.report import CheckFailed, NotApplicable
from bench.checking.subject import CPU, SEED, Subject
from bench.system.ranks import Ranks
from bench.training.step import ComputeOptions, TrainingStep
from variants.base import Scalars, Variant

ROUNDING = 1e-3  # largest relative difference of a gradient
SMALLEST = 1e-5  # differences of scalars below this are rounding
RATE = 1e-3  # of gradient descent: Adam would turn the rounding of a gradient near 0 into a whole step
SECONDS = 120.0  # how long a rank waits for the other


@dataclass
class Outcome:
    """One or more training steps: the gradient before each optimizer step, the scalars and the state.

    Attributes
    ----------
    gradients : list of tuple of str and Tensor
        Name of the network and its whole gradient, in order.
    scalars : dict of str to Tensor
        Scalars of the last step.
    state : dict of str to Tensor
        State of the variant after the last step.
    """

    gradients: list[tuple[str, Tensor]]
    scalars: Scalars
    state: dict[str, Tensor]


@dataclass
class Meeting:
    """Where the threads that stand for ranks add up their tensors."""

    count: int
    slots: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.barrier = threading.Barrier(self.count, timeout=SECONDS)

    def add(self, rank: int, values: Tensor) -> None:
        """Replace a tensor's values with their sum over all ranks, in place."""
        self.slots[rank] = values.clone()
        self.barrier.wait()
        total = sum((self.slots[number] for number in range(1, self.count)), self.slots[0])
        self.barrier.wait()
        values.copy_(total)


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    """A rank that is a thread of this process: sums are the only collective operation of a step."""

    meeting: Meeting = field(default_factory=lambda: Meeting(1))

    def all_reduce(self, values: Tensor) -> None:
        """Replace a tensor's values with their sum over all ranks, in place."""
        self.meeting.add(self.rank, values)


def micro_batches(subject: Subject) -> None:
    """Two micro-batches make the step of the whole batch, where batch norm sees no batch."""
    if reason := subject.build().indivisible():
        raise NotApplicable(f"indivisible: {reason}")
    whole, split = subject.build(), subject.build()
    for variant in (whole, split):
        _freeze_batch_norms(variant)
    _compare(
        _run(subject, whole, 1, ComputeOptions(micro_batches=1)),
        _run(subject, split, 1, ComputeOptions(micro_batches=2)),
        "two micro-batches",
        "the loss is no mean over samples, or a draw's first dimension is not the batch; "
        "where that is meant, say so in indivisible()",
    )


def ranks(subject: Subject) -> None:
    """Two ranks make the steps of two micro-batches, and hold the same state."""
    if reason := subject.build().indivisible():
        raise NotApplicable(f"indivisible: {reason}")
    steps = 2
    alone = _run(subject, subject.build(), steps, ComputeOptions(micro_batches=2))
    meeting = Meeting(2)

    def rank(number: int) -> Outcome:
        options = ComputeOptions(micro_batches=2, ranks=ThreadRanks(number, 2, meeting))
        try:
            return _run(subject, variants[number], steps, options)
        except BaseException:
            meeting.barrier.abort()
            raise

    variants = [subject.build(), subject.build()]
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(rank, number) for number in range(2)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        # the other rank's error is only that this one is missing
        raise next((each for each in errors if not isinstance(each, threading.BrokenBarrierError)), errors[0])
    first, second = (future.result() for future in futures)
    if difference := first_difference(first.state, second.state):
        raise CheckFailed(
            f"{difference} differs between two ranks: update state in update_state(), from averaged scalars"
        )
    _compare(alone, first, "two ranks", "something depends on what the process did before")


def _run(subject: Subject, variant: Variant, steps: int, options: ComputeOptions) -> Outcome:
    step = TrainingStep(variant, subject.batches(), subject.hyperparameters, 2, SEED, CPU, options)
    gradients: list[tuple[str, Tensor]] = []
    for name in step.optimizers:
        optimizer = torch.optim.SGD(variant.trainable_parameters(name), lr=RATE)

        def keep(*_: object, name: str = name) -> None:
            parts = [
                torch.zeros(each.numel()) if each.grad is None else each.grad.flatten().clone()
                for each in variant.trainable_parameters(name)
            ]
            gradients.append((name, torch.cat(parts)))

        optimizer.register_step_pre_hook(keep)
        step.optimizers[name] = optimizer
    for number in range(1, steps + 1):
        scalars = step.run(number)
    return Outcome(gradients, scalars, variant.state_dict())


def _compare(one: Outcome, other: Outcome, what: str, advice: str) -> None:
    """Raise CheckFailed if gradients, scalars or buffers differ by more than rounding."""
    for (name, gradient), (_, another) in zip(one.gradients, other.gradients, strict=True):
        if (distance := relative_distance(gradient, another)) > ROUNDING:
            raise CheckFailed(f"with {what} the gradient of {name} differs by {distance:.1%}: {advice}")
    for name, value in one.scalars.items():
        left, right = float(value), float(other.scalars[name])
        if abs(left - right) > SMALLEST + ROUNDING * max(abs(left), abs(right)):
            raise CheckFailed(f"with {what} {name} is {right:.6g} instead of {left:.6g}: {advice}")
    for name, tensor in one.state.items():
        if (tensor - other.state[name]).abs().max() > SMALLEST and (
            relative_distance(tensor, other.state[name]) > ROUNDING
        ):
            raise CheckFailed(f"with {what} {name} differs after the step: {advice}")


def _freeze_batch_norms(variant: Variant) -> None:
    """Let batch norms normalise by their running statistics, which do not depend on the batch."""
    for module in variant.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


CHECKS = (micro_batches, ranks)
