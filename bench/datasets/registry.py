"""Base classes of data sets, and the registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeVar, get_args

import numpy as np

from bench.datasets.image_files import UnusableImage
from bench.system.errors import RequestError, WorkError, unknown
from variants.plugins import RegistrationError, Registry

if TYPE_CHECKING:
    from PIL.Image import Image

JudgedBy = Literal["images", "stacked-digits", "points"]
Notify = Callable[[str], None]  # reports progress of slow work, a line per call
# what bench.datasets.conversion does to every picture; part of the cache key
READING = "first frame; upright by EXIF; upper 8 of 16 bits; transparent parts on white"


@dataclass(frozen=True)
class Picture:
    """One image of a data set.

    Attributes
    ----------
    name : str
        Printable name for messages.
    open : callable
        Returns the image, decoded or not; may raise :class:`bench.datasets.image_files.ImageError`.
    """

    name: str
    open: "Callable[[], Image]"


@dataclass(frozen=True)
class Pictures:
    """The images of a data set, in a fixed order.

    Attributes
    ----------
    count : int
        Number of images.
    each : iterator of Picture
        Yields each image once.
    """

    count: int
    each: Iterator[Picture]


def in_memory(images: "Iterable[Image]") -> Iterator[Picture]:
    """Yield decoded images as pictures, named by their positions."""
    for position, image in enumerate(images):
        yield Picture(f"image {position}", partial(_identity, image))


def _identity(image: "Image") -> "Image":
    return image


class Dataset(ABC):
    """A source of training samples.

    Attributes
    ----------
    name : str
        Name that the user types.
    description, source : str
        One line each: subject; author and licence.
    judged_by : {"images", "stacked-digits", "points"}
        Kind of judge for the samples.
    preset : str
        Preset of the variants for runs without a preset of the user.
    published_classes : tuple of str
        Names of the classes, by number, where they are known without the data; else empty.
    content : str
        What the samples show, in a word of the extractors' ``trained_on``; empty where this is not known.
    """

    name: str
    description: ClassVar[str]
    source: ClassVar[str]
    judged_by: ClassVar[JudgedBy] = "images"
    preset: ClassVar[str] = "quick"
    published_classes: ClassVar[tuple[str, ...]] = ()
    content: ClassVar[str] = ""

    @classmethod
    def is_named(cls, name: str) -> bool:
        """Return whether `name` refers to a data set of this class, usable or not."""
        return name == cls.name

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Return the data set of a name that refers to this class.

        Raises
        ------
        RequestError
            If the data set cannot be used.
        """
        return cls()

    @classmethod
    def located(cls, name: str) -> str:
        """Return the name with an absolute path, where it has a path: it then means the same everywhere."""
        return name

    @classmethod
    @abstractmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Return the shape of one sample.

        Parameters
        ----------
        image_size : int or None
            Side in pixels; None for points.
        channels : {1, 3} or None
            Grey, RGB, or the data set's default.

        Raises
        ------
        RequestError
            If the data set has no samples of that shape.
        """

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes, by number; empty for a data set without labels."""
        return self.published_classes


class ImageDataset(Dataset):
    """A source of images in files.

    Attributes
    ----------
    channels : {1, 3}
        Default number of channels.
    native_size : int or None
        Side in pixels of the square image before resizing; None if sizes vary.
    published_count : int or None
        Images in the published training split; None if there is no such number.
    reading_description : str
        What is done to every picture before its colours are converted, for the description of the transform;
        empty for a source of plain arrays, which have neither frames nor EXIF nor transparency.
    crop_description : str
        Effect of `crop`, for the description of the transform.
    scans_headers : bool
        Whether the headers of all images are read before any image is decoded, to name unusable ones early.
    in_data_root : bool
        Whether the files lie in the folder of the published data sets.
    """

    channels: ClassVar[int]
    native_size: ClassVar[int | None]
    published_count: ClassVar[int | None]
    reading_description: ClassVar[str] = READING
    crop_description: ClassVar[str] = "no crop"
    scans_headers: ClassVar[bool] = False
    in_data_root: ClassVar[bool] = True

    @classmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Return (channels, image_size, image_size); the default number of channels if `channels` is None."""
        if image_size is None:
            raise RequestError(f"dataset {cls.name} holds images: image_size must be given")
        if image_size < 1:
            raise RequestError(f"image_size {image_size} is out of range: allowed is 1 or more")
        if channels not in (None, 1, 3):
            raise RequestError(f"channels {channels} is not allowed: allowed are 1 and 3")
        return (channels or cls.channels, image_size, image_size)

    @abstractmethod
    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the files that determine the pixels, by names that do not depend on the machine."""

    @abstractmethod
    def missing(self, data_root: Path) -> str:
        """Return in one line what is missing and the folder for it; empty if the data set is complete."""

    @abstractmethod
    def images(self, data_root: Path) -> Pictures:
        """Return the training images; all files must be present.

        Raises
        ------
        WorkError
            If a file cannot be read or has another format.
        """

    def label_files(self, data_root: Path) -> dict[str, Path]:
        """Return the files that determine the labels, beside those of `files`, by names as there."""
        return {}

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the class of each image, whole numbers (count,) in the order of `images`.

        Called only for a data set with classes; all files must be present.

        Raises
        ------
        WorkError
            If a file cannot be read or has another format.
        """
        raise NotImplementedError(f"data set {self.name} names classes and defines no labels")

    def published_test(self) -> "ImageDataset | None":
        """Return the published test split as a data set of its own, with the same classes; None without one.

        Its name differs from that of the training split, and nothing of it is downloaded.
        """
        return None

    def unusable(self, data_root: Path) -> list[UnusableImage]:
        """Return the images that are known to be unusable before any is decoded; they are not in `images`."""
        return []

    def unread_files(self, data_root: Path) -> str:
        """Return in one line which files beside the images are not read; empty if there are none."""
        return ""

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Download the missing files.

        Raises
        ------
        WorkError
            If the data set cannot be downloaded; the message names the missing files and their folder.
        """
        raise WorkError(f"dataset {self.name} is not on this machine: {self.missing(data_root)}")

    def count(self, data_root: Path) -> int | None:
        """Return the number of images without decoding any; the published number if counting is slow."""
        return self.published_count

    def crop(self, image: "Image") -> "Image":
        """Return the square part of a decoded image that is used."""
        return image


class PointDataset(Dataset):
    """Points of the plane, drawn from a known mixture of equally weighted Gaussians; needs no files.

    Attributes
    ----------
    deviation : float
        Standard deviation of each coordinate about the centre, in the unit of the points.
    count_of_points : int
        Number of points.
    transform : str
        Description of the transform from the points of the source.
    """

    judged_by = "points"
    preset = "points"
    deviation: ClassVar[float]
    count_of_points: ClassVar[int]
    transform: ClassVar[str]

    @classmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Return (2,)."""
        if image_size is not None or channels is not None:
            raise RequestError(
                f"dataset {cls.name} holds points: image_size and channels must be none (preset {cls.preset})"
            )
        return (2,)

    @abstractmethod
    def centres(self) -> np.ndarray:
        """Return the centres of the Gaussians, float64 of shape (modes, 2), in [-1, 1]."""

    @abstractmethod
    def points(self) -> np.ndarray:
        """Draw the points, float32 of shape (count_of_points, 2), the same on every machine."""

    def labels(self) -> np.ndarray:
        """Return the class of each point, whole numbers (count_of_points,), where there are classes."""
        raise NotImplementedError(f"data set {self.name} names classes and defines no labels")


DATASETS: Registry[type[Dataset]] = Registry("data set", "began_bench.datasets")
_Class = TypeVar("_Class", bound=type[Dataset])
# class attributes without a default
_OF_ALL = ("name", "description", "source")
_OF_IMAGES = ("channels", "native_size", "published_count")
_OF_POINTS = ("deviation", "count_of_points", "transform")


def register(cls: _Class) -> _Class:
    """Class decorator that registers a data set under its name.

    Raises
    ------
    RegistrationError
        If the class is no complete data set, or another class is registered under that name.
    """
    _check(cls)
    DATASETS.add(cls.name, cls, cls)
    return cls


def _check(cls: type[Dataset]) -> None:
    """Raise RegistrationError if a class is not a complete data set."""
    if not (isinstance(cls, type) and issubclass(cls, (ImageDataset, PointDataset))):
        raise RegistrationError(f"{cls!r} is no subclass of ImageDataset or PointDataset")
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise RegistrationError(f"{cls.__qualname__} does not define {', '.join(missing)}")
    for attribute in ("description", "source"):
        if not isinstance(getattr(cls, attribute, ""), str):
            raise RegistrationError(f"{cls.__qualname__}: the attribute {attribute} must be a text")
    for attribute in _OF_ALL + (_OF_IMAGES if issubclass(cls, ImageDataset) else _OF_POINTS):
        if not hasattr(cls, attribute):
            raise RegistrationError(f"{cls.__qualname__}: the attribute {attribute} is missing")
    if cls.judged_by not in get_args(JudgedBy):
        allowed = ", ".join(get_args(JudgedBy))
        raise RegistrationError(f"{cls.__qualname__}: judged_by {cls.judged_by!r}: allowed are {allowed}")


def classes() -> dict[str, type[Dataset]]:
    """Return all registered classes by name, in alphabetical order, those of other packages too."""
    return dict(sorted(DATASETS.entries().items()))


def class_of(name: str) -> type[Dataset]:
    """Return the class that a name refers to, whether the data set can be used or not."""
    known = DATASETS.entries()
    if name in known:
        return known[name]
    for kind, cls in known.items():
        try:
            if cls.is_named(name):
                return cls
        except Exception as error:  # a data set of another package may raise anything
            DATASETS.pass_over(kind, error)
    raise unknown("dataset", name, known)


def find(name: str) -> Dataset:
    """Return the data set of a name such as ``"mnist-5k"`` or ``"folder:PATH"``.

    Raises
    ------
    RequestError
        If there is no such data set, or the folder does not exist.
    """
    return class_of(name).from_name(name)


def require_dataset(name: str) -> None:
    """Raise an error if no data set has a name; needs neither data nor torch.

    Parameters
    ----------
    name : str
        Name that the user typed.

    Raises
    ------
    RequestError
        For an unknown name (with the allowed names and the nearest spelling) and for an absent folder.
    """
    find(name)
