"""LSUN's bedrooms, read from the lmdb folder as it is published."""

import io
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.datasets.image_files import open_image
from bench.datasets.pictures import centre_square
from bench.datasets.registry import ImageDataset, Picture, Pictures, register
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

FOLDER = "bedroom_train_lmdb"


@register
class LsunBedroom(ImageDataset):
    """Photographs of bedrooms.

    Read in the order of the keys, which is torchvision's too. torchvision's own reader is not used, since it
    leaves a pickled list of keys in the current folder and trusts any that it finds there.
    """

    name = "lsun-bedroom"
    description = "photographs of bedrooms, cropped to the centre square, the training split"
    source = "Yu and others 2015 (Princeton); no licence stated, used for research"
    channels = 3
    native_size = None
    published_count = 3_033_042
    crop_words = "centre square"

    def files(self, data_root: Path) -> dict[str, Path]:
        """List the database's one file."""
        return {"data.mdb": data_root / FOLDER / "data.mdb"}

    def missing(self, data_root: Path) -> str:
        """Say whether the database or the package that reads it is not there."""
        absent = []
        if not (data_root / FOLDER / "data.mdb").is_file():
            absent.append(f"put {FOLDER} (data.mdb) into {data_root}")
        if find_spec("lmdb") is None:
            absent.append("install its reader with: pip install lmdb")
        return "; ".join(absent)

    def images(self, data_root: Path) -> Pictures:
        """Read the encoded images, in the order of their keys."""
        import lmdb

        folder = data_root / FOLDER
        try:
            base = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            raise WorkError(f"{folder} is not a database of LSUN's: {error}") from error
        return Pictures(int(base.stat()["entries"]), self._each(base))

    def _each(self, base: Any) -> "Iterator[Picture]":
        import lmdb

        try:
            with base, base.begin(write=False) as view:
                for key, encoded in view.cursor():
                    name = printable(key.decode(errors="backslashreplace"))
                    yield Picture(f"image {name}", partial(open_image, io.BytesIO(encoded)))
        except lmdb.Error as error:
            raise WorkError(f"the database of {self.name} is damaged: {error}") from error

    def crop(self, image: "Image") -> "Image":
        """Cut out the centre square."""
        return centre_square(image)
