"""Arrays of samples become what judges measure, or are refused with what must be stated."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.datasets.samples.form import Form, stored
from bench.judging.judge import as_stored
from bench.system.errors import RequestError

DRAWS = np.random.default_rng(0)


def images(*shape: int) -> np.ndarray:
    return DRAWS.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_either_layout_are_the_same_bytes(channels: int) -> None:
    first = images(5, channels, 8, 8)
    last = np.ascontiguousarray(first.transpose(0, 2, 3, 1))
    for array in (first, last):
        found = stored(array, Form(), "x")
        assert np.array_equal(found.values, first)
        assert (found.conversion, found.notes) == ("", ())
    if channels == 1:
        assert np.array_equal(stored(first[:, 0], Form(), "x").values, first)


def test_two_readings_of_a_shape_are_told_apart_by_the_stated_layout() -> None:
    array = images(4, 3, 3, 3)
    with pytest.raises(RequestError, match="two readings: state the layout NCHW or NHWC"):
        stored(array, Form(), "x")
    assert np.array_equal(stored(array, Form(layout="NCHW"), "x").values, array)
    assert np.array_equal(stored(array, Form(layout="NHWC"), "x").values, array.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_become_the_bytes_that_a_judge_makes_of_them(dtype: type) -> None:
    values = DRAWS.uniform(-1.2, 1.2, (6, 3, 8, 8)).astype(dtype)
    found = stored(values, Form(value_range="-1,1"), "x")
    assert np.array_equal(found.values, as_stored(torch.from_numpy(values)).numpy())
    outside = np.mean(np.abs(values) > 1)
    assert found.notes == (f"{outside:.2%} of all values lie outside the range -1,1 and were clamped",)


def test_every_byte_survives_as_a_float_of_either_range() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    scaled = every.astype(np.float32) / 255
    assert np.array_equal(stored(scaled, Form(value_range="0,1"), "x").values, every)
    assert np.array_equal(stored(scaled * 2 - 1, Form(value_range="-1,1"), "x").values, every)
    assert stored(scaled, Form(value_range="0,1"), "x").notes == ()


def test_points_stay_what_they_are() -> None:
    points = DRAWS.normal(size=(20, 2))
    found = stored(points, Form(), "x")
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, points.astype(np.float32))


@pytest.mark.parametrize(
    ("array", "form", "reason"),
    [
        (np.zeros((4, 3, 8, 8), np.float32), {}, "state their range, 0,1"),
        (
            np.full((4, 3, 8, 8), 7.0),
            {"value_range": "0,1"},
            "values from 7 to 7 are not of the stated range",
        ),
        (np.full((4, 3, 8, 8), np.nan), {"value_range": "0,1"}, "4 of images 0 to 3 hold NaN or infinite"),
        (images(4, 3, 8, 8), {"value_range": "0,1"}, "they are uint8"),
        (np.zeros((4, 3, 8, 8), np.int64), {}, "they are int64: allowed are uint8"),
        (np.zeros((4, 3, 8, 8), bool), {}, "they are bool"),
        (np.zeros((4, 3, 8, 8), complex), {}, "they are complex128"),
        (images(4, 8, 8, 4), {}, "neither 1 nor 3 channels"),
        (images(4, 3, 8, 8), {"layout": "NHWC"}, "neither 1 nor 3 channels in the layout NHWC"),
        (images(4, 3, 8, 9), {}, "8x9 pixels are not square"),
        (images(4, 3, 0, 8), {}, "have no pixels"),
        (images(4), {}, "holds no samples"),
        (images(1, 4, 3, 8, 8), {}, "holds no samples"),
        (np.zeros((9, 784)), {}, "holds no samples"),
        (np.zeros((9, 2), int), {}, "points are int64"),
        (np.array([[0, np.inf], [0, 0.0]]), {}, "1 of 2 points are NaN or infinite"),
        (np.zeros((9, 2)), {"value_range": "-1,1"}, "no range, layout, image size or channels"),
    ],
)
def test_what_is_not_stated_is_not_guessed(array: np.ndarray, form: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        stored(array, Form(**form), "a\nname")
    assert "\n" not in str(caught.value)


def test_size_and_channels_are_changed_only_where_they_are_stated_and_the_words_say_it() -> None:
    coloured = images(3, 3, 10, 12)
    found = stored(coloured, Form(image_size=4, channels=1), "x")
    assert found.conversion == "resized from 10x12 and made grey"
    for made, image in zip(found.values, coloured, strict=True):
        picture = Image.fromarray(image.transpose(1, 2, 0)).convert("L").crop((1, 0, 11, 10))
        assert np.array_equal(made[0], np.asarray(picture.resize((4, 4), Image.Resampling.BILINEAR)))
    grey = images(3, 1, 4, 4)
    repeated = stored(grey, Form(channels=3), "x")
    assert repeated.conversion == "grey repeated"
    assert np.array_equal(repeated.values, grey.repeat(3, axis=1))
