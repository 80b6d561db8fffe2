"""Every odd picture is used as an image, or refused in one line that names it."""

from collections import Counter
from pathlib import Path

import pytest
from faults.odd_picture import OddPicture, encoded, noise
from faults.odd_pictures import odd_pictures

from bench.datasets import load
from bench.system.errors import RequestError, WorkError, printable

PICTURES = list(odd_pictures())


def read(folder: Path, cache: Path) -> int:
    """Number of images of a folder."""
    return load(f"folder:{folder}", image_size=8, channels=3, data_root=folder, cache=cache).count


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


def test_usable_ones_are_used_and_the_others_left_out_all_in_one_folder(folder: Path, tmp_path: Path) -> None:
    usable = {each.name: each for each in PICTURES if each.outcome == "used"}
    for each in usable.values():
        each.write(folder)
    for number, each in enumerate(each for each in PICTURES if each.outcome == "left out"):
        (folder / f"{number}").mkdir()
        each.write(folder / f"{number}")
    assert read(folder, tmp_path / "cache") == 1 + len(usable)


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
        count = read(folder, tmp_path / "cache")
    except (WorkError, RequestError) as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 500
        assert printable(path.name)[-60:] in message
        assert "1 of 2 images cannot be used" in message
    else:
        assert picture.outcome == "either"
        assert count == 2
