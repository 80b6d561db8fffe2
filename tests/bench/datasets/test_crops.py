"""The knob `crop`: which pixels of every image are used, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.configuration import resolve
from bench.datasets import load
from bench.datasets.crops import parse_crop
from bench.runs.data_location import load_configured
from bench.system.errors import RequestError, WorkError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def read(folder: Path, crop: str | None, image_size: int = 8, **options):
    return load(
        f"folder:{folder}",
        image_size=image_size,
        channels=3,
        data_root=folder,
        cache=folder.parent / "cache",
        crop=crop,
        **options,
    )


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("crop", "rows", "columns", "words"),
    [
        ("centre:8", slice(6, 14), slice(11, 19), "centre 8x8"),
        ("box:0,0,8,8", slice(0, 8), slice(0, 8), "rows 0-8, columns 0-8"),
        ("box:3,5,8,8", slice(5, 13), slice(3, 11), "rows 5-13, columns 3-11"),
        ("box:23,13,8,8", slice(13, 21), slice(23, 31), "rows 13-21, columns 23-31"),
    ],
)
def test_the_square_is_cut_out_of_the_upright_image(crop, rows, columns, words, folder):
    """Of 31 x 21 pixels; the second image is stored on its side."""
    pixels = random_pixels(21, 31, 3)
    Image.fromarray(pixels).save(folder / "1.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 0, 2)[::-1])).save(folder / "2.png", exif=exif)
    array = read(folder, crop)
    for sample in array.samples:
        np.testing.assert_array_equal(sample.transpose(1, 2, 0), pixels[rows, columns])
    assert f"; RGB; {words}; resize" in array.transform


def test_crop_comes_before_resizing_and_is_part_of_the_datas_identity(folder):
    pixels = random_pixels(40, 30, 3)
    Image.fromarray(pixels).save(folder / "1.png")
    square = Image.fromarray(pixels[4:20, 10:26]).resize((8, 8), Image.Resampling.BILINEAR)
    array = read(folder, "box:10,4,16,16")
    np.testing.assert_array_equal(array.samples[0].transpose(1, 2, 0), np.asarray(square))
    whole = read(folder, None)
    assert array.hash != whole.hash
    assert "centre square" in whole.transform
    assert len(list((folder.parent / "cache" / "images").glob("*.npy"))) == 2


def test_celebas_own_crop_may_be_replaced(make_source, tmp_path, cache):
    make_source("celeba")
    options = {"image_size": 64, "channels": None, "data_root": tmp_path / "data", "cache": cache}
    array = load("celeba", crop="box:1,2,64,64", **options)
    whole = np.asarray(Image.open(tmp_path / "data" / "celeba" / "img_align_celeba" / "000001.jpg"))
    np.testing.assert_array_equal(array.samples[0], whole[2:66, 1:65].transpose(2, 0, 1))


@pytest.mark.parametrize("crop", ["centre:13", "box:5,0,8,8", "box:0,6,8,8", "box:900000,0,1,1"])
def test_images_that_lack_a_part_of_the_square_are_named_together(crop, folder):
    Image.new("RGB", (20, 20)).save(folder / "large.png")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (12, 12)).save(folder / name)
    Image.new("RGB", (12, 30)).save(folder / "narrow.png")
    if crop.startswith("box:9"):
        (folder / "large.png").unlink()
    words = f"a.png, b.png: each is 12x12: crop {crop} does not lie inside"
    with pytest.raises(WorkError, match=words) as caught:
        read(folder, crop)
    assert "\n" not in str(caught.value)
    assert not list((folder.parent / "cache" / "images").glob("*.npy"))


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        ("", "allowed is centre:N, or box:x,y,w,h"),
        ("center:64", "allowed is centre:N"),
        ("centre:-4", "allowed is centre:N"),
        ("centre:1.5", "allowed is centre:N"),
        ("centre:0", "has no pixels"),
        ("box:1,2,3", "allowed is centre:N"),
        ("box:1,2,-3,-3", "allowed is centre:N"),
        ("box:0,0,0,0", "has no pixels"),
        ("box:0,0,64,48", "the box is 64x48, images are square"),
        ("centre:\u0663", "allowed is centre:N"),
    ],
)
def test_other_texts_are_refused_in_one_line_wherever_they_are_given(crop, words, folder):
    for refused in (lambda: parse_crop(crop), lambda: read(folder, crop), lambda: asked(crop=crop)):
        with pytest.raises(RequestError, match=words) as caught:
            refused()
        assert "\n" not in str(caught.value)


def asked(**values):
    return resolve({"variant": "began", "dataset": "mnist-5k", **values})


def test_points_have_no_crop_and_are_not_mirrored(cache):
    for name, value in (("crop", "centre:2"), ("flip", True)):
        with pytest.raises(RequestError, match=f"{name}: points have neither pixels nor sides"):
            resolve({"variant": "began", "dataset": "ring-8", name: value})
    with pytest.raises(RequestError, match="ring-8 holds points: crop centre:2 must be none"):
        load("ring-8", image_size=None, channels=None, crop="centre:2", data_root=cache, cache=cache)


def test_the_knob_is_part_of_a_runs_identity_and_reaches_the_samples():
    base, cropped = asked(), asked(crop="centre:20")
    assert base.hash() == asked(crop="none").hash() == asked(flip=False).hash()
    assert len({base.hash(), cropped.hash(), asked(flip="true").hash()}) == 3
    whole = load_configured(base.harness, print).samples
    square = Image.fromarray(whole[0, 0, 4:24, 4:24]).resize((28, 28), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(load_configured(cropped.harness, print).samples[0, 0], np.asarray(square))
