"""What a discriminator sees of samples: augmented, then packed."""

from torch import Tensor

from variants.knobs import Knobs
from variants.noise import Noise
from variants.parts.augmentation import Augmentation, augment, augments
from variants.parts.packing import Packing, pack


def packed(knobs: Knobs) -> int:
    """Return how many samples D sees at once."""
    return knobs.packing if isinstance(knobs, Packing) else 1


def as_seen(samples: Tensor, knobs: Knobs, noise: Noise) -> Tensor:
    """Return samples (B, C, ...) as they reach D, (B / m, m C, ...) in packs of m.

    Raises
    ------
    ValueError
        If the samples are no whole packs.
    """
    if isinstance(knobs, Augmentation) and augments(knobs):
        samples = augment(samples, knobs, noise)
    return pack(samples, packed(knobs))


def refuse_augmented_points(knobs: Knobs, sample_shape: tuple[int, ...]) -> None:
    """Raise ValueError if DiffAugment is switched on for points."""
    if augments(knobs) and len(sample_shape) == 1:
        raise ValueError(f"DiffAugment needs images, and samples of shape {sample_shape} are points")
