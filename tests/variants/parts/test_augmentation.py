"""DiffAugment against the definition of its authors, one image at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from variants.noise import Noise
from variants.parts.augmentation import Augmentation, augment, augments, change_colours, cut_out, translate

CPU = torch.device("cpu")
SHAPES = pytest.mark.parametrize("shape", [(40, 3, 16, 16), (40, 1, 28, 28)], ids=["colour", "grey"])


def drawn(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1


@SHAPES
def test_colours_have_brightness_saturation_and_contrast_of_each_image(shape: tuple[int, ...]) -> None:
    images = drawn(shape)
    found = change_colours(images, Noise(0, 1, CPU))
    draws = Noise(0, 1, CPU).uniform("colours", (len(images), 3, 1, 1, 1)).reshape(-1, 3)
    for image, result, (brightness, saturation, contrast) in zip(images, found, draws.tolist(), strict=True):
        expected = image + brightness - 0.5
        grey = expected.sum(0) / len(expected)
        expected = grey + (expected - grey) * saturation * 2
        mean = expected.sum() / expected.numel()
        expected = mean + (expected - mean) * (contrast + 0.5)
        torch.testing.assert_close(result, expected)


@SHAPES
def test_a_translation_moves_each_image_by_at_most_an_eighth_and_fills_with_zeros(
    shape: tuple[int, ...],
) -> None:
    images = drawn(shape)
    found = translate(images, Noise(0, 1, CPU))
    side = shape[-1]
    furthest = int(side / 8 + 0.5)
    shifts = Noise(0, 1, CPU).integers("translations", (len(images), 2, 1), furthest + 1, -furthest)
    padded = torch.nn.functional.pad(images, (furthest,) * 4)
    for number, (down, right) in enumerate(shifts.reshape(-1, 2).tolist()):
        top, left = furthest + down, furthest + right
        assert torch.equal(found[number], padded[number, :, top : top + side, left : left + side])
    assert set(shifts.flatten().tolist()) == set(range(-furthest, furthest + 1))


@SHAPES
def test_a_cutout_sets_a_square_of_half_the_side_to_zero(shape: tuple[int, ...]) -> None:
    images = drawn(shape)
    found = cut_out(images, Noise(0, 1, CPU))
    side = shape[-1]
    cut = side // 2
    centres = Noise(0, 1, CPU).integers("cutouts", (len(images), 2, 1), side + 1 - cut % 2)
    for number, (row, column) in enumerate(centres.reshape(-1, 2).tolist()):
        expected = images[number].clone()
        # each pixel of the square, moved into the image where it is outside
        for y in range(cut):
            for x in range(cut):
                at = (row + y - cut // 2, column + x - cut // 2)
                inside = [min(max(place, 0), side - 1) for place in at]
                expected[:, inside[0], inside[1]] = 0
        assert torch.equal(found[number], expected)


def test_gradients_flow_through_all_operations() -> None:
    knobs = Augmentation(augment_colour=True, augment_translation=True, augment_cutout=True)
    images = drawn((4, 3, 16, 16)).requires_grad_()
    result = augment(images, knobs, Noise(0, 1, CPU))
    (slope,) = torch.autograd.grad(result.square().sum(), images, create_graph=True)
    assert (slope.flatten(1).abs().sum(1) > 0).all()
    slope.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda v: augment(v, knobs, Noise(0, 1, CPU)), images[:1, :, :8, :8])


def test_nothing_is_drawn_and_nothing_changes_while_it_is_off() -> None:
    knobs = Augmentation()
    images = drawn((2, 3, 16, 16))
    assert not augments(knobs)
    assert augment(images, knobs, Noise(0, 1, CPU)) is images


def test_micro_batches_are_augmented_as_the_whole_batch() -> None:
    knobs = Augmentation(augment_colour=True, augment_translation=True, augment_cutout=True)
    images = drawn((8, 3, 16, 16))
    whole = augment(images, knobs, Noise(0, 1, CPU))
    parts = [augment(part, knobs, Noise(0, 1, CPU, n, 2)) for n, part in enumerate(images.chunk(2))]
    assert torch.equal(whole, torch.cat(parts))
