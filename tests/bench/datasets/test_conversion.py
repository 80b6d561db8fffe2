"""Images of any kind become 8 bits of grey or RGB by stated rules, as arithmetic on their pixels says."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import load
from bench.system.errors import WorkError

HEIGHT, WIDTH = 6, 8
GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6  # colour types of PNG
CHANNELS = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def read(folder: Path, name: str, content: bytes, channels: int = 3) -> np.ndarray:
    """The centre 6 x 6 of the only image of a folder, (6, 6, channels)."""
    (folder / name).write_bytes(content)
    cache = folder.parent / "cache"
    array = load(f"folder:{folder}", image_size=HEIGHT, channels=channels, data_root=folder, cache=cache)
    return array.samples[0].transpose(1, 2, 0)


def centre(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, 1:7]


def random_pixels(channels: int, dtype: type = np.uint16) -> np.ndarray:
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(channels).integers(0, top, (HEIGHT, WIDTH, channels), dtype=dtype)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: np.ndarray, colour: int, *more: bytes) -> bytes:
    """A PNG file, with further chunks before the pixels."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(pixels: np.ndarray, order: str, photometric: int, sample_format: int = 1, extra: int = -1) -> bytes:
    """An uncompressed TIFF file in one strip."""
    height, width, samples = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    start = 8
    bits = start + len(data)
    formats = bits + 2 * samples
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, samples, bits), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, start), (277, 3, 1, samples), (278, 4, 1, height),
        (279, 4, 1, len(data)), (339, 3, samples, formats),
    ]  # fmt: skip
    if extra >= 0:
        entries.insert(-1, (338, 3, 1, extra))
    place = formats + 2 * samples
    content = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, place) + data
    content += struct.pack(f"{order}{samples}H", *[8 * pixels.itemsize] * samples)
    content += struct.pack(f"{order}{samples}H", *[sample_format] * samples)
    content += struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        stored = value
        if tag in (258, 339) and samples <= 2:
            stored = (8 * pixels.itemsize if tag == 258 else sample_format) * (1 if samples == 1 else 65537)
        if kind == 3 and count == 1:
            content += struct.pack(f"{order}HHIHH", tag, kind, count, stored, 0)
        else:
            content += struct.pack(f"{order}HHII", tag, kind, count, stored)
    return content + struct.pack(f"{order}I", 0)


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return 255 + (colours.astype(float) - 255) * alpha.astype(float) / 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", CHANNELS)
def test_of_16_bits_in_png_the_upper_8_are_used(colour, channels, folder):
    pixels = random_pixels(CHANNELS[colour])
    upper = (pixels >> 8).astype(np.uint8)
    expected = upper[..., :3] if colour in (RGB, RGB_ALPHA) else upper[..., :1].repeat(3, axis=2)
    if colour in (GREY_ALPHA, RGB_ALPHA):
        expected = on_white(expected, upper[..., -1:])
    if channels == 1:
        expected = (expected.astype(float) @ [0.299, 0.587, 0.114])[..., None]
    found = read(folder, "one.png", png(pixels, colour), channels)
    np.testing.assert_allclose(found, centre(expected), atol=0 if colour == GREY else 1)
    if colour == RGB and channels == 3:
        np.testing.assert_array_equal(found, centre(expected))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("samples", "photometric"), [(1, 1), (3, 2), (4, 2)])
def test_of_16_bits_in_tiff_the_upper_8_are_used(samples, photometric, order, folder):
    pixels = random_pixels(samples)
    upper = (pixels >> 8).astype(np.uint8)
    expected = upper[..., :3] if samples > 1 else upper.repeat(3, axis=2)
    if samples == 4:
        expected = on_white(expected, upper[..., 3:])
    found = read(folder, "one.tif", tiff(pixels, order, photometric, extra=2 if samples == 4 else -1))
    np.testing.assert_allclose(found, centre(expected), atol=1 if samples == 4 else 0)


def test_compressed_tiffs_of_16_bits_are_read_too(folder):
    pixels = random_pixels(1)[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", compression="tiff_lzw")
    found = read(folder, "one.tif", buffer.getvalue(), 1)
    np.testing.assert_array_equal(found[..., 0], centre(pixels) >> 8)


def test_grey_of_16_bits_is_turned_upright(folder):
    """Orientation 6: stored rows are columns from the left, read upwards."""
    upright = random_pixels(1)
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    stored = np.ascontiguousarray(upright.transpose(1, 0, 2)[::-1])
    found = read(folder, "one.png", png(stored, GREY, chunk(b"eXIf", exif)), 1)
    np.testing.assert_array_equal(found, centre(upright) >> 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_cmyk_becomes_rgb_without_a_profile(channels, folder):
    pixels = random_pixels(4, np.uint8)
    colours = (255 - pixels[..., :3].astype(float)) * (255 - pixels[..., 3:].astype(float)) / 255
    expected = colours if channels == 3 else (colours @ [0.299, 0.587, 0.114])[..., None]
    buffer = io.BytesIO()
    Image.fromarray(pixels, "CMYK").save(buffer, "TIFF")
    np.testing.assert_allclose(read(folder, "one.tif", buffer.getvalue(), channels), centre(expected), atol=1)


def test_the_inverted_cmyk_of_adobes_jpegs_is_not_a_negative(folder):
    buffer = io.BytesIO()
    Image.new("CMYK", (WIDTH, HEIGHT), (255, 128, 0, 51)).save(buffer, "JPEG", quality=100)
    assert b"Adobe" in buffer.getvalue()
    expected = np.full((HEIGHT, HEIGHT, 3), [0, 127 * 204 / 255, 204])
    np.testing.assert_allclose(read(folder, "one.jpg", buffer.getvalue()), expected, atol=3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF"])
def test_palettes_are_looked_up(form, channels, folder):
    palette = random_pixels(3, np.uint8).reshape(-1, 3)[:16]
    numbers = np.random.default_rng(1).integers(0, 16, (HEIGHT, WIDTH), dtype=np.uint8)
    picture = Image.fromarray(numbers, "P")
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, form)
    expected = palette[numbers].astype(float)
    if channels == 1:
        expected = (expected @ [0.299, 0.587, 0.114])[..., None]
    found = read(folder, f"one.{form.lower()[:4].replace('tiff', 'tif')}", buffer.getvalue(), channels)
    np.testing.assert_allclose(found, centre(expected), atol=channels == 1)


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_black_and_white_has_0_and_255(form, folder):
    bits = np.random.default_rng(2).integers(0, 2, (HEIGHT, WIDTH)).astype(bool)
    buffer = io.BytesIO()
    Image.fromarray(bits).save(buffer, form)
    found = read(folder, f"one.{form.lower()}", buffer.getvalue())
    np.testing.assert_array_equal(found, centre(255 * bits.astype(np.uint8))[..., None].repeat(3, axis=2))


def test_grey_has_equal_channels_and_colour_becomes_grey_by_601(folder):
    grey, colour = random_pixels(1, np.uint8), random_pixels(3, np.uint8)
    np.testing.assert_array_equal(read(folder, "one.png", png(grey, GREY)), centre(grey).repeat(3, axis=2))
    expected = (colour.astype(float) @ [0.299, 0.587, 0.114])[..., None]
    np.testing.assert_allclose(read(folder, "one.png", png(colour, RGB), 1), centre(expected), atol=0.51)


DEEP = "more than 8 bits a channel .*, allowed are 16 in PNG and TIFF"
TRANSPARENT = "more than 8 bits a channel .* and a transparent colour"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", png(random_pixels(1), GREY, chunk(b"tRNS", b"\x12\x34")), TRANSPARENT),
        ("a.png", png(random_pixels(3), RGB, chunk(b"tRNS", b"\0\1" * 3)), TRANSPARENT),
        ("a.tif", tiff(random_pixels(1), "<", 0), "more than 8 bits a channel .* and white as zero"),
        ("a.tif", tiff(random_pixels(1).astype(np.uint32), "<", 1), DEEP),
        ("a.tif", tiff(random_pixels(1).view(np.int16), "<", 1, 2), DEEP),
        ("a.tif", tiff(np.ones((6, 8, 1), np.float32), ">", 1, 3), DEEP),
        ("a.ppm", b"P6 8 6 65535\n" + bytes(288), DEEP),
        ("a.ppm", b"P5 8 6 65535\n" + bytes(96), DEEP),
        (
            "a.tif",
            tiff(random_pixels(3, np.uint8), "<", 8),
            "colours of the kind LAB",
        ),
    ],
)
def test_kinds_without_a_rule_are_refused_by_name(name, content, words, folder):
    with pytest.raises(WorkError, match=f"1 of 1 images cannot be used: {name} has {words}") as caught:
        read(folder, name, content)
    assert "\n" not in str(caught.value)
