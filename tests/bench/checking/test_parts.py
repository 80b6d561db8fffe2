"""Checks of a batch in parts fail on variants that break them, and say why."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from bench.checking import parts
from bench.checking.report import CheckFailed, NotApplicable
from bench.system.errors import WorkError
from variants.base import Batch, Scalars
from variants.dcgan import Dcgan
from variants.families.two_player import Loss, TwoPlayer


class Sums(Dcgan):
    """A loss that grows with the batch."""

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return softplus(-self.discriminator(fake)).sum()


class LocalState(Dcgan):
    """A buffer that follows the samples of one rank."""

    def build_further_networks(self) -> None:
        self.register_buffer("centre", torch.zeros(2))

    def scalars_after_phases(self, batch: Batch) -> Scalars:
        self.centre.copy_(batch.real.mean(0))
        return {}


BROKEN: list[tuple[type[TwoPlayer], Any, str]] = [
    (Sums, parts.micro_batches, "gradient of generator differs by 50.0%: the loss is no mean over samples"),
    (LocalState, parts.ranks, r"centre differs between two ranks: update state in update_state\(\)"),
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
    assert {check for _, check, _ in BROKEN} == set(parts.CHECKS)


def test_a_check_without_meaning_says_why(subject: Any) -> None:
    class Indivisible(Sums):
        def indivisible(self) -> str:
            return "the loss is a sum"

    for each in (parts.micro_batches, parts.ranks):
        with pytest.raises(NotApplicable, match="^indivisible: the loss is a sum$"):
            each(subject(Indivisible))
