"""Data sets of random images, for timing configurations whose data few machines have."""

from pathlib import Path

import numpy as np

from bench.datasets.registry import ImageDataset, Pictures, in_memory, register

COUNT = 1024
SIDE = 64


class RandomImages(ImageDataset):
    """Images of random bytes, the same on every machine."""

    description = "random bytes"
    source = "made here"
    native_size = SIDE
    published_count = COUNT
    # part of the cache key; there are no files
    crop_description = f"{COUNT} images of random bytes (list 1); no crop"

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return no files."""
        return {}

    def missing(self, data_root: Path) -> str:
        """Return that nothing is missing."""
        return ""

    def images(self, data_root: Path) -> Pictures:
        """Draw the images."""
        from PIL import Image

        shape = (COUNT, SIDE, SIDE) if self.channels == 1 else (COUNT, SIDE, SIDE, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return Pictures(COUNT, in_memory(map(Image.fromarray, pixels)))


@register
class RandomColour(RandomImages):
    """Three channels. Timings evaluate nothing, so the judge is the one that needs no download."""

    name = "random-colour"
    judged_by = "stacked-digits"
    channels = 3


@register
class RandomGrey(RandomImages):
    """One channel."""

    name = "random-grey"
    channels = 1
