"""Arrays of samples in any usual form, as the values that judges measure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

import numpy as np

from bench.datasets.folder import Folder
from bench.datasets.pictures import Transform
from bench.system.errors import RequestError, printable

Layout = Literal["NHWC", "NCHW"]
ValueRange = Literal["0,1", "-1,1"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
VALUE_RANGES: tuple[ValueRange, ...] = get_args(ValueRange)

CHANNELS = (1, 3)
BLOCK = 1000  # samples that are converted at once: bounds memory
# Values may leave the stated range by so much of its width: generators without a bounded last layer do. They
# are clamped. Values farther out have another range than the stated one.
BEYOND = 0.5


@dataclass(frozen=True)
class Form:
    """What is stated of samples that their values do not tell.

    Attributes
    ----------
    value_range : {"0,1", "-1,1"} or None
        Range of images of floating-point numbers: black and white.
    layout : {"NHWC", "NCHW"} or None
        Order of the axes of images, where the shape has two readings.
    image_size : int or None
        Side in pixels to which images are resized; None keeps their size.
    channels : {1, 3} or None
        Grey or RGB, to which images are converted; None keeps their channels.
    """

    value_range: ValueRange | None = None
    layout: Layout | None = None
    image_size: int | None = None
    channels: Literal[1, 3] | None = None


@dataclass(frozen=True)
class StoredSamples:
    """Samples as files hold them.

    Attributes
    ----------
    values : ndarray
        Images uint8 (N, C, S, S), C being 1 or 3, or points float32 (N, 2).
    conversion : str
        How size or channels were changed, such as ``resized from 64x64``; empty if they were not.
    notes : tuple of str
        What else was done to the values, a line each.
    """

    values: np.ndarray
    conversion: str = ""
    notes: tuple[str, ...] = ()


def stored(array: np.ndarray, form: Form, name: str) -> StoredSamples:
    """Return samples as files hold them.

    Parameters
    ----------
    array : ndarray
        Images (N, H, W, C), (N, C, H, W) or (N, H, W), uint8 or of floating-point numbers; or points (N, 2).
    form : Form
        What is stated of them. Nothing of it is guessed.
    name : str
        Name of the samples, for messages.

    Raises
    ------
    RequestError
        If the array has no such form, if a form has two readings, or if values are not finite.
    """
    if array.ndim == 2:
        return _points(array, form, name)
    images = _channels_first(array, form.layout, name)
    notes: tuple[str, ...] = ()
    if array.dtype == np.uint8:
        if form.value_range is not None:
            _refuse(name, "they are uint8, from 0 to 255: a range is stated of floating-point numbers only")
    elif np.issubdtype(array.dtype, np.floating):
        images, notes = _bytes(images, form.value_range, name)
    else:
        _refuse(
            name, f"they are {array.dtype}: allowed are uint8, and floating-point numbers of a stated range"
        )
    images, conversion = _sized(images, form, name)
    return StoredSamples(images, conversion, notes)


def resized(size: tuple[int, int], channels: int, wanted_size: int, wanted_channels: int) -> str:
    """Return in words how images (height, width) of so many channels are converted; empty if they are not."""
    parts = []
    if size != (wanted_size, wanted_size):
        parts.append(f"resized from {size[0]}x{size[1]}")
    if channels != wanted_channels:
        parts.append("made grey" if wanted_channels == 1 else "grey repeated")
    return " and ".join(parts)


def square_side(height: int, width: int, form: Form, name: str) -> int:
    """Return the side to which images are brought; RequestError if none is stated and they are not square."""
    if form.image_size is not None:
        return form.image_size
    if height != width:
        _refuse(
            name,
            f"images of {height}x{width} pixels are not square: an image size N cuts out the centre "
            "square and resizes it to N x N",
        )
    return height


def _refuse(name: str, reason: str) -> NoReturn:
    raise RequestError(f"samples {printable(name)}: {reason}")


def _points(array: np.ndarray, form: Form, name: str) -> StoredSamples:
    if array.shape[1] != 2:
        _refuse(
            name,
            f"an array of shape {array.shape} holds no samples: allowed are images (N, H, W, C), (N, C, H, "
            "W) or (N, H, W), and points (N, 2)",
        )
    if not np.issubdtype(array.dtype, np.floating):
        _refuse(name, f"points are {array.dtype}: allowed are floating-point numbers")
    if form != Form():
        _refuse(name, "points (N, 2) have no range, layout, image size or channels")
    values = array.astype(np.float32)
    broken = int((~np.isfinite(values)).any(axis=1).sum())
    if broken:
        _refuse(name, f"{broken:,} of {len(values):,} points are NaN or infinite")
    return StoredSamples(values)


def _channels_first(array: np.ndarray, layout: Layout | None, name: str) -> np.ndarray:
    """Return images (N, C, H, W), a view."""
    if array.ndim not in (3, 4):
        _refuse(
            name,
            f"an array of shape {array.shape} holds no samples: allowed are images (N, H, W, C), (N, C, H, "
            "W) or (N, H, W), and points (N, 2)",
        )
    if 0 in array.shape[1:]:
        _refuse(name, f"images of an array of shape {array.shape} have no pixels")
    if array.ndim == 3:
        return array[:, np.newaxis]
    first, last = (array.shape[axis] in CHANNELS for axis in (1, 3))
    if layout is None and first and last:
        _refuse(name, f"shape {array.shape} has two readings: state the layout NCHW or NHWC")
    chosen = layout or ("NCHW" if first else "NHWC")
    images = array if chosen == "NCHW" else array.transpose(0, 3, 1, 2)
    if images.shape[1] not in CHANNELS:
        _refuse(name, f"images of shape {array.shape} have neither 1 nor 3 channels{_of(layout)}")
    return images


def _of(layout: Layout | None) -> str:
    return f" in the layout {layout}" if layout else ""


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of an array in blocks."""
    for start in range(0, len(array), BLOCK):
        yield array[start : start + BLOCK]


def _bytes(
    images: np.ndarray, value_range: ValueRange | None, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return images of floating-point numbers as bytes, rounded and clamped as a judge does."""
    if value_range is None:
        _refuse(
            name,
            f"images are {images.dtype}: state their range, 0,1 (black 0, white 1) or -1,1 (black -1, "
            "white 1)",
        )
    low, high = (0.0, 1.0) if value_range == "0,1" else (-1.0, 1.0)
    allowed = BEYOND * (high - low)
    found = np.empty(images.shape, dtype=np.uint8)
    done = outside = 0
    for block in blocks(images):
        values = block.astype(np.float32)
        broken = int((~np.isfinite(values)).reshape(len(values), -1).any(axis=1).sum())
        if broken:
            _refuse(
                name,
                f"{broken:,} of images {done:,} to {done + len(values) - 1:,} hold NaN or infinite values",
            )
        least, most = float(values.min()), float(values.max())
        if least < low - allowed or most > high + allowed:
            _refuse(name, f"values from {least:.3g} to {most:.3g} are not of the stated range {value_range}")
        outside += int(((values < low) | (values > high)).sum())
        scaled = values * np.float32(255) if low == 0 else (values + np.float32(1)) * np.float32(127.5)
        found[done : done + len(values)] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        done += len(values)
    if not outside:
        return found, ()
    return found, (
        f"{outside / images.size:.2%} of all values lie outside the range {value_range} and were clamped",
    )


def _sized(images: np.ndarray, form: Form, name: str) -> tuple[np.ndarray, str]:
    """Return images of the stated size and channels, and how they were converted."""
    from PIL import Image

    _, channels, height, width = images.shape
    side, wanted = square_side(height, width, form, name), form.channels or channels
    conversion = resized((height, width), channels, side, wanted)
    if not conversion:
        return images, ""
    transform = Transform(Folder(), side, wanted)
    found = np.empty((len(images), wanted, side, side), dtype=np.uint8)
    for position, image in enumerate(images):
        pixels = np.ascontiguousarray(image[0] if channels == 1 else image.transpose(1, 2, 0))
        found[position] = transform.to_pixels(Image.fromarray(pixels))
    return found, conversion
