"""Checks of training fail on variants that break them, and say why."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.checking import training
from bench.checking.report import CheckFailed
from bench.system.errors import WorkError
from variants.base import Batch, Network, Phase
from variants.dcgan import Dcgan
from variants.families.two_player import Loss, TwoPlayer
from variants.scalars import TrainingScalar


def around(change: Any) -> Any:
    """A generator whose samples are changed."""

    class Around(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, latent: Tensor) -> Tensor:
            return change(self.inner(latent))

    return Around


class WithGenerator(Dcgan):
    """A variant that puts `around` its generator."""

    around: Any = None

    def build_generator(self) -> nn.Module:
        return type(self).around(super().build_generator())


class Explodes(Dcgan):
    """A loss that is not finite from the third step on."""

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return super().generator_loss(fake, latent, batch) * (float("inf") if self.step > 2 else 1.0)


class Idle(Dcgan):
    """A network that no phase updates."""

    def build_further_networks(self) -> None:
        self.encoder = nn.Linear(2, 2)

    def networks(self) -> dict[str, Network]:
        return super().networks() | {"encoder": Network(self.encoder, "lr_g")}


class NeverRecorded(Dcgan):
    """A declared scalar that no step gives."""

    scalars = (*Dcgan.scalars, TrainingScalar("wasserstein", "distance"))


class Miscounts(Dcgan):
    """Two real batches a step, counted as one."""

    def phases(self) -> tuple[Phase, ...]:
        first, second = super().phases()
        return first, first, second


class GlobalNoise(Dcgan):
    """Noise from torch's random state in a loss."""

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return super().discriminator_loss(real + 0.1 * torch.randn_like(real), fake, latent, batch)


class Remembers(Dcgan):
    """A number that lives between steps and is no buffer."""

    seen = 0.0

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        loss = super().discriminator_loss(real, fake, latent, batch) * (1 + self.seen)
        self.seen = loss.item()
        return loss


class Stage(nn.Module):
    """A generator that reads a number of its own, which is neither parameter nor buffer."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.stage = 0

    def forward(self, latent: Tensor) -> Tensor:
        return self.inner(latent) * (1 + self.stage)


class StaleCopy(WithGenerator):
    """A stage that the moving average does not see."""

    around = Stage

    def begin_step(self) -> None:
        self.generator.stage = self.step


class Branches(WithGenerator):
    """A generator that decides by its samples."""

    around = around(lambda samples: samples if samples.sum() > 0 else 2 * samples)


BROKEN: list[tuple[type[TwoPlayer], Any, str]] = [
    (Explodes, training.finite, "diverged at step 3: loss_g is not finite"),
    (Idle, training.finite, "encoder is unchanged after 4 steps"),
    (NeverRecorded, training.recorded, "wasserstein is declared, and none of 4 steps recorded it"),
    (Miscounts, training.real_batches, r"real_batches\(1\) is 1, and 2 were taken"),
    (GlobalNoise, training.deterministic, "loss_d of step 1 differs between two trainings"),
    (Remembers, training.resume, "loss_d of step 3 differs after a resume at step 2"),
    (StaleCopy, training.moving_average, "the average with the generator's weights gives other samples"),
    (Branches, training.export, "the generator cannot be exported"),
]


@pytest.mark.parametrize(
    ("kind", "check", "reason"), BROKEN, ids=[f"{each[1].__name__} {each[0].__name__}" for each in BROKEN]
)
def test_a_check_fails_on_a_variant_that_breaks_it(
    subject: Any, kind: type[TwoPlayer], check: Any, reason: str
) -> None:
    with pytest.raises((CheckFailed, WorkError), match=reason):
        check(subject(kind))


def test_every_check_has_a_variant_that_breaks_it() -> None:
    assert {check for _, check, _ in BROKEN} == set(training.CHECKS)
