"""The user's own images: how they are read, and that nothing of them is lost without a word."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import load, loading
from bench.datasets.pictures import Transform
from bench.system.errors import LONGEST_LINE, RequestError, WorkError

ORIENTATION = 0x0112
# how a picture is stored so that turning it by EXIF's orientation gives it back
STORED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels.transpose(1, 0, 2)[::-1],
    7: lambda pixels: pixels.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def read(folder: Path, image_size: int = 8, channels: int = 3, **options):
    cache = folder.parent / "cache"
    return load(
        f"folder:{folder}", image_size=image_size, channels=channels, data_root=folder, cache=cache, **options
    )


def one(folder: Path, **options) -> np.ndarray:
    """The only image of a folder, (H, W, C)."""
    return read(folder, **options).samples[0].transpose(1, 2, 0)


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_photographs_are_rotated_by_exif_orientation(orientation: int, suffix: str, folder: Path) -> None:
    upright = random_pixels(8, 12, 3)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    stored.save(folder / f"one.{suffix}", exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(one(folder), upright[:, 2:10])


def test_a_damaged_exif_rotates_nothing(folder: Path) -> None:
    pixels = random_pixels(8, 8, 3)
    Image.fromarray(pixels).save(folder / "one.png", exif=b"Exif\0\0" + b"\xff" * 30)
    np.testing.assert_array_equal(one(folder), pixels)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_are_composed_on_white(mode: str, folder: Path) -> None:
    grey = np.full((8, 8), 100, dtype=np.uint8)
    alpha = np.repeat(np.array([0, 51, 204, 255], dtype=np.uint8), 2)[None].repeat(8, axis=0)
    picture = Image.fromarray(np.dstack([grey, grey, grey, alpha]))
    # PA: a palette with transparent entries
    picture = picture.quantize(8) if mode == "PA" else picture.convert(mode)
    picture.save(folder / "one.png")
    expected = np.round(255 + (100 - 255) * alpha.astype(float) / 255)[..., None].repeat(3, axis=2)
    np.testing.assert_allclose(one(folder), expected, atol=1)
    np.testing.assert_allclose(one(folder, channels=1), expected[..., :1], atol=1)


def test_a_transparent_colour_is_composed_on_white(folder: Path) -> None:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[4:] = (10, 20, 30)
    Image.fromarray(pixels).save(folder / "one.png", transparency=(10, 20, 30))
    assert (one(folder)[4:] == 255).all()
    assert (one(folder)[:4] == 0).all()


def test_opaque_pictures_keep_their_bytes(folder: Path) -> None:
    pixels = random_pixels(8, 8, 3)
    Image.fromarray(np.dstack([pixels, np.full((8, 8), 255, dtype=np.uint8)])).save(folder / "one.png")
    np.testing.assert_array_equal(one(folder), pixels)


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
def test_the_first_frame_of_an_animation_is_used(suffix: str, folder: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(folder / f"one.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert one(folder).reshape(-1, 3).tolist() == [[255, 0, 0]] * 64


def test_the_transform_describes_the_reading_of_image_files(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "one.png")
    words = read(folder).transform
    rules = "first frame; upright by EXIF; upper 8 of 16 bits; transparent parts on white"
    assert words.startswith(f"{rules}; RGB; centre square")


def test_ten_unusable_images_are_named_and_all_are_counted(folder: Path) -> None:
    for number in range(20):
        Image.new("RGB", (8, 8)).save(folder / f"good-{number:02}.png")
    for number in range(300):
        (folder / f"bad-{number:03}.png").write_bytes(b"not an image")
    words = (
        "300 of 320 images cannot be used: bad-000.png, bad-001.png, .*, bad-009.png: each is no image of "
        "format BMP, .*; and 290 more$"
    )
    with pytest.raises(WorkError, match=words) as caught:
        read(folder)
    assert "bad-010" not in str(caught.value)
    assert len(str(caught.value)) < LONGEST_LINE
    assert not list((folder.parent / "cache" / "images").glob("*.npy"))


def test_files_that_cannot_be_read_and_damaged_ones_are_named_together(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    Image.fromarray(random_pixels(8, 8, 3)).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:100])
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "empty.png").touch()
    words = "4 of 5 images .*: cut.png does not .*; empty.png is empty; loop.png .*; pipe.png is a FIFO$"
    with pytest.raises(WorkError, match=words):
        read(folder)
    assert not (folder.parent / "cache").exists()


def test_headers_are_read_before_any_image_of_a_large_folder_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MOST_DECODED_TO_NAME_ALL", 3)
    monkeypatch.setattr(Transform, "to_pixels", lambda *_: pytest.fail("an image was decoded"))
    for name in ("good.png", "cut.png"):
        Image.fromarray(random_pixels(8, 8, 3)).save(folder / name)
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:100])
    (folder / "text.png").write_bytes(b"text")
    Image.fromarray(np.ones((8, 8), dtype=np.float32)).save(folder / "deep.tif")
    with pytest.raises(WorkError, match="2 of 4 images .*: deep.tif has .*; text.png is no image") as caught:
        read(folder)
    assert "cut.png" not in str(caught.value)
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(WorkError, match="3 of 5 images .*: deep.tif .*; pipe.png is a FIFO; text.png"):
        read(folder)


def test_unread_files_are_reported(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    (folder / "loop").symlink_to(".")
    (folder / "elsewhere").symlink_to(folder.parent)
    (folder / "notes.txt").write_text("notes")
    (folder / ".hidden").touch()
    told: list[str] = []
    assert read(folder, notify=told.append).count == 1
    (line,) = [line for line in told if "not read" in line]
    assert "links to folders: 2 (elsewhere, loop)" in line
    assert "files without an image's suffix: 1 (notes.txt)" in line


def test_links_to_files_are_followed_also_out_of_the_folder(folder: Path) -> None:
    pixels = random_pixels(8, 8, 3)
    Image.fromarray(pixels).save(folder.parent / "outside.png")
    (folder / "link.png").symlink_to("../outside.png")
    np.testing.assert_array_equal(one(folder), pixels)


def test_names_need_not_be_utf8_and_decide_the_order_of_images(folder: Path) -> None:
    for number, name in enumerate((b"a.png", b"caf\xe9.png", b"\xff\n.png")):
        Image.new("L", (8, 8), number).save(folder / os.fsdecode(name), format="PNG")
    array = read(folder)
    assert array.samples[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert read(folder).hash == array.hash


def test_a_folder_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    with pytest.raises(RequestError, match="not UTF-8") as caught:
        read(folder)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", ["~nosuchuser/x", "x" * 5000, "loop", "nul\0"])
def test_a_path_that_is_no_folder_is_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises(RequestError, match="is not a folder"):
        load(f"folder:{path}", image_size=8, channels=3, data_root=tmp_path, cache=tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_without_read_permission_are_named(folder: Path) -> None:
    """In a process that belongs to nobody."""
    Image.new("RGB", (8, 8)).save(folder / "secret.png")
    (folder / "secret.png").chmod(0)
    (folder / "closed").mkdir(mode=0)
    for place in (folder, *folder.parents):
        place.chmod(place.stat().st_mode | 0o055)
    program = (
        "import os, sys; from pathlib import Path\n"
        "from bench.datasets.listing import list_folder\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for each in list_folder(Path(sys.argv[1])).unusable: print(each.name, each.reason)\n"
    )
    words = [sys.executable, "-c", program, str(folder)]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert told == [
        "closed is a folder that cannot be read: Permission denied",
        "secret.png cannot be read: Permission denied",
    ]


def test_a_run_on_unusable_images_is_one_line_and_leaves_nothing(folder: Path, bench_home: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    os.mkfifo(folder / os.fsdecode(b"caf\xe9.png"))
    words = ["run", "--variant", "began", "--dataset", f"folder:{folder}", "--set", "image_size=28"]
    words += ["--set", "tracking=false", "--set", "extractor=shipped", "--set", "channels=1"]
    command = [sys.executable, "-m", "bench", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert r"1 of 2 images cannot be used: caf\udce9.png is a FIFO" in line
    assert not bench_home.exists()
