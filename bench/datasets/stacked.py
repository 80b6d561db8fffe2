"""Stacked digits: a thousand modes that a digit classifier distinguishes."""

from pathlib import Path

import numpy as np

from bench.datasets import contents, fixed_draws
from bench.datasets.mnist5k import SIDE, Mnist5k
from bench.datasets.registry import ImageDataset, Pictures, in_memory, register
from bench.system.errors import RequestError

MODES = 1000
SAMPLES_PER_MODE = 20
SEED_OF_IMAGES, SEED_OF_ORDER = 1000, 1001


def names_of_modes() -> tuple[str, ...]:
    """Return the names of the modes as classes: their three digits, red channel first."""
    return tuple(f"{mode:03}" for mode in range(MODES))


def digits_of(modes: np.ndarray) -> np.ndarray:
    """Return the three digits of modes 0 to 999, red channel first: int64 of shape (count, 3)."""
    return np.stack([modes // 100, modes // 10 % 10, modes % 10], axis=1)


@register
class StackedMnist(ImageDataset):
    """Three digits of mnist-5k per image, one per channel: each of the 1,000 triples 20 times.

    As in the unrolled GAN, VEEGAN and PacGAN, but as a fixed list in which all modes are equally frequent.
    """

    name = "stacked-mnist"
    description = "three digits of mnist-5k, one a colour: 1,000 modes, 20 pictures of each; needs no network"
    source = f"{Mnist5k.source}; stacked here, as in PacGAN (Lin and others 2018)"
    judged_by = "stacked-digits"
    preset = "stacked"
    channels = 3
    native_size = SIDE
    reading_description = ""
    published_count = MODES * SAMPLES_PER_MODE
    published_classes = names_of_modes()
    content = contents.DIGITS  # in each channel
    in_data_root = False
    # part of the cache key, which distinguishes the data set from mnist-5k with the same source file
    crop_description = (
        "three digits a picture, one a channel, each of the 1,000 triples 20 times (list 1); no crop"
    )

    @classmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Return (3, image_size, image_size); grey would mix the digits."""
        if channels == 1:
            raise RequestError(f"dataset {cls.name} has a digit in each channel: channels must be 3 or none")
        return super().sample_shape(image_size, channels)

    @staticmethod
    def modes() -> np.ndarray:
        """Return the mode of each image, its digits read as a number: int64 of shape (20000,)."""
        return fixed_draws.permutation(SEED_OF_ORDER, MODES * SAMPLES_PER_MODE) % MODES

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the modes."""
        return self.modes()

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the packaged file of digits."""
        return Mnist5k().files(data_root)

    def missing(self, data_root: Path) -> str:
        """Return how to install the package of digits if its file is missing."""
        return Mnist5k().missing(data_root)

    def images(self, data_root: Path) -> Pictures:
        """Return the stacked images."""
        from PIL import Image

        pixels, labels = Mnist5k().digits()
        wanted = digits_of(self.modes())
        drawn = fixed_draws.integers(SEED_OF_IMAGES, 2**32, wanted.shape)
        rows = np.empty_like(wanted)
        for digit in range(10):
            of_digit, here = np.flatnonzero(labels == digit), wanted == digit
            rows[here] = of_digit[drawn[here] % len(of_digit)]
        each = (Image.fromarray(np.stack(pixels[row], axis=-1)) for row in rows)
        return Pictures(len(rows), in_memory(each))
