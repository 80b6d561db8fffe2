"""InfoGAN's latents and losses against equations 5 and 6 of its paper, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from ring import learn_ring
from torch import Tensor

from variants.base import Batch
from variants.noise import Noise

Fixture = Callable[..., Any]
KNOBS = {"categories": 4, "categorical_codes": 2, "continuous_codes": 3}
WEIGHTS = {"categorical_weight": 0.7, "continuous_weight": 0.3}
CPU = torch.device("cpu")


@pytest.fixture(params=[{}, {"layers": "points"}], ids=["images", "points"])
def variant(build: Fixture, request: pytest.FixtureRequest) -> Any:
    return build("infogan", shaken=True, dtype=torch.float64, **KNOBS, **WEIGHTS, **request.param)


def draw(variant: Any, noise: Any) -> Tensor:
    return variant.draw_latent(noise, 3).double()


def code_terms(variant: Any, fake: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
    """-log Q of the categorical and of the continuous codes, without the constant of the Gaussian."""
    given = variant.guess(variant.discriminator.trunk(fake))
    categorical = continuous = torch.zeros((), dtype=torch.float64)
    for sample in range(3):
        for code in range(2):
            logits = given[sample, 4 * code : 4 * code + 4]
            drawn = int(latent[sample, 6 + 4 * code : 10 + 4 * code].argmax())
            categorical = categorical - (logits[drawn] - logits.exp().sum().log()) / 3
        for code in range(3):
            mean, log_variance = given[sample, 8 + code], given[sample, 11 + code]
            normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
            likelihood = normal.log_prob(latent[sample, 14 + code]) + math.log(2 * math.pi) / 2
            continuous = continuous - likelihood / 3
    return categorical, continuous


def test_latents_are_noise_then_one_hot_categories_then_uniform_codes(build: Fixture) -> None:
    variant = build("infogan", **KNOBS)
    latent = variant.draw_latent(Noise(0, 1, CPU), 400)
    assert latent.shape == (400, 6 + 2 * 4 + 3)
    for code in (latent[:, 6:10], latent[:, 10:14]):
        assert torch.equal(code.sum(1), torch.ones(400))
        assert set(code.unique().tolist()) == {0.0, 1.0}
        assert (code.sum(0) > 50).all()
    assert not torch.equal(latent[:, 6:10], latent[:, 10:14])
    assert -1 <= latent[:, 14:].min() < -0.9
    assert 0.9 < latent[:, 14:].max() <= 1


def test_the_declared_codes_are_those_columns(build: Fixture) -> None:
    codes = build("infogan", **KNOBS).latent_codes()
    assert [(code.name, code.kind, code.column, code.width) for code in codes] == [
        ("category-1", "categorical", 6, 4),
        ("category-2", "categorical", 10, 4),
        ("continuous-1", "continuous", 14, 1),
        ("continuous-2", "continuous", 15, 1),
        ("continuous-3", "continuous", 16, 1),
    ]
    assert build("infogan", categorical_codes=0, continuous_codes=1).draw_latent(
        Noise(0, 1, CPU), 2
    ).shape == (2, 7)
    with pytest.raises(ValueError, match="^categorical_codes and continuous_codes are 0: InfoGAN needs a"):
        build("infogan", categorical_codes=0, continuous_codes=0)


def test_generator_and_guess_minimise_the_loss_of_gan_and_of_the_codes(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    latent = draw(variant, double_noise())
    fake = variant.generator(latent)
    network = variant.discriminator
    of_fake = torch.sigmoid(network.score(network.trunk(fake)))
    categorical, continuous = code_terms(variant, fake, latent)
    loss = -of_fake.log().mean() + 0.7 * categorical + 0.3 * continuous
    assert variant.phases()[1].updates == ("generator", "guess")
    scalars = assert_phase_follows(variant, 1, loss, Batch(samples(variant), double_noise()))
    assert scalars["categorical_loss"].item() == pytest.approx(categorical.item(), rel=1e-10)
    assert scalars["continuous_loss"].item() == pytest.approx(continuous.item(), rel=1e-10)


@pytest.mark.parametrize("trains_trunk", [True, False])
def test_the_discriminator_minimises_the_loss_of_gan_and_for_its_trunk_of_the_codes(
    build: Fixture, samples: Fixture, double_noise: Fixture, trains_trunk: bool
) -> None:
    variant = build(
        "infogan", shaken=True, dtype=torch.float64, trains_trunk=trains_trunk, **KNOBS, **WEIGHTS
    )
    real, latent = samples(variant), draw(variant, double_noise())
    fake = variant.generator(latent).detach()
    network = variant.discriminator
    of_real, of_fake = (torch.sigmoid(network.score(network.trunk(each))) for each in (real, fake))
    loss = -of_real.log().mean() - (1 - of_fake).log().mean()
    if trains_trunk:
        categorical, continuous = code_terms(variant, fake, latent)
        loss = loss + 0.7 * categorical + 0.3 * continuous
    assert variant.phases()[0].updates == ("discriminator",)
    assert_phase_follows(variant, 0, loss, Batch(real, double_noise()))


def test_categories_come_to_stand_for_modes_of_a_ring() -> None:
    ring = learn_ring("infogan", steps=800)
    assert ring.modes_covered >= 7
    assert ring.share_near > 0.5
    (category,) = ring.variant.latent_codes()
    drawn, nearest = ring.latents[:, category.columns].argmax(1), ring.nearest_modes()
    counts = torch.zeros(8, 8).index_put_((drawn, nearest), torch.ones(()), accumulate=True)
    # samples of a category lie mostly at one mode
    assert counts.max(dim=1).values.sum() / counts.sum() > 0.9
