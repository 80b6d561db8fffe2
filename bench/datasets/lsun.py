"""LSUN's bedrooms, read from the published lmdb folder."""

import io
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets import contents
from bench.datasets.image_files import open_image
from bench.datasets.pictures import centre_square
from bench.datasets.registry import ImageDataset, Picture, Pictures, register
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb
    from PIL.Image import Image

FOLDER = "bedroom_train_lmdb"


def _bytes_in_use(database: "lmdb.Environment") -> int:
    """Return the length that the file of a database must have, by its own count of pages."""
    return (int(database.info()["last_pgno"]) + 1) * int(database.stat()["psize"])


@register
class LsunBedroom(ImageDataset):
    """Photographs of bedrooms.

    Images are in the order of the keys, as in torchvision. torchvision's reader is not used, since it writes
    a pickled list of keys to the current folder and loads any such file that it finds there.
    """

    name = "lsun-bedroom"
    description = "photographs of bedrooms, cropped to the centre square, the training split"
    source = "Yu and others 2015 (Princeton); no licence stated, used for research"
    channels = 3
    preset = "colour-quick"
    native_size = None
    published_count = 3_033_042
    content = contents.BEDROOMS
    crop_description = "centre square"

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the file of the database."""
        return {"data.mdb": data_root / FOLDER / "data.mdb"}

    def missing(self, data_root: Path) -> str:
        """Return whether the database or the package that reads it is missing."""
        absent = []
        if not (data_root / FOLDER / "data.mdb").is_file():
            absent.append(f"put {FOLDER} (data.mdb) into {data_root}")
        if find_spec("lmdb") is None:
            absent.append("install its reader with: pip install lmdb")
        return "; ".join(absent)

    def images(self, data_root: Path) -> Pictures:
        """Return the images in the order of their keys."""
        import lmdb

        folder = data_root / FOLDER
        try:
            database = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            raise WorkError(f"{folder} is not a database of LSUN's: {error}") from error
        # the database is mapped into memory: a page beyond the file's end would kill the process
        size, whole = self.files(data_root)["data.mdb"].stat().st_size, _bytes_in_use(database)
        if size < whole:
            database.close()
            raise WorkError(
                f"{folder / 'data.mdb'} is cut short: it has {size:,} of {whole:,} bytes; copy it again"
            )
        return Pictures(int(database.stat()["entries"]), self._read(database))

    def _read(self, database: "lmdb.Environment") -> "Iterator[Picture]":
        import lmdb

        try:
            with database, database.begin(write=False) as view:
                for key, encoded in view.cursor():
                    name = printable(key.decode(errors="backslashreplace"))
                    yield Picture(f"image {name}", partial(open_image, io.BytesIO(encoded)))
        except lmdb.Error as error:
            raise WorkError(f"the database of {self.name} is damaged: {error}") from error

    def crop(self, image: "Image") -> "Image":
        """Return the centre square."""
        return centre_square(image)
