"""Every odd picture gives the right image, or is refused in one line that names it."""

import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faults.odd_picture import OddPicture, encoded, noise
from faults.odd_pictures import odd_pictures
from PIL import Image, ImageOps

from bench.datasets import DataArray, load
from bench.datasets.listing import list_folder
from bench.system.errors import RequestError, WorkError, printable

PICTURES = list(odd_pictures())


SIDE = 8


def read(folder: Path, cache: Path) -> DataArray:
    return load(f"folder:{folder}", image_size=SIDE, channels=3, data_root=folder, cache=cache)


def expected(path: Path) -> np.ndarray:
    """The image of a file by Pillow and arithmetic on its pixels, (SIDE, SIDE, 3)."""
    picture = Image.open(path)
    picture.load()
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture) // 256
        colours, alpha = np.stack([grey] * 3, axis=-1), np.full(grey.shape, 255)
    else:
        with suppress(Exception):  # EXIF data that cannot be read turn nothing
            picture = ImageOps.exif_transpose(picture)
        whole = np.asarray(picture.convert("RGBA")).astype(int)
        colours, alpha = whole[..., :3], whole[..., 3]
    shown = np.round(255 - (255 - colours) * alpha[..., None] / 255).astype(np.uint8)
    height, width = shown.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(shown[top : top + side, left : left + side])
    return np.asarray(square if side == SIDE else square.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def require_right(sample: np.ndarray, path: Path) -> None:
    """Compare a sample (3, SIDE, SIDE) with a file, to the rounding of transparent colours."""
    found = sample.transpose(1, 2, 0).astype(int)
    np.testing.assert_allclose(found, expected(path), atol=1, err_msg=str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "good.png").write_bytes(encoded(noise(), "PNG"))
    return folder


def test_there_are_many_and_the_same_each_time() -> None:
    assert len(PICTURES) >= 200
    assert len({picture.kind for picture in PICTURES}) >= 200
    assert [picture.name for picture in odd_pictures()] == [picture.name for picture in PICTURES]
    assert set(Counter(picture.outcome for picture in PICTURES)) == {"used", "refused", "left out", "either"}


@pytest.mark.filterwarnings("ignore")  # of Pillow, about files that it decodes nevertheless
def test_usable_ones_are_right_and_the_others_left_out_all_in_one_folder(
    folder: Path, tmp_path: Path
) -> None:
    for each in {each.name: each for each in PICTURES if each.outcome == "used"}.values():
        each.write(folder)
    for number, each in enumerate(each for each in PICTURES if each.outcome == "left out"):
        (folder / f"{number}").mkdir()
        each.write(folder / f"{number}")
    names = sorted(list_folder(folder).images, key=lambda name: name.split("/"))
    array = read(folder, tmp_path / "cache")
    assert array.count == len(names) >= 150
    for name, sample in zip(names, array.samples, strict=True):
        require_right(sample, folder / name)


@pytest.mark.filterwarnings("ignore")
def test_in_a_zip_file_the_same_are_used_and_the_others_refused(folder: Path, tmp_path: Path) -> None:
    cache, numbered = tmp_path / "cache", [each for each in PICTURES if each.name.startswith(b"odd-")]
    for outcome in ("used", "refused"):
        members = [each.write(folder) for each in numbered if each.outcome == outcome]
        with zipfile.ZipFile(tmp_path / f"{outcome}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in (folder / "good.png", *members):
                archive.write(path, path.name)
        if outcome == "used":
            assert read(tmp_path / "used.zip", cache).hash == read(folder, cache).hash
    words = f"{len(members)} of {len(members) + 1} images cannot be used: odd-"
    with pytest.raises(WorkError, match=words) as caught:
        read(tmp_path / "refused.zip", cache)
    assert str(caught.value).isprintable()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "picture",
    [each for each in PICTURES if each.outcome in ("refused", "either")],
    ids=lambda each: each.kind,
)
def test_unusable_ones_are_refused_by_name_in_one_line(
    picture: OddPicture, folder: Path, tmp_path: Path
) -> None:
    path = picture.write(folder)
    try:
        array = read(folder, tmp_path / "cache")
    except (WorkError, RequestError) as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 500
        assert printable(path.name)[-60:] in message
        assert "1 of 2 images cannot be used" in message
    else:
        assert picture.outcome == "either"
        assert array.count == 2
        require_right(array.samples[int(path.name > "good.png")], path)
