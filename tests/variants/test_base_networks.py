"""Networks by name: any number of them, each with its rate, optimizer, state, count, average and record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.runs import checkpoint, record
from bench.training.learning_rate import LearningRateRule
from bench.training.step import ComputeOptions
from variants.base import (
    Batch,
    Network,
    Optimizer,
    Phase,
    Scalars,
    Variant,
    VariantHyperparameters,
    parameter_counts,
)
from variants.knobs import knob
from variants.noise import Noise

Fixture = Callable[..., Any]
RATES = {"lr_g": 1e-2, "lr_d": 2e-2, "lr_encoder": 3e-2}


class ThreeHyperparameters(VariantHyperparameters):
    """The third network has a rate of its own."""

    lr_encoder: float = knob(RATES["lr_encoder"], "learning rate of the encoder", above=0)


class Statistics(nn.Module):
    """A layer with buffers of all kinds: one follows the data, others are constants or count."""

    mean: Tensor
    alpha: Tensor
    stage: Tensor
    flag: Tensor
    bound: Tensor
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("alpha", torch.ones(()))
        self.register_buffer("stage", torch.tensor(3))
        self.register_buffer("flag", torch.tensor(True))
        self.register_buffer("bound", torch.tensor(float("inf")))
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, points: Tensor) -> Tensor:
        if self.training:
            # replaced, not changed in place
            self.mean = 0.9 * self.mean + 0.1 * points.detach().mean(0)
            self.calls += 1
        return self.alpha * (points - self.mean)


class Three(Variant):
    """A generator, a discriminator and an encoder, each with a quadratic loss of its own."""

    name, title, source = "three", "three networks", "a test"
    Hyperparameters = ThreeHyperparameters
    optimizer: Optimizer = "adam"

    def build_networks(self) -> None:
        self.generator = nn.Sequential(nn.Linear(2, 2), Statistics())
        self.discriminator = nn.Linear(2, 3)
        # one number, whose shape is that of an optimizer's count of steps
        self.encoder = nn.ModuleList([nn.Linear(2, 5), Scale()])

    def networks(self) -> dict[str, Network]:
        return {
            "generator": Network(self.generator, "lr_g", self.optimizer, averaged=True),
            "discriminator": Network(self.discriminator, "lr_d", self.optimizer),
            "encoder": Network(self.encoder, "lr_encoder", self.optimizer, averaged=True, label="E"),
        }

    def loss(self, network: str, batch: Batch) -> Tensor:
        real = batch.real
        if network == "generator":
            return (self.generator(self.draw_latent(batch.noise, len(real))) - real).square().mean()
        if network == "discriminator":
            return (self.discriminator(real) - 1).square().mean()
        encode, scale = self.encoder
        return (scale(encode(real)) - 1).square().mean()

    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase((name,), lambda batch, n=name: self.phase(n, batch)) for name in self.networks())

    def phase(self, network: str, batch: Batch) -> Scalars:
        loss = self.loss(network, batch)
        torch.autograd.backward(loss, inputs=self.trainable_parameters(network))
        return {f"loss of {network}": loss.detach()}

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        return noise.normal(purpose, (count, 2))


class Scale(nn.Module):
    """Multiplies by one trained number."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.5))

    def forward(self, values: Tensor) -> Tensor:
        return self.factor * values


class ThreeRmsprop(Three):
    """The same with RMSprop."""

    optimizer = "rmsprop"


class ThreeSgd(Three):
    """The same with gradient descent."""

    optimizer = "sgd"


KINDS = [Three, ThreeRmsprop, ThreeSgd]


def made(kind: type[Variant], seed: int = 0, **knobs: Any) -> Any:
    torch.manual_seed(seed)
    return kind(kind.Hyperparameters(**RATES | {"latent_dim": 2, "filters": 1} | knobs), (2,))


def by_hand(kind: str, parameters: list[nn.Parameter], rate: float, knobs: Any) -> torch.optim.Optimizer:
    """Torch's own optimizer, as the knobs describe it."""
    if kind == "adam":
        return torch.optim.Adam(parameters, rate, (knobs.beta1, knobs.beta2), knobs.adam_epsilon)
    if kind == "rmsprop":
        return torch.optim.RMSprop(parameters, rate, knobs.beta2, knobs.adam_epsilon)
    return torch.optim.SGD(parameters, rate, knobs.beta1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta1", [0.0, 0.8])
def test_every_network_moves_as_torch_s_optimizer_moves_it_at_its_own_rate(
    make_trainer: Fixture, kind: type[Three], beta1: float
) -> None:
    knobs = {"beta1": beta1, "beta2": 0.97, "adam_epsilon": 1e-5}
    trainer = make_trainer(made(kind, **knobs), 4)
    trainer.train()

    plain = made(kind, **knobs)
    optimizers = {
        name: by_hand(
            kind.optimizer,
            list(network.module.parameters()),
            RATES[network.learning_rate],
            plain.hyperparameters,
        )
        for name, network in plain.networks().items()
    }
    taken = 0
    for step in range(1, 5):
        batch = Batch(torch.empty(0), Noise(7, step, torch.device("cpu")))
        for name, optimizer in optimizers.items():
            batch.real = trainer.batches.get(taken)
            taken += 1
            optimizer.zero_grad()
            plain.loss(name, batch).backward()
            optimizer.step()
    for name, value in plain.state_dict().items():
        assert torch.equal(trainer.variant.state_dict()[name], value), name


def test_a_row_has_a_rate_for_each_network_and_a_table_its_label(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Three), 2)
    trainer.train()
    for row in record.read(trainer.folder / "record.jsonl").steps:
        assert {name: row[name] for name in RATES} == RATES
        assert {f"loss of {name}" for name in ("generator", "discriminator", "encoder")} <= set(row)
    assert parameter_counts(trainer.variant) == {"generator": 6, "discriminator": 9, "encoder": 15 + 1}
    assert trainer.variant.networks()["encoder"].label == "E"


def test_all_rates_follow_the_schedule(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Three), 5)
    trainer.plan = type(trainer.plan)(5, 7, LearningRateRule("halve_every", 2, 0.0))
    trainer.train()
    rows = record.read(trainer.folder / "record.jsonl").steps
    for name, start in RATES.items():
        assert [row[name] for row in rows] == [start, start, start / 2, start / 2, start / 4]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_optimizers_averages_and_buffers_resume_to_the_bit(
    make_trainer: Fixture, kind: type[Three], beta1: float
) -> None:
    whole = make_trainer(made(kind, beta1=beta1), 4, "whole", ema_decay=0.5)
    whole.train()
    make_trainer(made(kind, beta1=beta1), 2, "broken", ema_decay=0.5).train()
    again = make_trainer(made(kind, seed=9, beta1=beta1), 4, "broken", ema_decay=0.5)
    again.restore(checkpoint.read(again.folder / "step-00000002.safetensors"))
    again.train()
    expected, found = leaves(whole.state()), leaves(again.state())
    assert set(expected) == set(found)
    assert {"generator", "discriminator", "encoder"} == set(whole.state()["optimizers"])
    for path, value in expected.items():
        same = torch.equal(value, found[path]) if isinstance(value, Tensor) else value == found[path]
        assert same, path


def leaves(state: Any, path: str = "") -> dict[str, Any]:
    if isinstance(state, dict | list | tuple):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {k: v for key, value in pairs for k, v in leaves(value, f"{path}/{key}").items()}
    return {} if path == "/seconds" else {path: state}


def test_the_moving_average_covers_the_networks_that_ask_for_it(make_trainer: Fixture) -> None:
    variant = made(Three)
    trainer = make_trainer(variant, 3, ema_decay=0.75)
    assert set(trainer.averages) == {"generator", "encoder"}
    seen: list[dict[str, Tensor]] = []

    def look() -> bool:
        seen.append({name: value.detach().clone() for name, value in variant.named_parameters()})
        return False

    trainer.stop_requested = look
    trainer.train()
    for name in ("generator", "encoder"):
        for path, value in trainer.averages[name].module.named_parameters():
            first, second, third = (each[f"{name}.{path}"] for each in seen)
            # the first average is the first step's weights
            expected = 0.75 * (0.75 * first + 0.25 * second) + 0.25 * third
            torch.testing.assert_close(value.detach(), expected, rtol=1e-6, atol=1e-7)


def test_the_moving_average_copies_buffers(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Three), 3, ema_decay=0.99)
    trainer.train()
    averaged, own = trainer.averages["generator"].module[1], trainer.variant.generator[1]
    assert averaged.alpha.item() == 1.0
    assert averaged.stage.item() == 3
    assert averaged.stage.dtype == torch.int64
    assert averaged.flag.item() is True
    assert averaged.bound.item() == float("inf")
    assert averaged.calls.item() == 3
    assert torch.equal(averaged.mean, own.mean)
    assert own.mean.abs().max() > 0


def test_micro_batches_leave_constants_alone_count_once_and_average_the_rest(make_trainer: Fixture) -> None:
    """A buffer that is replaced in a phase has its mean over the micro-batches too."""
    start = made(Three)
    trainer = make_trainer(made(Three), 1, count=4, options=ComputeOptions(micro_batches=2))
    trainer.train()
    statistics = trainer.variant.generator[1]
    latents = [Noise(7, 1, torch.device("cpu"), number, 2).normal("latent", (2, 2)) for number in range(2)]
    means = [0.1 * start.generator[0](latent).detach().mean(0) for latent in latents]
    torch.testing.assert_close(statistics.mean, (means[0] + means[1]) / 2)
    assert statistics.calls.item() == 1
    assert (statistics.alpha.item(), statistics.stage.item()) == (1.0, 3)
    assert statistics.bound.item() == float("inf")
