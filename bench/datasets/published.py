"""The data sets that torchvision reads and can download: MNIST, Fashion-MNIST, CIFAR-10."""

import os
import tempfile
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from bench.datasets.registry import ImageDataset, Notify, Pictures, in_memory, register
from bench.system.atomic_files import PREFIX
from bench.system.errors import WorkError
from bench.system.leftovers import remove_leftovers


class Published(ImageDataset):
    """A data set of torchvision's.

    Attributes
    ----------
    folder : str
        Where the files lie below the data folder, as torchvision expects.
    needed : tuple of str
        Files that torchvision insists on.
    used : tuple of str
        Those among them that hold the training images.
    """

    folder: ClassVar[str]
    needed: ClassVar[tuple[str, ...]]
    used: ClassVar[tuple[str, ...]]

    @abstractmethod
    def reader(self) -> Any:
        """Give torchvision's class; importing it takes seconds, so only here."""

    def files(self, data_root: Path) -> dict[str, Path]:
        """List the files that hold the training images."""
        return {name: data_root / self.folder / name for name in self.used}

    def missing(self, data_root: Path) -> str:
        """Name the files that torchvision would not find."""
        absent = [name for name in self.needed if not (data_root / self.folder / name).is_file()]
        return f"put {', '.join(absent)} into {data_root / self.folder}" if absent else ""

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Download into a folder aside, then move the complete files into place."""
        notify(f"{self.name}: downloading into {data_root}")
        remove_leftovers(data_root, depth=0)
        place = data_root / self.folder
        made = not data_root.exists()
        try:
            data_root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=data_root) as aside:
                self.reader()(root=aside, train=True, download=True)
                place.mkdir(parents=True, exist_ok=True)
                for name in self.needed:
                    os.replace(Path(aside, self.folder, name), place / name)
        # torchvision's downloads fail in many ways: network, checksum, archive, disk.
        except Exception as error:
            if made:
                with suppress(OSError):
                    data_root.rmdir()
            reason = " ".join(str(error).split())[:200]
            message = f"dataset {self.name} could not be downloaded ({reason}): {self.missing(data_root)}"
            raise WorkError(message) from error

    def images(self, data_root: Path) -> Pictures:
        """Read the training split through torchvision."""
        try:
            split = self.reader()(root=data_root, train=True, download=False)
        # A damaged file reaches us as nearly any exception: assertion, index, pickle, value.
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            message = f"dataset {self.name} in {data_root / self.folder} is damaged: {reason}"
            raise WorkError(message) from error
        return Pictures(len(split), in_memory(split[row][0] for row in range(len(split))))


class _Idx(Published):
    """The layout of MNIST and those made in its likeness."""

    channels = 1
    native_size = 28
    published_count = 60_000
    needed = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
    used = ("train-images-idx3-ubyte",)

    def count(self, data_root: Path) -> int | None:
        """Read the number of images from the file's head, which may be a shortened copy's."""
        path = data_root / self.folder / self.used[0]
        try:
            if not path.is_file():
                return self.published_count
            with path.open("rb") as file:
                return int.from_bytes(file.read(8)[4:], "big")
        except OSError:
            return self.published_count


@register
class Mnist(_Idx):
    """Handwritten digits."""

    name = "mnist"
    description = "handwritten digits, the training split"
    source = "LeCun, Cortes, Burges; commonly given as CC BY-SA 3.0"
    folder = "MNIST/raw"

    def reader(self) -> Any:
        """Give torchvision's class."""
        from torchvision.datasets import MNIST

        return MNIST


@register
class FashionMnist(_Idx):
    """Photographs of clothes."""

    name = "fashion-mnist"
    description = "photographs of clothes in grey, the training split"
    source = "Xiao, Rasul, Vollgraf 2017 (Zalando Research); MIT licence"
    folder = "FashionMNIST/raw"

    def reader(self) -> Any:
        """Give torchvision's class."""
        from torchvision.datasets import FashionMNIST

        return FashionMNIST


@register
class Cifar10(Published):
    """Small photographs of ten kinds of things."""

    name = "cifar10"
    description = "small photographs of ten kinds of animals and vehicles, the training split"
    source = "Krizhevsky 2009 (University of Toronto); no licence stated, used for research"
    channels = 3
    native_size = 32
    published_count = 50_000
    folder = "cifar-10-batches-py"
    used = tuple(f"data_batch_{number}" for number in range(1, 6))
    needed = (*used, "test_batch", "batches.meta")

    def reader(self) -> Any:
        """Give torchvision's class."""
        from torchvision.datasets import CIFAR10

        return CIFAR10
