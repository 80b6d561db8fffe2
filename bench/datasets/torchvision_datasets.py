"""Data sets that torchvision downloads; MNIST and Fashion-MNIST, which it reads too."""

import gzip
import os
import shutil
import tempfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Protocol, TypeAlias, cast

import numpy as np

from bench.datasets import contents
from bench.datasets.mnist5k import DIGITS
from bench.datasets.registry import ImageDataset, Notify, Pictures, in_memory, register
from bench.system.atomic_files import PREFIX
from bench.system.errors import WorkError, printable
from bench.system.leftovers import remove_leftovers

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    class Split(Protocol):
        """A data set of torchvision, whose items are images with their labels."""

        targets: Sequence[int] | Tensor

        def __len__(self) -> int: ...  # noqa: D105
        def __getitem__(self, row: int) -> tuple[Image, int]: ...  # noqa: D105

    Reader: TypeAlias = Callable[..., Split]


PACKED = ".gz"


class TorchvisionDataset(ImageDataset):
    """A data set of torchvision.

    Attributes
    ----------
    folder : str
        Folder of the files below the data folder, as torchvision expects.
    needed : tuple of str
        Files that torchvision requires.
    used : tuple of str
        Those of `needed` with the training images.
    used_for_labels : tuple of str
        Those of `needed` with the labels of the training images, where these are not in `used`.
    tested, tested_for_labels : tuple of str
        As `used` and `used_for_labels`, of the test split.

    Parameters
    ----------
    train : bool
        Whether these are the images of the training split, or those of the test split.
    """

    reading_description = ""
    folder: ClassVar[str]
    needed: ClassVar[tuple[str, ...]]
    used: ClassVar[tuple[str, ...]]
    used_for_labels: ClassVar[tuple[str, ...]] = ()
    tested: ClassVar[tuple[str, ...]]
    tested_for_labels: ClassVar[tuple[str, ...]] = ()

    def __init__(self, train: bool = True) -> None:
        self.train = train
        if not train:
            self.name = f"{self.name} (test)"

    def published_test(self) -> ImageDataset:
        """Return the published test split."""
        return type(self)(train=False)

    @property
    def image_files(self) -> tuple[str, ...]:
        """Names of the files with the images of the split."""
        return self.used if self.train else self.tested

    @property
    def files_of_labels(self) -> tuple[str, ...]:
        """Names of the files with the labels of the split, where these are not in `image_files`."""
        return self.used_for_labels if self.train else self.tested_for_labels

    @abstractmethod
    def reader(self) -> "Reader":
        """Return torchvision's class, imported late since the import takes seconds."""

    def path(self, data_root: Path, name: str) -> Path:
        """Return the path of a file, which may be absent."""
        return data_root / self.folder / name

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the files with the images of the split."""
        return {path.name: path for path in (self.path(data_root, name) for name in self.image_files)}

    def label_files(self, data_root: Path) -> dict[str, Path]:
        """Return the files that hold labels alone."""
        return {path.name: path for path in (self.path(data_root, name) for name in self.files_of_labels)}

    def missing(self, data_root: Path) -> str:
        """Return the files that torchvision needs and that are missing."""
        absent = [name for name in self.needed if not self.path(data_root, name).is_file()]
        return f"put {', '.join(absent)} into {data_root / self.folder}" if absent else ""

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Download into a temporary folder, then move the complete files to their folder."""
        notify(f"{self.name}: downloading into {data_root}")
        remove_leftovers(data_root, depth=0)
        folder = data_root / self.folder
        created = not data_root.exists()
        try:
            data_root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=data_root) as temporary:
                self.reader()(root=temporary, train=True, download=True)
                folder.mkdir(parents=True, exist_ok=True)
                for name in self.needed:
                    os.replace(Path(temporary, self.folder, name), folder / name)
        # downloads fail with many types of errors: network, checksum, archive, disk
        except Exception as error:
            if created:
                with suppress(OSError):
                    data_root.rmdir()
            reason = " ".join(str(error).split())[:200]
            message = f"dataset {self.name} could not be downloaded ({reason}): {self.missing(data_root)}"
            raise WorkError(message) from error

    def images(self, data_root: Path) -> Pictures:
        """Return the images of the split."""
        split = self._split(data_root)
        return Pictures(len(split), in_memory(split[row][0] for row in range(len(split))))

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the labels of the split."""
        return np.asarray(self._split(data_root).targets)

    def read(self, data_root: Path) -> "Split":
        """Return the split, read by torchvision; may raise any error for damaged files."""
        return self.reader()(root=data_root, train=self.train, download=False)

    def _split(self, data_root: Path) -> "Split":
        """Return the split, read by torchvision."""
        try:
            split = self.read(data_root)
            if len(split.targets) != len(split):
                raise ValueError(f"there are {len(split.targets):,} labels of {len(split):,} images")
            return split
        # for damaged files, torchvision raises almost anything: assertion, index, pickle, value
        except Exception as error:
            raise damaged(self.name, data_root / self.folder, error) from error


def damaged(name: str, folder: Path, error: Exception) -> WorkError:
    """Return the error for files of a data set in a folder whose reading raised another error."""
    reason = printable(str(error))[:200] or type(error).__name__
    return WorkError(f"dataset {name} in {folder} is damaged: {reason}")


class _IdxDataset(TorchvisionDataset):
    """A data set in the file format of MNIST, whose files may be packed by gzip, as they are published."""

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
    used_for_labels = ("train-labels-idx1-ubyte",)
    tested = ("t10k-images-idx3-ubyte",)
    tested_for_labels = ("t10k-labels-idx1-ubyte",)

    def path(self, data_root: Path, name: str) -> Path:
        """Return the path of a file; of the packed file if there is only that."""
        plain = super().path(data_root, name)
        packed = plain.with_name(name + PACKED)
        return packed if packed.is_file() and not plain.is_file() else plain

    def missing(self, data_root: Path) -> str:
        """Return the files that are missing in either form."""
        absent = super().missing(data_root)
        return f"{absent}, packed as {PACKED} or not" if absent else ""

    def read(self, data_root: Path) -> "Split":
        """Return the split; torchvision reads unpacked copies of packed files."""
        if not any(self.path(data_root, name).suffix == PACKED for name in self.needed):
            return super().read(data_root)
        with tempfile.TemporaryDirectory() as temporary:
            for name in self.needed:
                copy = Path(temporary, self.folder, name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                # torchvision asks whether the others are there, and does not read them
                with copy.open("wb") as unpacked:
                    if name in self.image_files + self.files_of_labels:
                        with _opened(self.path(data_root, name)) as file:
                            shutil.copyfileobj(file, unpacked)
            return super().read(Path(temporary))

    def count(self, data_root: Path) -> int | None:
        """Return the number of images in the header of the file, which may be a shortened copy."""
        path = self.path(data_root, self.image_files[0])
        try:
            if not path.is_file():
                return self.published_count
            with _opened(path) as file:
                return int.from_bytes(file.read(8)[4:], "big")
        except (OSError, EOFError, zlib.error):
            return self.published_count


def _opened(path: Path) -> BinaryIO:
    """Open a file whose content may be packed by gzip."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix == PACKED else path.open("rb")


@register
class Mnist(_IdxDataset):
    """Handwritten digits."""

    name = "mnist"
    description = "handwritten digits, the training split"
    source = "LeCun, Cortes, Burges; commonly given as CC BY-SA 3.0"
    folder = "MNIST/raw"
    published_classes = DIGITS
    content = contents.DIGITS

    def reader(self) -> "Reader":
        """Return torchvision's class."""
        from torchvision.datasets import MNIST

        return MNIST


@register
class FashionMnist(_IdxDataset):
    """Photographs of clothes."""

    name = "fashion-mnist"
    description = "photographs of clothes in grey, the training split"
    source = "Xiao, Rasul, Vollgraf 2017 (Zalando Research); MIT licence"
    folder = "FashionMNIST/raw"
    published_classes = (
        "t-shirt", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    )  # fmt: skip
    content = contents.GARMENTS

    def reader(self) -> "Reader":
        """Return torchvision's class."""
        from torchvision.datasets import FashionMNIST

        return FashionMNIST
