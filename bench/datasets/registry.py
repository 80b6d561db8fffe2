"""What a data set is, and the one list of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from bench.errors import WorkError, unknown

if TYPE_CHECKING:
    from PIL.Image import Image

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Pictures:
    """The images of a data set, in its fixed order.

    Attributes
    ----------
    count : int
        How many there are.
    each : iterator of PIL.Image.Image
        Gives each image once; it may be opened but not yet decoded.
    """

    count: int
    each: "Iterator[Image]"


class Dataset(ABC):
    """A source of training images.

    Attributes
    ----------
    name : str
        What the user types.
    description, source : str
        One line each: what it shows; whose it is and under which licence.
    channels : {1, 3}
        Channels that it is used with unless the user says otherwise.
    native_size : int or None
        Side in pixels of the square image before resizing; None where it varies.
    published_count : int or None
        Images in the published training split; None where there is no such number.
    crop_words : str
        What `crop` does, as it is written into the description of the transform.
    """

    name: str
    description: ClassVar[str]
    source: ClassVar[str]
    channels: ClassVar[int]
    native_size: ClassVar[int | None]
    published_count: ClassVar[int | None]
    crop_words: ClassVar[str] = "no crop"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """Give the data set that `name` means, or None if it means another class's.

        Raises
        ------
        RequestError
            If the name is this class's but cannot be used.
        """
        return cls() if name == cls.name else None

    @abstractmethod
    def files(self, data_root: Path) -> dict[str, Path]:
        """List the files that decide the pixels: a name that does not depend on the machine, and the path."""

    @abstractmethod
    def missing(self, data_root: Path) -> str:
        """Say what is missing and where to put it, in one line; empty if everything is there."""

    @abstractmethod
    def images(self, data_root: Path) -> Pictures:
        """Open the training images; all files must be there.

        Raises
        ------
        WorkError
            If a file cannot be read as what it should be.
        """

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


_CLASSES: dict[str, type[Dataset]] = {}
_Class = TypeVar("_Class", bound=type[Dataset])


def register(cls: _Class) -> _Class:
    """Add a data set's class to the list, under its name."""
    _CLASSES[cls.name] = cls
    return cls


def classes() -> dict[str, type[Dataset]]:
    """Give all registered classes by name, in alphabetical order."""
    return dict(sorted(_CLASSES.items()))


def find(name: str) -> Dataset:
    """Give the data set of a name such as ``"mnist-5k"`` or ``"folder:PATH"``.

    Raises
    ------
    RequestError
        If there is none, or its folder does not exist.
    """
    for cls in _CLASSES.values():
        dataset = cls.from_name(name)
        if dataset is not None:
            return dataset
    raise unknown("dataset", name, _CLASSES)


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


def native_channels(name: str) -> int:
    """Give the number of channels, 1 or 3, that a data set has unless told otherwise.

    Raises
    ------
    RequestError
        As `check_name`.
    """
    return find(name).channels
