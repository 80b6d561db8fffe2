"""CGAN's losses against the equations of Goodfellow and of Mirza and Osindero, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from ring import learn_ring
from torch import Tensor

from variants.base import Batch

Fixture = Callable[..., Any]
LABELS = torch.tensor([2, 0, 1])


@pytest.fixture(params=[{}, {"layers": "points"}], ids=["images", "points"])
def variant(build: Fixture, request: pytest.FixtureRequest) -> Any:
    return build("cgan", shaken=True, dtype=torch.float64, **request.param)


def probability(variant: Any, samples: Tensor, labels: Tensor) -> Tensor:
    """D(v, y), from the layers of D: the class is three further channels or coordinates of a sample."""
    planes = torch.zeros(len(samples), 3, *samples.shape[2:], dtype=samples.dtype)
    for sample, label in enumerate(labels.tolist()):
        planes[sample, label] = 1
    network = variant.discriminator
    return torch.sigmoid(network.score(network.trunk(torch.cat((samples, planes), dim=1))))[:, 0]


def fakes(variant: Any, noise: Any) -> tuple[Tensor, Tensor]:
    """Samples G([z, y]) and their classes y, which are drawn uniformly."""
    z, labels = noise.normal("latent", (3, 6)), noise.integers("latent: class", (3,), 3)
    one_hot = torch.eye(3, dtype=torch.float64)[labels]
    return variant.generator(torch.cat((z, one_hot), dim=1)), labels


def test_the_discriminator_minimises_the_cross_entropy_of_samples_with_their_classes(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real = samples(variant)
    fake, labels = fakes(variant, double_noise())
    of_real, of_fake = probability(variant, real, LABELS), probability(variant, fake.detach(), labels)
    loss = -of_real.log().mean() - (1 - of_fake).log().mean()
    assert_phase_follows(variant, 0, loss, Batch(real, double_noise(), labels=LABELS))


def test_the_generator_minimises_minus_the_log_probability_of_its_samples(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    loss = -probability(variant, *fakes(variant, double_noise())).log().mean()
    batch = Batch(samples(variant), double_noise(), labels=LABELS)
    assert_phase_follows(variant, 1, loss, batch)


def test_smoothed_labels_lower_the_target_of_real_samples_alone(
    build: Fixture, samples: Fixture, double_noise: Fixture
) -> None:
    variant = build("cgan", shaken=True, dtype=torch.float64, layers="points", label_smoothing=0.1)
    real = samples(variant)
    fake, labels = fakes(variant, double_noise())
    of_real, of_fake = probability(variant, real, LABELS), probability(variant, fake.detach(), labels)
    loss = -(0.9 * of_real.log() + 0.1 * (1 - of_real).log()).mean() - (1 - of_fake).log().mean()
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise(), labels=LABELS))
    assert scalars["loss_d"].item() == pytest.approx(loss.item(), rel=1e-10)


def test_the_right_class_of_a_real_sample_is_needed(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real = samples(variant)
    losses = [
        variant.phases()[0].accumulate_gradients(Batch(real, double_noise(), labels=labels))["loss_d"].item()
        for labels in (LABELS, LABELS.flip(0))
    ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-6)


def test_each_mode_of_a_ring_is_a_class_that_the_generator_learns() -> None:
    ring = learn_ring("cgan", steps=800)
    assert ring.modes_covered == 8
    assert ring.share_near > 0.5
    assert (ring.nearest_modes() == ring.latents[:, -8:].argmax(1)).float().mean() > 0.95
