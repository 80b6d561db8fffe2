"""DiffAugment: real and fake images are augmented alike before D sees them (Zhao et al. 2020).

The operations and their ranges are those of the authors' program, mit-han-lab/data-efficient-gans
`DiffAugment_pytorch.py`, in their order: colour, translation, cutout. Gradients flow through all of them.
"""

import torch
from torch import Tensor

from variants.knobs import Knobs, knob
from variants.noise import Noise

TRANSLATION = 1 / 8  # largest shift, as a part of the side
CUTOUT = 1 / 2  # side of the cut square, as a part of the side


class Augmentation(Knobs):
    """Operations of DiffAugment, for images."""

    augment_colour: bool = knob(
        False, "DiffAugment: random brightness, saturation and contrast", neutral=(False,)
    )
    augment_translation: bool = knob(
        False, "DiffAugment: random shifts by up to an eighth of the side", neutral=(False,)
    )
    augment_cutout: bool = knob(
        False, "DiffAugment: a random square of half the side is cut out", neutral=(False,)
    )


def augments(knobs: Knobs) -> bool:
    """Return whether hyperparameters switch any operation on."""
    return isinstance(knobs, Augmentation) and (
        knobs.augment_colour or knobs.augment_translation or knobs.augment_cutout
    )


def augment(images: Tensor, knobs: Augmentation, noise: Noise) -> Tensor:
    """Return images (B, C, S, S) after the operations that are switched on; each image has its own draws."""
    if knobs.augment_colour:
        images = change_colours(images, noise)
    if knobs.augment_translation:
        images = translate(images, noise)
    if knobs.augment_cutout:
        images = cut_out(images, noise)
    return images


def change_colours(images: Tensor, noise: Noise) -> Tensor:
    """Add a brightness of U[-0.5, 0.5), scale saturation by U[0, 2) and contrast by U[0.5, 1.5)."""
    brightness, saturation, contrast = noise.uniform("colours", (len(images), 3, 1, 1, 1)).unbind(1)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def translate(images: Tensor, noise: Noise) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side in each direction; zeros come in."""
    count, _, side, _ = images.shape
    furthest = int(side * TRANSLATION + 0.5)
    shifts = noise.integers("translations", (count, 2, 1), high=furthest + 1, low=-furthest)
    places = torch.arange(side, device=images.device) + shifts
    inside = ((places >= 0) & (places < side)).to(images.dtype)
    rows, columns = places.clamp(0, side - 1).unbind(1)
    sample = torch.arange(count, device=images.device)[:, None, None]
    # an index between slices: the channels come last
    moved = images[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return moved * (inside[:, 0, :, None] * inside[:, 1, None, :])[:, None]


def cut_out(images: Tensor, noise: Noise) -> Tensor:
    """Set a square of half the side to zero; its centre is anywhere in the image."""
    count, _, side, _ = images.shape
    cut = int(side * CUTOUT + 0.5)
    centres = noise.integers("cutouts", (count, 2, 1), high=side + 1 - cut % 2)
    places = torch.arange(side, device=images.device)
    # the authors clamp the square's pixels to the image: a square beyond the edge still cuts the edge's line
    first = (centres - cut // 2).clamp(0, side - 1)
    last = (centres - cut // 2 + cut - 1).clamp(0, side - 1)
    covered = (places >= first) & (places <= last)
    kept = ~(covered[:, 0, :, None] & covered[:, 1, None, :])
    return images * kept[:, None].to(images.dtype)
