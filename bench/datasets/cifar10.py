"""CIFAR-10 in the layouts in which it is given away: binary files, class folders, files of Python."""

from abc import ABC, abstractmethod
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.datasets import contents
from bench.datasets.image_files import ImageError, open_image
from bench.datasets.listing import list_folder
from bench.datasets.pickled_arrays import read_pickle
from bench.datasets.pictures import unusable_error
from bench.datasets.registry import Picture, Pictures, in_memory, register
from bench.datasets.torchvision_datasets import TorchvisionDataset, damaged
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

    from bench.datasets.torchvision_datasets import Reader

SIDE = 32
PIXELS = 3 * SIDE * SIDE  # of an image: all red ones, then all green ones, then all blue ones
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCHES = ("test_batch",)
BINARY, PYTHON, FOLDERS = "cifar-10-batches-bin", "cifar-10-batches-py", "cifar10"


class Batch(NamedTuple):
    """The images of one file: labels, whole numbers (count,), and pixels, uint8 (count, 3072)."""

    labels: np.ndarray
    pixels: np.ndarray


class Layout(ABC):
    """One split of CIFAR-10 in one layout.

    Attributes
    ----------
    folder : Path
        Folder of the split's files.
    """

    folder: Path

    @abstractmethod
    def is_complete(self) -> bool:
        """Whether all files of the split are there."""

    @abstractmethod
    def files(self) -> dict[str, Path]:
        """Return the files with images and labels, by names that do not depend on the machine."""

    @abstractmethod
    def images(self) -> Pictures:
        """Return the images; may raise any error for damaged files."""

    @abstractmethod
    def labels(self) -> np.ndarray:
        """Return the labels of the images, in their order; may raise any error for damaged files."""


class _InBatches(Layout):
    """A few files with many images each."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.folder = folder
        self.paths = [folder / name for name in names]

    def is_complete(self) -> bool:
        return all(path.is_file() for path in self.paths)

    def files(self) -> dict[str, Path]:
        return {path.name: path for path in self.paths}

    @abstractmethod
    def read(self, path: Path) -> Batch:
        """Return the images of a file; may raise any error for a damaged one."""

    def batches(self) -> list[Batch]:
        return [_checked(self.read(path), path) for path in self.paths]

    def images(self) -> Pictures:
        pixels = np.concatenate([batch.pixels for batch in self.batches()])
        return Pictures(len(pixels), in_memory(map(_picture, pixels)))

    def labels(self) -> np.ndarray:
        return np.concatenate([batch.labels for batch in self.batches()])


def _checked(batch: Batch, path: Path) -> Batch:
    """Return a batch; raise ValueError if labels and pixels do not belong together."""
    labels, pixels = batch
    if pixels.shape[1:] != (PIXELS,) or pixels.dtype != np.uint8:
        raise ValueError(f"{path.name} has {pixels.dtype} of shape {pixels.shape}, not uint8 (any, {PIXELS})")
    if labels.shape != pixels.shape[:1]:
        raise ValueError(f"{path.name} has {labels.size:,} labels of {len(pixels):,} images")
    return batch


def _picture(pixels: np.ndarray) -> "Image":
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels.reshape(3, SIDE, SIDE).transpose(1, 2, 0)))


class Binary(_InBatches):
    """The binary version: for each image a byte with its label, then its pixels."""

    def __init__(self, data_root: Path, train: bool) -> None:
        names = TRAIN_BATCHES if train else TEST_BATCHES
        super().__init__(data_root / BINARY, tuple(f"{name}.bin" for name in names))

    def read(self, path: Path) -> Batch:
        """Return the images of a file."""
        content = np.fromfile(path, np.uint8)
        if not len(content) or len(content) % (1 + PIXELS):
            raise ValueError(f"{path.name} has {len(content):,} bytes, no multiple of {1 + PIXELS:,}")
        rows = content.reshape(-1, 1 + PIXELS)
        return Batch(rows[:, 0], rows[:, 1:])


class Python(_InBatches):
    """The version for Python, which torchvision downloads: pickles, of which no code is run."""

    def __init__(self, data_root: Path, train: bool) -> None:
        super().__init__(data_root / PYTHON, TRAIN_BATCHES if train else TEST_BATCHES)

    def read(self, path: Path) -> Batch:
        """Return the images of a file."""
        content = read_pickle(path)
        if not isinstance(content, dict) or not {"data", "labels"} <= content.keys():
            raise ValueError(f"{path.name} has no data and labels")
        return Batch(np.asarray(content["labels"]), np.asarray(content["data"]))


class Folders(Layout):
    """A folder of images for each class, such as ``cifar10/train/cat/00012.png``.

    Images are in the order of file names, then of classes: files that are numbered through over the split
    have the order of the other layouts.
    """

    def __init__(self, data_root: Path, train: bool) -> None:
        self.folder = data_root / FOLDERS / ("train" if train else "test")

    @cached_property
    def _found(self) -> dict[str, Path]:
        listing = list_folder(self.folder)
        if listing.unusable:
            count = len(listing.images) + len(listing.unusable)
            raise unusable_error(FOLDERS, listing.unusable, count)
        names = sorted(listing.images, key=lambda name: (name.rpartition("/")[2], name))
        return {name: self.folder / name for name in names}

    def is_complete(self) -> bool:
        """Whether there is a folder of every class."""
        return all((self.folder / name).is_dir() for name in CLASSES)

    def files(self) -> dict[str, Path]:
        """Return the images by class and name."""
        return self._found

    def images(self) -> Pictures:
        """Return the images, opened when they are decoded."""
        each = (Picture(printable(name), partial(_open, path)) for name, path in self._found.items())
        return Pictures(len(self._found), each)

    def labels(self) -> np.ndarray:
        """Return the class of each image, by its folder; ValueError for a folder of another name."""
        folders = [name.split("/")[0] for name in self._found]
        if strange := sorted(set(folders) - set(CLASSES)):
            raise ValueError(f"{printable(strange[0])} is none of its classes, {', '.join(CLASSES)}")
        return np.array([CLASSES.index(name) for name in folders], dtype=np.int64)


def _open(path: Path) -> "Image":
    image = open_image(path)
    if image.size != (SIDE, SIDE):
        raise ImageError("is {}x{}, images of CIFAR-10 are {}x{}".format(*image.size, SIDE, SIDE))
    return image


# pickles come last: none is read where the images are there in another layout
LAYOUTS = (Binary, Folders, Python)


@register
class Cifar10(TorchvisionDataset):
    """Small photographs of ten classes of animals and vehicles, in the first complete one of `LAYOUTS`."""

    name = "cifar10"
    description = "small photographs of ten kinds of animals and vehicles, the training split"
    source = "Krizhevsky 2009 (University of Toronto); no licence stated, used for research"
    channels = 3
    preset = "colour-quick"
    native_size = SIDE
    published_count = 50_000
    folder = PYTHON
    published_classes = CLASSES
    content = contents.OBJECTS
    used = TRAIN_BATCHES
    tested = TEST_BATCHES
    needed = (*used, *tested, "batches.meta")

    def reader(self) -> "Reader":
        """Return torchvision's class, which downloads the version for Python."""
        from torchvision.datasets import CIFAR10

        return CIFAR10

    def layout(self, data_root: Path) -> Layout | None:
        """Return the layout in which the split is complete, or None."""
        every = (kind(data_root, self.train) for kind in LAYOUTS)
        return next((layout for layout in every if layout.is_complete()), None)

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the files with images and labels of the split."""
        return self._present(data_root).files()

    def missing(self, data_root: Path) -> str:
        """Return the files of the downloaded version that are missing, and the other layouts."""
        if self.layout(data_root) is not None:
            return ""
        split = "train" if self.train else "test"
        return (
            f"{super().missing(data_root)}, or those of the binary version into {data_root / BINARY}, "
            f"or images into {data_root / FOLDERS / split}/CLASS"
        )

    def images(self, data_root: Path) -> Pictures:
        """Return the images of the split."""
        layout = self._present(data_root)
        try:
            return layout.images()
        except WorkError:
            raise
        except Exception as error:  # damaged files: value, end of file, pickle, almost anything
            raise damaged(self.name, layout.folder, error) from error

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the labels of the split."""
        layout = self._present(data_root)
        try:
            return layout.labels()
        except WorkError:
            raise
        except Exception as error:  # as in `images`
            raise damaged(self.name, layout.folder, error) from error

    def _present(self, data_root: Path) -> Layout:
        layout = self.layout(data_root)
        if layout is None:
            raise WorkError(f"dataset {self.name} is not on this machine: {self.missing(data_root)}")
        return layout
