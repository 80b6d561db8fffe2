"""Checks of a few training steps: numbers, seeds, resuming, the moving average, export."""

import copy
import math

import torch
from torch import nn

from bench.checking.comparison import first_difference, same
from bench.checking.report import CheckFailed, NotApplicable
from bench.checking.subject import BATCH, CPU, SEED, STEPS, Subject, rows_of, train
from bench.runs import checkpoint
from bench.runs.export import export as export_generator
from bench.training.step import ComputeOptions, TrainingStep
from variants.noise import Noise


def finite(subject: Subject) -> None:
    """Training stays finite and changes every network."""
    trainer, start = subject.trained, subject.build().state_dict()
    for name, tensor in trainer.variant.state_dict().items():
        if not tensor.isfinite().all():
            raise CheckFailed(f"{name} is not finite after {STEPS} steps")
    for row in rows_of(trainer):
        if wrong := [name for name, value in row.items() if not math.isfinite(value)]:
            raise CheckFailed(f"{wrong[0]} is not finite at step {row['step']}")
    for network in trainer.variant.networks():
        trained = {id(each) for each in trainer.variant.trainable_parameters(network)}
        names = [name for name, each in trainer.variant.named_parameters() if id(each) in trained]
        state = trainer.variant.state_dict()
        if all(torch.equal(start[name], state[name]) for name in names):
            raise CheckFailed(f"{network} is unchanged after {STEPS} steps: no phase updates it")


def recorded(subject: Subject) -> None:
    """Every declared scalar is recorded."""
    names = {name for row in rows_of(subject.trained) for name in row}
    if missing := [scalar.name for scalar in subject.kind.scalars if scalar.name not in names]:
        raise CheckFailed(f"{missing[0]} is declared, and none of {STEPS} steps recorded it")


def real_batches(subject: Subject) -> None:
    """real_batches() is the number of real batches that the steps take."""
    variant = subject.build()
    step = TrainingStep(
        variant, subject.batches(), subject.hyperparameters, STEPS, SEED, CPU, ComputeOptions()
    )
    for number in range(1, STEPS + 1):
        step.run(number)
        if (said := variant.real_batches(number)) != step.real_batches:
            raise CheckFailed(f"real_batches({number}) is {said}, and {step.real_batches} were taken")


def deterministic(subject: Subject) -> None:
    """Training depends on the seed only, not on torch's random state: twice the same to the bit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        again = train(subject.trainer(subject.build()))
    difference = first_difference(rows_of(subject.trained), rows_of(again))
    if difference := difference or first_difference(subject.trained.state(), again.state()):
        raise CheckFailed(f"{_place(difference)} differs between two trainings: draw from `noise` only")


def resume(subject: Subject) -> None:
    """A training resumed from a checkpoint ends at the same bits."""
    half = STEPS // 2
    stopped = train(subject.trainer(subject.build(), stop_at=half))
    resumed = subject.trainer(subject.build(seed=99), stopped.folder)
    resumed.restore(checkpoint.read(stopped.folder / f"step-{half:08d}.safetensors"))
    train(resumed)
    difference = first_difference(rows_of(subject.trained), rows_of(resumed))
    if difference := difference or first_difference(subject.trained.state(), resumed.state()):
        raise CheckFailed(
            f"{_place(difference)} differs after a resume at step {half}: "
            "what lives between steps must be a buffer"
        )


def moving_average(subject: Subject) -> None:
    """A copy of the generator, as the moving average makes one, gives the samples of its weights."""
    trainer = subject.trained
    if "generator" not in trainer.averages:
        raise NotApplicable("the generator has no moving average")
    generator = trainer.variant.generator
    averaged = trainer.averages["generator"].module
    buffers, copied = dict(generator.named_buffers()), dict(averaged.named_buffers())
    if difference := first_difference(buffers, copied):
        raise CheckFailed(f"buffer {difference} of the average is not that of the generator")
    latent = trainer.variant.draw_latent(Noise(SEED, 1, CPU), BATCH)
    follower = copy.deepcopy(averaged)
    follower.load_state_dict(generator.state_dict())
    if not _sample(averaged, latent).isfinite().all():
        raise CheckFailed("a sample of the average is not finite")
    if not same(_sample(follower, latent), _sample(generator, latent)):
        raise CheckFailed(
            "the average with the generator's weights gives other samples: "
            "what the generator computes with must be its own parameters and buffers"
        )


def export(subject: Subject) -> None:
    """The generator is exported to a .pt2 file, which gives the same samples."""
    variant = subject.trained.variant
    latents = variant.draw_latent(Noise(SEED, 1, CPU), 5)
    # a copy: tracing may change a module
    export_generator(copy.deepcopy(variant.generator).eval(), latents, subject.folder / "generator.pt2")


def _sample(generator: nn.Module, latent: torch.Tensor) -> torch.Tensor:
    training = generator.training
    with torch.no_grad():
        made: torch.Tensor = generator.eval()(latent)
    generator.train(training)
    return made


def _place(difference: str) -> str:
    """Return the path of a difference in words: rows of the record are counted from 0."""
    row, _, name = difference.partition(" ")
    return f"{name} of step {int(row) + 1}" if row.isdigit() else difference


CHECKS = (finite, recorded, real_batches, deterministic, resume, moving_average, export)
