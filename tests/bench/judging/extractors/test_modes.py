"""Extractors that know the modes: points at known distances, and packaged digits stacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from train_digits_garments import Labelled, read_split

from bench.datasets import load
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.modes import Points, StackedDigits
from bench.judging.judge import Judge
from bench.judging.reference import reference_statistics

CENTRES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
DEVIATION = 0.05


@pytest.fixture
def points() -> Points:
    return Points(CENTRES, DEVIATION)


@pytest.fixture(scope="module")
def stacked() -> StackedDigits:
    return StackedDigits()


def stack(digits: Labelled, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack digits drawn at random as channels, uint8 (count, 3, 28, 28); and the numbers that they make."""
    rows = torch.randint(len(digits.labels), (count, 3), generator=torch.Generator().manual_seed(0))
    labels = digits.labels[rows]
    return digits.images[rows].squeeze(2), labels[:, 0] * 100 + labels[:, 1] * 10 + labels[:, 2]


@pytest.mark.parametrize("angle", np.linspace(0, 2 * np.pi, 7))
@pytest.mark.parametrize(("deviations", "well"), [(0.0, True), (2.9, True), (3.1, False)])
def test_a_point_lies_well_on_its_mode_within_three_deviations_in_any_direction(
    points: Points, angle: float, deviations: float, well: bool
) -> None:
    away = deviations * DEVIATION * np.array([np.cos(angle), np.sin(angle)])
    extraction = points(torch.from_numpy(CENTRES + away).float())
    assert extraction.modes is not None
    assert extraction.modes.tolist() == [0, 1, 2]
    assert extraction.on_mode is not None
    assert extraction.on_mode.tolist() == [well] * 3


def test_a_point_belongs_to_the_nearest_mode_and_its_features_are_its_coordinates(points: Points) -> None:
    samples = torch.tensor([[0.49, 0.0], [0.51, 0.0], [-9.0, 0.99], [-9.0, 1.01], [50.0, 50.0]])
    extraction = points(samples)
    assert extraction.modes is not None
    assert extraction.modes.tolist() == [0, 1, 0, 2, 2]
    assert torch.equal(extraction.features, samples)


def test_points_of_another_kind_are_refused(points: Points) -> None:
    for samples in (torch.zeros(4, 3), torch.zeros(4, 2).double(), torch.zeros(4)):
        with pytest.raises(ValueError, match=r"points takes float32 points \(N, 2\)"):
            points(samples)


def test_other_centres_or_another_deviation_is_another_extractor(points: Points) -> None:
    others = [Points(CENTRES, 0.06), Points(CENTRES + 1, DEVIATION), Points(CENTRES[:2], DEVIATION)]
    assert len({points.hash, *(other.hash for other in others)}) == 4
    assert Points(CENTRES.copy(), DEVIATION).hash == points.hash


@pytest.mark.parametrize(("name", "modes"), [("ring-8", 8), ("grid-25", 25)])
def test_held_out_points_cover_every_mode_with_the_high_quality_of_gaussians(
    name: str, modes: int, tmp_path: Path
) -> None:
    array = load(name, image_size=None, channels=None, data_root=tmp_path, cache=tmp_path)
    extractor = Points(array.modes.centres, array.modes.deviation)
    reference = reference_statistics(extractor, array.samples, array.hash, array.name, tmp_path)
    judge = Judge(extractor, reference, 2000)
    real = judge.measure_real(array.samples, tmp_path)
    assert real["modes_covered"] == modes
    expected = 1 - np.exp(-4.5)  # of a round Gaussian of the plane, within 3 deviations
    assert real["high_quality"] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 2000))
    assert real["reverse_kl"] < 0.02
    half = array.modes.centres[: modes // 2]
    draws = np.random.default_rng(0).normal(0, array.modes.deviation, (2000, 2))
    fewer = torch.from_numpy(half[np.arange(2000) % len(half)] + draws).float()
    values = judge.measure(lambda count: iter([fewer]))
    assert values["modes_covered"] == modes // 2
    assert values["reverse_kl"] == pytest.approx(np.log(modes / len(half)), abs=0.01)


def test_stacked_digits_are_read_as_a_number(stacked: StackedDigits, digits: Labelled) -> None:
    """Measured: 99.8% of 3,000 stacks of the packaged digits, on which the network was trained."""
    images, numbers = stack(digits, 3000)
    extraction = stacked(images)
    assert extraction.modes is not None
    assert (extraction.modes == numbers).double().mean() > 0.995
    assert extraction.features.shape == (3000, 192)
    assert stacked.mode_count == 1000


def test_stacked_digits_that_the_network_never_saw(stacked: StackedDigits, shared_data: Path) -> None:
    """Measured: 99.7% of 3,000 stacks of 1,000 held-out digits."""
    images, numbers = stack(read_split(shared_data, "MNIST", "t10k"), 3000)
    extraction = stacked(images)
    assert (extraction.modes == numbers).double().mean() > 0.98


def test_each_channel_is_seen_as_a_grey_image(
    stacked: StackedDigits, shipped: DigitsGarments, digits: Labelled
) -> None:
    images, _ = stack(digits, 20)
    expected = torch.cat([shipped(images[:, [channel]]).features for channel in range(3)], dim=1)
    torch.testing.assert_close(stacked(images).features, expected, rtol=1e-4, atol=1e-4)


def test_stacked_digits_are_another_extractor_than_the_network_that_sees_the_channels(
    stacked: StackedDigits, shipped: DigitsGarments
) -> None:
    assert stacked.hash != shipped.hash
    assert stacked.hash == StackedDigits().hash


def test_garment_classes_are_ignored_among_stacked_digits(
    stacked: StackedDigits, shipped: DigitsGarments
) -> None:
    noise = torch.randint(0, 256, (50, 3, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    classes = shipped(noise.flatten(0, 1).unsqueeze(1)).probabilities
    assert classes is not None
    assert classes.argmax(dim=1).max() >= 10
    extraction = stacked(noise)
    assert extraction.modes is not None
    assert extraction.modes.max() <= 999


def test_stacks_of_another_kind_are_refused(stacked: StackedDigits) -> None:
    for images in (torch.zeros(2, 1, 28, 28).byte(), torch.zeros(3, 28, 28).byte()):
        with pytest.raises(ValueError, match="stacked-digits takes uint8 images"):
            stacked(images)
    with pytest.raises(ValueError, match="takes uint8 images"):
        stacked(torch.zeros(2, 3, 28, 28))
