"""Discs and squares: a whole data set of images in one file."""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets import fixed_draws
from bench.datasets.registry import ImageDataset, Pictures, in_memory, register


@register
class MyShapes(ImageDataset):
    """White discs and squares of different sizes on black, 1,000 of each, drawn when they are asked for."""

    name = "my-shapes"
    description = "white discs and squares on black, 1,000 of each, drawn by a program"
    source = "made here"
    channels = 1
    native_size = 28
    published_count = 2000
    published_classes = ("disc", "square")

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the file that determines the pixels: this one, so that a change of it is noticed."""
        return {"my_dataset.py": Path(__file__)}

    def missing(self, data_root: Path) -> str:
        """Return an empty string: nothing can be missing."""
        return ""

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the class of each image, 0 or 1 in turn: int64 (2000,)."""
        return np.arange(self.published_count) % 2

    def images(self, data_root: Path) -> Pictures:
        """Draw the images: 28 by 28 pixels, grey."""
        radii = 3 + fixed_draws.integers(1, 7, (self.published_count,))
        centres = 10 + fixed_draws.integers(2, 9, (self.published_count, 2))
        rows, columns = np.mgrid[:28, :28]
        pictures = []
        for label, radius, (row, column) in zip(self.labels(data_root), radii, centres, strict=True):
            down, right = np.abs(rows - row), np.abs(columns - column)
            distance = np.hypot(down, right) if label == 0 else np.maximum(down, right)
            pictures.append(Image.fromarray(np.where(distance <= radius, 255, 0).astype(np.uint8)))
        return Pictures(self.published_count, in_memory(pictures))
