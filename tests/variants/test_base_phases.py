"""Phases: when they take place, which real batches they get, what they record, where training stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.runs import checkpoint, record
from bench.training.history import History
from bench.training.step import mean_scalars
from bench.training.trainer import Interrupted, Trainer
from variants.base import Batch, Phase, Scalars, Variant, VariantHyperparameters
from variants.families.two_player import TwoPlayer
from variants.noise import Noise
from variants.scalars import TrainingScalar

Fixture = Callable[..., Any]
POINTS = (2,)


class Linear(Variant):
    """Two linear networks for points: L_D = D(x) - D(G(z)), L_G = -D(G(z))."""

    name, title, source = "linear", "linear", "a test"
    Hyperparameters = VariantHyperparameters

    def build_networks(self) -> None:
        self.generator = nn.Linear(self.hyperparameters.latent_dim, *self.sample_shape)
        self.discriminator = nn.Linear(*self.sample_shape, 1)

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        return noise.normal(purpose, (count, self.hyperparameters.latent_dim))

    def phases(self) -> tuple[Phase, ...]:
        return (self.critic(), Phase(("generator",), self.generator_phase, new_real_batch=False))

    def critic(self, **fields: Any) -> Phase:
        return Phase(("discriminator",), self.discriminator_phase, **fields)

    def discriminator_phase(self, batch: Batch) -> Scalars:
        fake = self.generator(self.draw_latent(batch.noise, len(batch.real))).detach()
        loss = (self.discriminator(batch.real) - self.discriminator(fake)).mean()
        torch.autograd.backward(loss, inputs=self.trainable_parameters("discriminator"))
        return {"loss_d": loss.detach()}

    def generator_phase(self, batch: Batch) -> Scalars:
        loss = -self.discriminator(self.generator(self.draw_latent(batch.noise, 3))).mean()
        torch.autograd.backward(loss, inputs=self.trainable_parameters("generator"))
        return {"loss_g": loss.detach()}


def made(kind: type[Variant], seed: int = 0, **knobs: Any) -> Any:
    torch.manual_seed(seed)
    return kind(kind.Hyperparameters(latent_dim=2, filters=4, **knobs), POINTS)


def rows_of(trainer: Trainer) -> list[dict[str, float]]:
    return record.read(trainer.folder / "record.jsonl").steps


def stopped_after(trainer: Trainer, step: int) -> Trainer:
    trainer.stop_requested = lambda: trainer.step == step
    with pytest.raises(Interrupted):
        trainer.train()
    return trainer


def resumed(make_trainer: Fixture, trainer: Trainer, variant: Any, **plan: Any) -> Trainer:
    """Return a trainer that goes on from the newest checkpoint in the folder of another."""
    again = make_trainer(variant, trainer.plan.steps, trainer.folder.name, **plan)
    again.history = History.of(record.read(trainer.folder / "record.jsonl"), variant.scalars)
    again.restore(checkpoint.read(max(trainer.folder.glob("step-*.safetensors"))))
    again.train()
    return again


def assert_same_state(one: Trainer, other: Trainer) -> None:
    mine, others = one.variant.state_dict(), other.variant.state_dict()
    assert list(mine) == list(others)
    for name, value in mine.items():
        assert torch.equal(value, others[name]), name


# --- lazy phases


class Lazy(Linear):
    """Every third step regularises, on a real batch of its own."""

    scalars = (TrainingScalar("penalty", "size of D's weights", better="lower", selects=True),)

    def phases(self) -> tuple[Phase, ...]:
        penalty = Phase(("discriminator",), self.penalty_phase, every=3)
        return (self.critic(), penalty, Phase(("generator",), self.generator_phase, new_real_batch=False))

    def penalty_phase(self, batch: Batch) -> Scalars:
        penalty = self.discriminator.weight.square().sum()
        torch.autograd.backward(penalty, inputs=self.trainable_parameters("discriminator"))
        return {"penalty": penalty.detach()}


def test_a_lazy_phase_takes_place_in_the_first_step_and_every_so_many_after_it(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Lazy), 8)
    trainer.train()
    rows = rows_of(trainer)
    assert [row["step"] for row in rows if "penalty" in row] == [1, 4, 7]
    assert all({"loss_d", "loss_g", "lr_d", "lr_g"} <= set(row) for row in rows)
    # a batch for each critic, one more where there is a penalty
    assert trainer.batches.taken == list(range(8 + 3))
    assert trainer.state()["real_batches"] == 11


def test_checkpoints_have_the_mean_of_the_steps_that_recorded_a_scalar(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Lazy), 8, checkpoint_every=3)
    trainer.train()
    found = record.read(trainer.folder / "record.jsonl")
    at = {row["step"]: row["penalty"] for row in found.steps if "penalty" in row}
    assert [saved.step for saved in found.checkpoints] == [3, 6, 8]
    for saved, step in zip(found.checkpoints, (1, 4, 7), strict=True):
        assert saved.means == {"penalty": pytest.approx(at[step])}


def test_means_leave_out_steps_without_the_scalar_and_scalars_without_a_step() -> None:
    rows = [{"step": 1, "penalty": 2.0}, {"step": 2}, {"step": 3, "penalty": 4.0}, {"step": 4}]
    history = History()
    history.extend(rows[:2], Lazy.scalars)
    history.extend(rows[2:], Lazy.scalars)
    assert len(history.scalars["penalty"]) == 4
    assert history.means(0, 4, Lazy.scalars) == {"penalty": 3.0}
    assert history.means(1, 4, Lazy.scalars) == {"penalty": 4.0}
    assert history.means(3, 4, Lazy.scalars) == {}


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
def test_a_lazy_training_resumes_to_the_bit(make_trainer: Fixture, stop: int) -> None:
    whole = make_trainer(made(Lazy), 8, "whole", checkpoint_every=4)
    whole.train()
    broken = stopped_after(make_trainer(made(Lazy), 8, "broken", checkpoint_every=4), stop)
    again = resumed(make_trainer, broken, made(Lazy, seed=9), checkpoint_every=4)
    assert_same_state(again, whole)
    assert broken.batches.taken + again.batches.taken == whole.batches.taken
    assert rows_of(again) == rows_of(whole)
    means = [saved.means for saved in record.read(whole.folder / "record.jsonl").checkpoints]
    planned = [e for e in record.read(again.folder / "record.jsonl").checkpoints if again.plan.saves(e.step)]
    assert [saved.means for saved in planned] == means


class Silent(Linear):
    """No step records a scalar but every fourth."""

    def phases(self) -> tuple[Phase, ...]:
        told = Phase((), lambda batch: {"told": batch.real.mean()}, every=4)
        return (Phase(("discriminator",), self.without_scalars), told)

    def without_scalars(self, batch: Batch) -> Scalars:
        self.discriminator_phase(batch)
        return {}


def test_a_step_may_record_no_scalar_at_all(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Silent), 5)
    trainer.train()
    assert [sorted(row) for row in rows_of(trainer)] == [
        ["lr_d", "lr_g", "step", *named] for named in (["told"], [], [], [], ["told"])
    ]


# --- what follows an optimizer's step


class Clipping(Linear):
    """Weights of D are clipped to 1/8, by a plain loop over the parameters."""

    def phases(self) -> tuple[Phase, ...]:
        return (self.critic(after=self.clip), self.critic(after=self.clip))

    def clip(self) -> None:
        self.before = max(parameter.abs().max().item() for parameter in self.discriminator.parameters())
        for parameter in self.discriminator.parameters():
            parameter.clamp_(-0.125, 0.125)


def test_weights_are_clipped_after_each_step_of_the_optimizer(make_trainer: Fixture) -> None:
    variant = made(Clipping, lr_d=0.3)
    trainer = make_trainer(variant, 3)
    largest: list[tuple[float, float]] = []

    def look(*_: Any) -> None:
        now = max(parameter.abs().max().item() for parameter in variant.discriminator.parameters())
        largest.append((now, getattr(variant, "before", 0.0)))

    trainer.optimizers["discriminator"].register_step_pre_hook(look)
    trainer.train()
    assert len(largest) == 6
    assert largest[0][0] > 0.125
    # the step of the optimizer left more, and the next phase begins with less
    assert all(now <= 0.125 < before for now, before in largest[1:])


# --- critics whose number of steps varies


class Varying(TwoPlayer):
    """Three steps of the critic, then one, then none, and so on."""

    name, title, source = "varying", "varying", "a test"

    def discriminator_steps(self, step: int) -> int:
        return (3, 1, 0)[(step - 1) % 3]

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return (self.discriminator(fake) - self.discriminator(real)).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return -self.discriminator(fake).mean()


def test_a_varying_critic_takes_consecutive_real_batches(make_trainer: Fixture) -> None:
    trainer = make_trainer(made(Varying), 7)
    trainer.train()
    # the step without a critic takes the size of its batch from one too
    assert trainer.batches.taken == list(range(3 + 1 + 1 + 3 + 1 + 1 + 3))
    assert [("loss_d" in row, "loss_g" in row) for row in rows_of(trainer)[:3]] == [
        (True, True),
        (True, True),
        (False, True),
    ]


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_resumed_critic_takes_the_real_batches_that_come_next(make_trainer: Fixture, stop: int) -> None:
    whole = make_trainer(made(Varying), 7, "whole")
    whole.train()
    broken = stopped_after(make_trainer(made(Varying), 7, "broken"), stop)
    again = resumed(make_trainer, broken, made(Varying, seed=9))
    assert broken.batches.taken + again.batches.taken == whole.batches.taken
    assert again.state()["real_batches"] == whole.state()["real_batches"] == 13
    assert_same_state(again, whole)
    assert rows_of(again) == rows_of(whole)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", [Linear, Lazy, Clipping, Varying])
def test_the_declared_number_of_real_batches_is_that_which_training_takes(
    make_trainer: Fixture, kind: type[Variant], steps: int
) -> None:
    trainer = make_trainer(made(kind), steps)
    trainer.train()
    assert made(kind).real_batches(steps) == len(trainer.batches.taken) == trainer.state()["real_batches"]


# --- scalars of repeated phases


class Repeating(Linear):
    """Phases of one step that record numbers of their own: 1, 2, 6 under one name, 5 under another."""

    def phases(self) -> tuple[Phase, ...]:
        values = [{"a": 1.0}, {"a": 2.0, "b": 5.0}, {"a": 6.0}]
        return tuple(
            Phase((), lambda batch, numbers=numbers: {k: torch.tensor(v) for k, v in numbers.items()})
            for numbers in values
        )

    def update_state(self, scalars: Scalars) -> Scalars:
        return {"seen": scalars["a"]}


def test_scalars_of_several_phases_are_their_mean_for_the_record_and_for_the_variant(
    make_trainer: Fixture,
) -> None:
    trainer = make_trainer(made(Repeating), 1)
    trainer.train()
    (row,) = rows_of(trainer)
    assert {name: row[name] for name in ("a", "b", "seen")} == {"a": 3.0, "b": 5.0, "seen": 3.0}


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([], {}),
        ([{}, {"a": 1.0}, {}], {"a": 1.0}),
        ([{"a": 1.0, "b": 2.0}] * 3 + [{"c": 7.0}], {"a": 1.0, "b": 2.0, "c": 7.0}),
        ([{"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 6.0}, {"c": 7.0}], {"a": 1.5, "b": 4.0, "c": 7.0}),
        ([{"a": 1.0, "b": 2.0}, {"b": 4.0, "c": 7.0}, {"b": 9.0}], {"a": 1.0, "b": 5.0, "c": 7.0}),
    ],
)
def test_means_are_over_the_phases_that_have_the_scalar_in_the_order_of_first_use(
    phases: list[dict[str, float]], expected: dict[str, float]
) -> None:
    found = mean_scalars([{k: torch.tensor(v) for k, v in numbers.items()} for numbers in phases])
    assert [(name, value.item()) for name, value in found.items()] == list(expected.items())
    assert all(value.shape == () for value in found.values())


# --- where training stands


class Watching(Linear):
    """Notes what it knows of the training in every call."""

    stage: Tensor

    def build_networks(self) -> None:
        super().build_networks()
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.seen: list[tuple[str, int, float, int]] = []

    def note(self, where: str) -> None:
        self.seen.append((where, self.step, self.progress, int(self.stage)))

    def begin_step(self) -> None:
        self.stage.fill_(int(self.progress * 4))
        self.note("begin")

    def phases(self) -> tuple[Phase, ...]:
        self.note("phases")
        return super().phases()

    def discriminator_phase(self, batch: Batch) -> Scalars:
        self.note("phase")
        return super().discriminator_phase(batch)


def test_step_progress_and_what_follows_them_are_known_before_the_phases(make_trainer: Fixture) -> None:
    variant = made(Watching)
    trainer = make_trainer(variant, 5)
    variant.seen.clear()
    trainer.train()
    assert variant.seen == [
        (where, step, (step - 1) / 4, step - 1)
        for step in range(1, 6)
        for where in ("begin", "phases", "phase")
    ]


def test_a_resumed_training_stands_where_it_stopped(make_trainer: Fixture) -> None:
    broken = stopped_after(make_trainer(made(Watching), 5), 3)
    variant = made(Watching)
    again = resumed(make_trainer, broken, variant)
    begun = [(step, progress) for where, step, progress, _ in variant.seen if where == "begin"]
    assert begun == [(4, 0.75), (5, 1.0)]
    assert int(again.variant.stage) == 4


def test_a_training_of_one_step_has_no_progress_to_divide_by(make_trainer: Fixture) -> None:
    variant = made(Watching)
    make_trainer(variant, 1).train()
    assert {progress for _, _, progress, _ in variant.seen} == {0.0}


def test_labels_are_fetched_when_they_are_read_and_only_once() -> None:
    calls: list[int] = []

    def fetch() -> Tensor:
        calls.append(1)
        return torch.tensor([2, 0, 1])

    batch = Batch(torch.zeros(3, 2), Noise(0, 1, torch.device("cpu")), labels=fetch)
    assert calls == []
    assert batch.labels is not None
    assert batch.labels.tolist() == [2, 0, 1]
    assert batch.labels is batch.labels
    assert calls == [1]
    assert Batch(torch.zeros(3, 2), batch.noise).labels is None
