"""Images in a zip file: the same data as the folder that was packed, and one line for what cannot be read."""

import io
import os
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import class_names, label, load, located, moved, require_dataset, zip_files
from bench.system.errors import RequestError, WorkError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "photos.zip"


def read(path: Path, **options):
    cache = path.parent / "cache"
    return load(f"folder:{path}", image_size=8, channels=3, data_root=path.parent, cache=cache, **options)


def png(seed: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of repeated names
        for name, content in members.items():
            archive.writestr(name, content)


NAMES = ("b/2.png", "a/1.jpg.png", "a.b/9.png", "a/sub/0.PNG", "b/10.png", "c d/\u00e9.png")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_packed_folder_is_the_same_data(method, tmp_path, archive):
    members = {name: png(number, (12, 8)) for number, name in enumerate(NAMES)}
    folder = tmp_path / "photos"
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    # as tools pack: folders are members too, and files of a file manager lie beside
    pack(archive, {"b/": b"", **members, "__MACOSX/b/._2.png": b"x", ".hidden/3.png": b"x"}, method)
    packed, unpacked = read(archive), read(folder)
    assert packed.count == len(NAMES)
    np.testing.assert_array_equal(packed.samples, unpacked.samples)
    assert packed.labels.tolist() == unpacked.labels.tolist() == [0, 0, 1, 2, 2, 3]
    assert (packed.hash, packed.labels_hash, packed.transform, packed.class_names) == (
        unpacked.hash,
        unpacked.labels_hash,
        unpacked.transform,
        ("a", "a.b", "b", "c d"),
    )
    assert class_names(f"folder:{archive}") == packed.class_names
    assert sorted(os.listdir(tmp_path)) == ["cache", "photos", "photos.zip"], "nothing is unpacked"


def test_names_that_are_not_utf8_are_those_of_the_folder(tmp_path, archive):
    """Written as Info-ZIP writes them: bytes without the flag of UTF-8."""
    raw = [b"caf\xe9.png", b"caf\xc3\xa9.png", b"\xff.png"]
    folder = tmp_path / "photos"
    folder.mkdir()
    placeholders = [letter * len(name) for letter, name in zip("qwz", raw, strict=True)]
    pack(archive, {each: png(number) for number, each in enumerate(placeholders)})
    content = archive.read_bytes()
    for number, (name, placeholder) in enumerate(zip(raw, placeholders, strict=True)):
        (folder / os.fsdecode(name)).write_bytes(png(number))
        content = content.replace(placeholder.encode(), name)
    archive.write_bytes(content)
    assert read(archive).hash == read(folder).hash


def test_a_zip_file_has_the_place_of_a_folder_in_names(archive, tmp_path, monkeypatch):
    pack(archive, {"1.png": png()})
    monkeypatch.chdir(tmp_path)
    require_dataset("folder:photos.zip")
    assert located("folder:photos.zip") == f"folder:{archive}"
    assert label(f"folder:{archive}") == "folder:photos.zip"
    assert moved("folder:/gone/photos", archive) == (f"folder:{archive}", None)
    archive.rename(tmp_path / "PHOTOS.ZIP")
    assert read(tmp_path / "PHOTOS.ZIP").count == 1


def test_the_cache_follows_the_file(archive, tmp_path):
    pack(archive, {"1.png": png(1)})
    first = read(archive)
    archive.rename(tmp_path / "other.zip")
    assert read(tmp_path / "other.zip").hash == first.hash
    assert len(list((tmp_path / "cache" / "images").glob("*.npy"))) == 1
    pack(archive, {"1.png": png(2)})
    assert read(archive).hash != first.hash


@pytest.mark.parametrize("text", ["x.zip", "folder.zip", "pipe.zip", "notes.txt"])
def test_a_path_that_is_neither_a_folder_nor_a_zip_file_is_refused(text, tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"PK")
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "folder.zip").symlink_to("nowhere")
    with pytest.raises(RequestError, match="is not a folder; PATH must be one, or a zip file"):
        require_dataset(f"folder:{tmp_path / text}")


@pytest.mark.parametrize("damage", ["no zip", "empty", "cut", "list"])
def test_a_damaged_zip_file_is_reported_in_one_line(damage, archive):
    pack(archive, {f"{number}.png": png(number) for number in range(9)})
    content = archive.read_bytes()
    place = content.index(b"PK\x01\x02")
    archive.write_bytes(
        {
            "no zip": b"not a zip file" * 99,
            "empty": b"",
            "cut": content[:place],
            "list": content[:place] + b"XX" + content[place + 2 :],
        }[damage]
    )
    with pytest.raises(WorkError, match="photos.zip cannot be read as a zip file: ") as caught:
        read(archive)
    assert "\n" not in str(caught.value)


def test_a_zip_file_without_images_is_a_wrong_request(archive):
    pack(archive, {"notes.txt": b"x", "cat/": b""})
    with pytest.raises(RequestError, match="no image below"):
        read(archive)


def test_members_that_are_not_read_are_reported(archive):
    pack(archive, {"1.png": png(), "notes.txt": b"x", "b/list.csv": b"x", ".DS_Store": b"x"})
    told: list[str] = []
    assert read(archive, notify=told.append).count == 1
    (line,) = [line for line in told if "not read" in line]
    assert "files without an image's suffix: 2 (b/list.csv, notes.txt)" in line


def change(archive: Path, name: str, offset: int, layout: str, value: int) -> None:
    """Change a number of a member's entry in the list of members."""
    content = bytearray(archive.read_bytes())
    entry = content.index(name.encode(), content.index(b"PK\x01\x02")) - 46
    struct.pack_into(layout, content, entry + offset, value)
    archive.write_bytes(bytes(content))


FLAGS, METHOD, CHECKSUM, PACKED_SIZE, SIZE, MODE = 8, 10, 16, 20, 24, 38


@pytest.mark.parametrize(
    ("offset", "layout", "value", "words"),
    [
        (FLAGS, "<H", 1, "is encrypted"),
        (METHOD, "<H", 12, "is compressed by method 12"),
        (METHOD, "<H", 99, "is compressed by method 99"),
        (SIZE, "<I", 0, "is empty"),
        (SIZE, "<I", 2**28 + 1, "has 268,435,457 bytes, more than 268,435,456 in a zip file"),
        (MODE, "<I", (stat.S_IFLNK | 0o777) << 16, "is a link"),
        (CHECKSUM, "<I", 1, "is damaged in the zip file: .*CRC"),
        (SIZE, "<I", 9999, "is damaged in the zip file"),
        (SIZE, "<I", 100, "is damaged in the zip file|does not decode"),
        (PACKED_SIZE, "<I", 20, "is damaged in the zip file"),
    ],
)
def test_a_member_that_cannot_be_read_is_named(offset, layout, value, words, archive):
    pack(archive, {"good.png": png(1), "cats/odd.png": png(2)})
    change(archive, "cats/odd.png", offset, layout, value)
    with pytest.raises(WorkError, match=f"1 of 2 images cannot be used: cats/odd.png ({words})") as caught:
        read(archive)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../odd.png", "a/../../odd.png", "/odd.png", "..\\odd.png", "\\odd.png", "a\\..\\odd.png"]
)
def test_a_path_that_leads_out_of_the_file_is_refused(name, archive, tmp_path):
    pack(archive, {"good.png": png(1), name: png(2)})
    with pytest.raises(WorkError, match="odd.png has a path that leads out of the zip file"):
        read(archive)
    assert sorted(os.listdir(tmp_path)) == ["photos.zip"]


def test_a_name_that_is_there_twice_is_refused(archive):
    pack(archive, {"good.png": png(1), "odd.png": png(2), "./odd.png": png(3)})
    with pytest.raises(WorkError, match="odd.png: each is there twice"):
        read(archive)


def test_a_bomb_takes_no_more_memory_than_a_member_may_have(archive, monkeypatch):
    """64 MiB of zeros behind an entry that states 1,000 bytes; then one that states all of them."""
    import tracemalloc

    pack(archive, {"good.png": png(1), "odd.png": bytes(2**26)})
    monkeypatch.setattr(zip_files, "MAX_MEMBER_BYTES", 2**20)
    with pytest.raises(WorkError, match="odd.png has 67,108,864 bytes, more than 1,048,576"):
        read(archive)
    change(archive, "odd.png", SIZE, "<I", 1000)
    tracemalloc.start()
    with pytest.raises(WorkError, match="1 of 2 images cannot be used: odd.png is "):
        read(archive)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**24
