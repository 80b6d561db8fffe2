"""What a data set is, and the one list of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeVar

import numpy as np

from bench.system.errors import RequestError, WorkError, unknown

if TYPE_CHECKING:
    from PIL.Image import Image

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Picture:
    """One image of a data set.

    Attributes
    ----------
    name : str
        Its name in messages, printable.
    open : callable
        Gives the image, which need not be decoded yet; may raise :class:`bench.datasets.image_files.NoImage`.
    """

    name: str
    open: "Callable[[], Image]"


@dataclass(frozen=True)
class Pictures:
    """The images of a data set, in its fixed order.

    Attributes
    ----------
    count : int
        How many there are.
    each : iterator of Picture
        Gives each image once.
    """

    count: int
    each: Iterator[Picture]


def in_memory(images: "Iterable[Image]") -> Iterator[Picture]:
    """Pictures of decoded images, named by their places."""
    for place, image in enumerate(images):
        yield Picture(f"image {place}", partial(_given, image))


def _given(image: "Image") -> "Image":
    return image


class Dataset(ABC):
    """A source of training samples.

    Attributes
    ----------
    name : str
        What the user types.
    description, source : str
        One line each: what it shows; whose it is and under which licence.
    judged_by : str
        What kind of judge its samples need.
    preset : str
        The variants' preset that a run takes unless the user names one.
    """

    name: str
    description: ClassVar[str]
    source: ClassVar[str]
    judged_by: ClassVar[Literal["images", "stacked-digits", "points"]] = "images"
    preset: ClassVar[str] = "quick"

    @classmethod
    def is_named(cls, name: str) -> bool:
        """Whether `name` means a data set of this class, usable or not."""
        return name == cls.name

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Give the data set of a name that means one of this class.

        Raises
        ------
        RequestError
            If it cannot be used.
        """
        return cls()

    @classmethod
    @abstractmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Give the shape of one sample.

        Parameters
        ----------
        image_size : int or None
            Side in pixels; None for what is no image.
        channels : {1, 3} or None
            Grey, RGB, or what the data set has.

        Raises
        ------
        RequestError
            If the data set has no such samples.
        """


class ImageDataset(Dataset):
    """A source of images, in files.

    Attributes
    ----------
    channels : {1, 3}
        Channels that it is used with unless the user says otherwise.
    native_size : int or None
        Side in pixels of the square image before resizing; None where it varies.
    published_count : int or None
        Images in the published training split; None where there is no such number.
    reading_words : str
        What reading does to an image of this source before anything else, as it is written into the
        description of the transform; empty where it does nothing to any.
    crop_words : str
        The same of `crop`.
    """

    channels: ClassVar[int]
    native_size: ClassVar[int | None]
    published_count: ClassVar[int | None]
    reading_words: ClassVar[str] = ""
    crop_words: ClassVar[str] = "no crop"

    @classmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Give (channels, image_size, image_size), the channels its own where they are None."""
        if image_size is None:
            raise RequestError(f"dataset {cls.name} holds images: image_size must be given")
        if image_size < 1:
            raise RequestError(f"image_size {image_size} is out of range: allowed is 1 or more")
        if channels not in (None, 1, 3):
            raise RequestError(f"channels {channels} is not allowed: allowed are 1 and 3")
        return (channels or cls.channels, image_size, image_size)

    @abstractmethod
    def files(self, data_root: Path) -> dict[str, Path]:
        """List the files that decide the pixels: a name that does not depend on the machine, and the path."""

    @abstractmethod
    def missing(self, data_root: Path) -> str:
        """Say what is missing and where to put it, in one line; empty if everything is there."""

    @abstractmethod
    def images(self, data_root: Path) -> Pictures:
        """List the training images; all files must be there.

        Raises
        ------
        WorkError
            If a file cannot be read as what it should be.
        """

    def left_out(self, data_root: Path) -> str:
        """Say in one line what lies beside the images and is not read; empty if nothing does."""
        return ""

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Put the missing files there, if the data set may be downloaded.

        Raises
        ------
        WorkError
            If it cannot be done: says what to put where.
        """
        raise WorkError(f"dataset {self.name} is not on this machine: {self.missing(data_root)}")

    def count(self, data_root: Path) -> int | None:
        """Count the images without decoding any; where that is not cheap, give the published number."""
        return self.published_count

    def crop(self, image: "Image") -> "Image":
        """Cut the square that is used out of a decoded image."""
        return image


class PointDataset(Dataset):
    """Points of the plane, drawn from a mixture of equally heavy Gaussians that is known; it needs no files.

    Attributes
    ----------
    deviation : float
        Standard deviation of each coordinate about its centre, in the unit of the points.
    count_of_points : int
        How many there are.
    transform : str
        What was done to the points of the source, in words.
    """

    judged_by = "points"
    preset = "points"
    deviation: ClassVar[float]
    count_of_points: ClassVar[int]
    transform: ClassVar[str]

    @classmethod
    def sample_shape(cls, image_size: int | None, channels: int | None) -> tuple[int, ...]:
        """Give (2,)."""
        if image_size is not None or channels is not None:
            raise RequestError(
                f"dataset {cls.name} holds points: image_size and channels must be none (preset {cls.preset})"
            )
        return (2,)

    @abstractmethod
    def centres(self) -> np.ndarray:
        """Give the centres of the Gaussians, float64 of shape (modes, 2), in [-1, 1]."""

    @abstractmethod
    def points(self) -> np.ndarray:
        """Draw the points, float32 of shape (count_of_points, 2): the same on every machine."""


_CLASSES: dict[str, type[Dataset]] = {}
_Class = TypeVar("_Class", bound=type[Dataset])


def register(cls: _Class) -> _Class:
    """Add a data set's class to the list, under its name."""
    _CLASSES[cls.name] = cls
    return cls


def classes() -> dict[str, type[Dataset]]:
    """Give all registered classes by name, in alphabetical order."""
    return dict(sorted(_CLASSES.items()))


def _class_of(name: str) -> type[Dataset]:
    """Give the class that a name means, whether the data set can be used or not."""
    for cls in _CLASSES.values():
        if cls.is_named(name):
            return cls
    raise unknown("dataset", name, _CLASSES)


def find(name: str) -> Dataset:
    """Give the data set of a name such as ``"mnist-5k"`` or ``"folder:PATH"``.

    Raises
    ------
    RequestError
        If there is none, or its folder does not exist.
    """
    return _class_of(name).from_name(name)


def check_name(name: str) -> None:
    """Refuse a name that no data set has; needs neither data nor torch.

    Parameters
    ----------
    name : str
        As typed by the user.

    Raises
    ------
    RequestError
        For an unknown name (with the allowed ones and the nearest spelling) and for a folder that is absent.
    """
    find(name)


def label(name: str) -> str:
    """A data set's name as figures and tables show it: of ``folder:PATH`` the folder's own name."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{Path(path).name}" if colon else name


def preset_of(name: str) -> str:
    """Give the variants' preset that a run on a data set takes unless the user names one.

    Raises
    ------
    RequestError
        If no data set has that name; a folder may be absent.
    """
    return _class_of(name).preset


def judged_by(name: str) -> Literal["images", "stacked-digits", "points"]:
    """Give the kind of judge that a data set's samples need.

    Raises
    ------
    RequestError
        As `preset_of`.
    """
    return _class_of(name).judged_by


def sample_shape(name: str, image_size: int | None, channels: int | None) -> tuple[int, ...]:
    """Give the shape of one sample of a data set.

    Parameters
    ----------
    name : str
        A registered name, or ``folder:PATH``, whose folder may be absent.
    image_size : int or None
        Side in pixels; None for points.
    channels : {1, 3} or None
        Grey, RGB, or what the data set has; None for points.

    Returns
    -------
    tuple of int
        (channels, image_size, image_size) of images, (2,) of points.

    Raises
    ------
    RequestError
        If there is no such data set, or it has no such samples.
    """
    return _class_of(name).sample_shape(image_size, channels)
