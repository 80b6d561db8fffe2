"""The judge on real digits, on collapsed samplers and on broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.errors import WorkError
from bench.judging.extraction import DigitsGarments
from bench.judging.health import collapsed
from bench.judging.judge import Judge, Sampler, as_stored
from bench.judging.reference import Reference, reference_statistics
from bench.judging.train_feature_network import Labelled


def sampler_of(images: Tensor | np.ndarray, batch_size: int = 64) -> Sampler:
    """Hand out stored images (N, C, H, W) in [-1, 1], from the first on and around again."""

    def sampler(count: int) -> Iterator[Tensor]:
        stored = torch.as_tensor(images).float() / 127.5 - 1
        rows = torch.arange(count) % len(stored)
        yield from stored[rows].split(batch_size)

    return sampler


@pytest.fixture(scope="module")
def halves(digits: Labelled) -> tuple[Tensor, Tensor]:
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(1))
    return digits.images[order[:2500]], digits.images[order[2500:]]


@pytest.fixture(scope="module")
def reference(
    shipped: DigitsGarments, halves: tuple[Tensor, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Reference:
    cache = tmp_path_factory.mktemp("cache")
    return reference_statistics(shipped, halves[0].numpy(), "9f8e7d6c" * 8, "mnist-5k", cache)


@pytest.fixture
def judge(shipped: DigitsGarments, reference: Reference) -> Judge:
    return Judge(shipped, reference, 1000)


def test_real_digits_are_near_and_cover_all_classes(
    shipped: DigitsGarments, reference: Reference, halves: tuple[Tensor, Tensor]
) -> None:
    measurement = Judge(shipped, reference, 2500).measure(sampler_of(halves[1]))
    assert set(measurement.values) == {"fd_digits_garments", "classes_covered", "effective_classes"}
    assert measurement.values["fd_digits_garments"] < 0.5
    assert measurement.classes_covered == 10
    assert measurement.effective_classes == pytest.approx(10, abs=0.1)
    assert measurement.reference == reference.counts
    assert reference.counts.classes_covered == 10
    assert not collapsed(measurement, reference.counts)


def test_one_image_repeated_is_far_and_collapsed(
    judge: Judge, reference: Reference, digits: Labelled
) -> None:
    measurement = judge.measure(sampler_of(digits.images[:1]))
    assert measurement.values["fd_digits_garments"] > 20
    assert measurement.classes_covered == 1
    assert measurement.effective_classes == 1.0
    assert collapsed(measurement, reference.counts)


def test_one_digit_is_collapsed(judge: Judge, reference: Reference, digits: Labelled) -> None:
    ones = digits.images[digits.labels == 1]
    measurement = judge.measure(sampler_of(ones))
    assert measurement.classes_covered == 1
    assert measurement.effective_classes < 1.2
    assert collapsed(measurement, reference.counts)


def test_six_digits_are_not_collapsed_and_noise_covers_nothing_much(
    judge: Judge, reference: Reference, digits: Labelled
) -> None:
    six = digits.images[digits.labels < 6]
    order = torch.randperm(len(six), generator=torch.Generator().manual_seed(0))
    measurement = judge.measure(sampler_of(six[order]))
    assert measurement.classes_covered == 6
    assert not collapsed(measurement, reference.counts)
    noise = torch.randint(0, 256, (500, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    worse = judge.measure(sampler_of(noise))
    assert worse.values["fd_digits_garments"] > measurement.values["fd_digits_garments"]
    assert collapsed(worse, reference.counts)


def test_blurred_digits_are_farther_the_more_they_are_blurred(
    judge: Judge, halves: tuple[Tensor, Tensor]
) -> None:
    distances = []
    for width in (1, 3, 5, 7):
        images = halves[1].float()
        blurred = torch.nn.functional.avg_pool2d(images, width, stride=1, padding=width // 2)
        distances.append(judge.measure(sampler_of(blurred)).values["fd_digits_garments"])
    assert distances == sorted(distances)
    assert distances[-1] > 5 * distances[0]


def test_the_same_sampler_gives_the_same_numbers(judge: Judge, halves: tuple[Tensor, Tensor]) -> None:
    state = torch.get_rng_state()
    first = judge.measure(sampler_of(halves[1]))
    assert judge.measure(sampler_of(halves[1])).values == first.values
    other_batches = judge.measure(sampler_of(halves[1], batch_size=1000)).values
    assert other_batches["fd_digits_garments"] == pytest.approx(first.values["fd_digits_garments"], rel=1e-4)
    assert torch.equal(torch.get_rng_state(), state)  # the judge draws nothing


def test_protocol(judge: Judge, shipped: DigitsGarments, reference: Reference) -> None:
    assert judge.protocol == (
        f"digits-garments@{shipped.hash[:8]} 28x28 bilinear antialias uint8; 1000 samples;"
        " reference mnist-5k train 2500@9f8e7d6c; generator raw"
    )
    assert Judge(shipped, reference, 100, generator="ema").protocol.endswith("generator ema")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_refused_by_name(judge: Judge, bad: float) -> None:
    def sampler(count: int) -> Iterator[Tensor]:
        images = torch.zeros(count, 1, 28, 28)
        images[3, 0, 0, 0] = bad
        yield images

    with pytest.raises(
        WorkError, match=r"generated images hold NaN or infinite values \(1 of a batch of 1000\)"
    ):
        judge.measure(sampler)


@pytest.mark.parametrize(("given", "words"), [(999, "gave 999 images, 1000"), (1001, "more than the 1000")])
def test_a_sampler_of_another_count_is_refused(judge: Judge, given: int, words: str) -> None:
    with pytest.raises(WorkError, match=words):
        judge.measure(lambda count: iter([torch.zeros(given, 1, 28, 28)]))


def test_stored_images_come_back_unchanged_and_others_are_rounded_and_clamped() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(as_stored(every.float() / 127.5 - 1), every)
    values = torch.tensor([-7.0, -1.001, 0.0029, 0.999, 1.5]).view(1, 1, 1, 5)
    assert as_stored(values).flatten().tolist() == [0, 0, 128, 255, 255]


def test_few_images_are_warned_of(
    shipped: DigitsGarments, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    Judge(shipped, reference, 65)
    assert not caplog.records
    Judge(shipped, reference, 64)
    assert "fd_digits_garments: 64 generated images for 64 features" in caplog.text


def test_judges_that_make_no_sense_are_refused(
    shipped: DigitsGarments, reference: Reference, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        Judge(shipped, reference, 1)
    foreign = Reference(
        reference.moments, reference.shares, "mnist-5k", "train", "00" * 32, "another network"
    )
    with pytest.raises(ValueError, match="was not measured by digits-garments"):
        Judge(shipped, foreign, 100)
