"""CelebA with the crop of the BEGAN paper."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets import contents
from bench.datasets.image_files import ImageError, open_image
from bench.datasets.registry import ImageDataset, Picture, Pictures, register
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

ALIGNED_SIZE = (178, 218)
# left, top, right, bottom: rows 50-178 and columns 25-153
CROP = (25, 50, 153, 178)
TRAIN, TEST = "0", "2"
IMAGES = "img_align_celeba"
PARTITION = "list_eval_partition.txt"


@register
class CelebA(ImageDataset):
    """Aligned faces of celebrities with the crop of the BEGAN authors.

    torchvision's reader is not used, since it requires the checksum of the zip file.
    """

    name = "celeba"
    description = "faces, aligned and cropped to rows 50-178 and columns 25-153, the training split"
    source = "Liu, Luo, Wang, Tang 2015 (MMLAB, CUHK); research without commerce only"
    channels = 3
    preset = "colour-quick"
    native_size = CROP[2] - CROP[0]
    published_count = 162_770
    content = contents.FACES
    crop_description = "rows 50-178, columns 25-153"

    def __init__(self, split: str = TRAIN) -> None:
        self.split = split
        if split == TEST:
            self.name = f"{self.name} (test)"

    def published_test(self) -> ImageDataset:
        """Return the published test split."""
        return type(self)(TEST)

    def names(self, data_root: Path) -> list[str]:
        """Return the file names of the split, in the order of the partition file."""
        path = data_root / "celeba" / PARTITION
        try:
            lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
            return [name for name, part in lines if part == self.split]
        except (OSError, ValueError) as error:
            raise WorkError(f"{path} is not CelebA's list of file names and splits: {error}") from error

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the partition file and the images of the split."""
        folder = data_root / "celeba"
        names = [PARTITION, *(f"{IMAGES}/{name}" for name in self.names(data_root))]
        return {name: folder / name for name in names}

    def missing(self, data_root: Path) -> str:
        """Return which of the aligned images and the partition file are missing."""
        folder = data_root / "celeba"
        images = folder / IMAGES
        absent = [] if (folder / PARTITION).is_file() else [PARTITION]
        absent += [] if images.is_dir() else [IMAGES]
        if absent:
            return f"put {' and '.join(absent)} (the aligned jpg images and their splits) into {folder}"
        try:
            present = set(os.listdir(images))
        except OSError as error:
            raise WorkError(f"{images} cannot be read: {error.strerror}") from error
        names = self.names(data_root)
        if not names:
            return f"put images of split {self.split} into {images} and their names into {PARTITION}"
        lacking = [name for name in names if name not in present]
        return f"put {len(lacking)} more images, such as {lacking[0]}, into {images}" if lacking else ""

    def images(self, data_root: Path) -> Pictures:
        """Return the images of the split."""
        folder = data_root / "celeba" / IMAGES
        names = self.names(data_root)
        each = (Picture(printable(name), partial(open_image, folder / name)) for name in names)
        return Pictures(len(names), each)

    def count(self, data_root: Path) -> int | None:
        """Return the number of names in the partition file, or the published number without that file."""
        if not (data_root / "celeba" / PARTITION).is_file():
            return self.published_count
        return len(self.names(data_root))

    def crop(self, image: "Image") -> "Image":
        """Return the face; an image of another size is not one of the aligned images."""
        if image.size != ALIGNED_SIZE:
            raise ImageError("is {}x{}, aligned images are {}x{}".format(*image.size, *ALIGNED_SIZE))
        return image.crop(CROP)
