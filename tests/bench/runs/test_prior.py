"""The prior of latents, found by watching the draws."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from bench.configuration import resolve
from bench.runs.prior import PriorPart, prior_of, text_of
from variants.base import Variant
from variants.cgan import Cgan
from variants.infogan import Infogan
from variants.noise import Noise
from variants.registry import all_variants

SHAPE = (1, 28, 28)


def built(variant: type[Variant], classes: int = 0, **values: object) -> Variant:
    return variant(variant.Hyperparameters(**values), SHAPE, classes)


@pytest.mark.parametrize("name", sorted(all_variants()))
@pytest.mark.parametrize(
    ("prior", "part"), [("uniform", PriorPart("uniform", 6, -1.0, 1.0)), ("normal", PriorPart("normal", 6))]
)
def test_each_variant_has_the_prior_of_its_configuration(name: str, prior: str, part: PriorPart) -> None:
    given = {"variant": name, "prior": prior, "latent_dim": 6, "preset": "quick"}
    configuration = resolve(given)
    kind = configuration.variant
    variant = kind(configuration.hyperparameters, SHAPE, 3 if kind.conditional else 0)
    # classes and codes have a prior of their own
    assert prior_of(variant)[0] == part
    z = part.width + 3 * kind.conditional + sum(code.width for code in variant.latent_codes())
    assert variant.draw_latent(Noise(0, 1, torch.device("cpu")), 2).shape == (2, z)


def test_the_columns_of_several_distributions_are_told_apart() -> None:
    parts = prior_of(built(Infogan, latent_dim=5, filters=4, prior="normal"))
    assert [(part.distribution, part.width) for part in parts] == [
        ("normal", 5), ("one-hot", 10), ("uniform", 2)
    ]  # fmt: skip
    assert text_of(parts) == "5 columns N(0, 1), then one-hot of 10 classes, then 2 columns U[-1, 1)"


def test_the_classes_of_a_conditional_variant_are_the_last_columns() -> None:
    parts = prior_of(built(Cgan, classes=3, latent_dim=4, filters=4))
    assert parts == (PriorPart("normal", 4), PriorPart("one-hot", 3))


@dataclass
class Draws:
    """Anything that has latents."""

    kind: str

    def draw_latent(self, noise: Noise, count: int) -> Tensor:
        z = noise.normal("latent", (count, 4))
        match self.kind:
            case "sphere":
                return z / z.norm(dim=1, keepdim=True)
            case "half":
                return torch.cat((z, z.abs()), dim=1)
            case "weighted":
                classes = noise.categories("class", count, torch.tensor([0.7, 0.2, 0.1]))
                return torch.nn.functional.one_hot(classes, 3).float()
            case _:
                return noise.integers("bits", (count, 4), 2).float()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sphere", "4 columns the variant's own"),
        ("half", "4 columns N(0, 1), then 4 columns the variant's own"),
        ("weighted", "one-hot of 3 classes"),
        ("bits", "4 columns the variant's own"),
    ],
)
def test_columns_that_are_no_draw_are_not_given_a_name(kind: str, expected: str) -> None:
    assert text_of(prior_of(Draws(kind))) == expected  # type: ignore[arg-type]
