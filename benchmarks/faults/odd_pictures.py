"""Odd pictures: damaged, disguised, special or strangely named files in a folder of images."""

import os
import pickle
import random
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from PIL import Image

from faults.odd_files import names, special_files
from faults.odd_picture import HEIGHT, WIDTH, Content, OddPicture, Outcome, encoded, noise, write_bytes

ORIENTATION = 0x0112
# formats by Pillow's names, with their suffixes
FORMATS = {
    "BMP": "bmp",
    "GIF": "gif",
    "JPEG": "jpg",
    "PNG": "png",
    "PPM": "ppm",
    "TIFF": "tif",
    "WEBP": "webp",
}


def odd_pictures(seed: int = 0) -> Iterator[OddPicture]:
    """Yield all odd pictures, the same for a seed and machine; some kinds only for root."""
    for number, (kind, suffix, content, outcome) in enumerate(_contents(random.Random(seed))):
        yield OddPicture(kind, f"odd-{number:03d}.{suffix}".encode(), partial(write_bytes, content), outcome)
    yield from names()
    yield from special_files()


Case = tuple[str, str, Content, Outcome]


def _contents(chance: random.Random) -> Iterator[Case]:
    yield from _modes()
    yield from _orientations()
    yield from _sizes()
    yield from _cut_and_damaged(chance)
    yield from _disguised(chance)
    yield from _strange_png(chance)


def _modes() -> Iterator[Case]:
    """Yield every pixel mode of the formats."""
    usable = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
        "BMP": ("1", "L", "P", "RGB", "RGBA"),
        "GIF": ("1", "L", "P", "RGB", "RGBA"),
        "JPEG": ("L", "RGB", "CMYK"),
        "WEBP": ("L", "RGB", "RGBA"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"),
        "PPM": ("1", "L", "RGB"),
    }
    for form, modes in usable.items():
        for mode in modes:
            yield f"{form} of mode {mode}", FORMATS[form], encoded(noise(mode), form), "used"
    for form in ("PNG", "TIFF"):
        yield f"{form} of mode I;16", FORMATS[form], encoded(noise("I;16"), form), "used"
    for mode in ("I", "F", "LAB"):
        yield f"TIFF of mode {mode}", "tif", encoded(noise(mode), "TIFF"), "refused"
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        rows = [bytes([0]) + b"\x80\x01" * channels * WIDTH] * HEIGHT
        yield f"PNG of 16 bits, colour {colour}", "png", png(rows, 16, colour), "used"
    yield "PPM of 16 bits", "ppm", b"P6 2 2 65535\n" + bytes(24), "refused"
    yield "PGM of 16 bits", "ppm", b"P5 2 2 65535\n" + bytes(8), "refused"
    yield "PFM", "ppm", b"Pf\n2 2\n-1.0\n" + bytes(16), "refused"
    yield "PPM in letters", "ppm", b"P3\n# a remark\n2 1 255\n255 0 0  0 255 0\n", "used"
    yield "PBM in letters", "ppm", b"P1\n2 2\n1 0\n0 1\n", "used"
    yield "PPM of 4 bits", "ppm", b"P6 2 2 15\n" + bytes(12), "used"
    for mode, colour in (("L", 7), ("RGB", (1, 2, 3)), ("P", 3), ("P", bytes(range(256)))):
        content = encoded(noise(mode), "PNG", transparency=colour)
        yield f"PNG of mode {mode} with a transparent colour", "png", content, "used"
    frames = [noise(seed=number) for number in range(3)]
    for form in ("GIF", "PNG", "WEBP", "TIFF"):
        content = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        yield f"{form} of three frames", FORMATS[form], content, "used"
    yield "MPO", "jpg", encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]), "used"
    yield "GIF with a transparent colour", "gif", encoded(noise("P"), "GIF", transparency=3), "used"
    yield "progressive JPEG", "jpg", encoded(noise(), "JPEG", progressive=True), "used"
    yield "lossless WEBP", "webp", encoded(noise("RGBA"), "WEBP", lossless=True), "used"
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"TIFF by {compression}", "tif", encoded(noise(), "TIFF", compression=compression), "used"
    for compression in ("group3", "group4"):
        yield f"TIFF by {compression}", "tif", encoded(noise("1"), "TIFF", compression=compression), "used"


def _orientations() -> Iterator[Case]:
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        for orientation in (*range(10), 65535):
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            content = encoded(noise(), form, exif=exif)
            yield f"{form} of EXIF orientation {orientation}", FORMATS[form], content, "used"
    for name, exif in (
        ("without head", b"Exif\0\0" + b"\xff" * 30),
        ("that is cut", b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"),
        (
            "that points at itself",
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08",
        ),
    ):
        for form in ("JPEG", "PNG", "WEBP"):
            yield f"{form} with EXIF {name}", FORMATS[form], encoded(noise(), form, exif=exif), "used"


def _sizes() -> Iterator[Case]:
    for size in ((1, 1), (1, 300), (300, 1), (2, 3), (7, 5)):
        for form in ("PNG", "JPEG", "WEBP"):
            name = "x".join(map(str, size))
            yield f"{form} of {name}", FORMATS[form], encoded(noise(size=size), form), "used"
    for width, height in ((0, 4), (4, 0), (0, 0)):
        content = png([b"\0" * 13] * 4, 8, 2, width, height)
        yield f"PNG of {width}x{height}", "png", content, "refused"
        yield f"PPM of {width}x{height}", "ppm", f"P6 {width} {height} 255\n".encode(), "refused"
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, 2**31 - 1)):
        yield f"PNG that claims {width}x{height}", "png", png([b"\0"], 8, 2, width, height), "refused"
        claim = f"P6 {width} {height} 255\n".encode()
        yield f"PPM that claims {width}x{height}", "ppm", claim, "refused"
    large = bytearray(encoded(noise("P"), "GIF"))
    large[6:10] = b"\xff" * 4
    yield "GIF that claims 65535x65535", "gif", bytes(large), "refused"
    for form, place, layout in (("BMP", 18, "<ii"), ("TIFF", None, "")):
        content = encoded(noise(), form)
        if place is not None:
            content = content[:place] + struct.pack(layout, 60_000, 60_000) + content[place + 8 :]
        else:
            content = content.replace(struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 256, 4, 2**31), 1)
        yield f"{form} with false dimensions", FORMATS[form], content, "either"


def _cut_and_damaged(chance: random.Random) -> Iterator[Case]:
    for form, suffix in FORMATS.items():
        whole = encoded(noise(size=(64, 48)), form)
        for share in (0.0, 0.002, 0.1, 0.5):
            kept = whole[: int(share * len(whole))]
            yield f"{form} cut to {len(kept)} bytes", suffix, kept, "refused"
        yield f"{form} without its last byte", suffix, whole[:-1], "either"
        yield f"{form} with text at its end", suffix, whole + b"trailing text" * 99, "used"
        for _ in range(6):
            damaged = bytearray(whole)
            for _ in range(chance.choice((1, 3, 30))):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            yield f"{form} with damaged bytes", suffix, bytes(damaged), "either"
        damaged = bytearray(whole)
        for place in range(min(64, len(whole))):
            if chance.random() < 0.3:
                damaged[place] ^= 1 << chance.randrange(8)
        yield f"{form} with a damaged head", suffix, bytes(damaged), "either"


class _Executed:
    """Ends the process if it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (77,)


def _disguised(chance: random.Random) -> Iterator[Case]:
    """Yield files whose content differs from their suffix."""
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    others: dict[str, bytes] = {
        "EPS": script,
        "EPS with a binary head": struct.pack("<4sIIIIIIH", b"\xc5\xd0\xd3\xc6", 32, len(script), *[0] * 5)
        + script,
        "PostScript": b"%!PS\n(pwned) (w) file closefile\nshowpage\n",
        "PDF": b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "HTML": b"<!doctype html><title>404</title>not found",
        "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        "shell script": b"#!/bin/sh\ntouch pwned\n",
        "pickle": pickle.dumps(_Executed()),
        "zip archive": b"PK\x05\x06" + bytes(18),
        "gzip": b"\x1f\x8b\x08" + bytes(30),
        "text": b"not an image\n",
        "zeros": bytes(4096),
        "random bytes": chance.randbytes(4096),
        "PNG signature alone": b"\x89PNG\r\n\x1a\n",
        "JPEG signature alone": b"\xff\xd8\xff",
        "RIFF without WEBP": b"RIFF\x10\0\0\0WAVEfmt " + bytes(16),
        "Windows metafile": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<hhhhH", 0, 0, 9, 9, 96) + bytes(40),
        "FITS": b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800),
        "PSD": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 4, 4, 8, 3) + bytes(100),
    }
    for form in ("ICO", "TGA", "PCX", "SGI", "DDS", "ICNS", "JPEG2000", "AVIF", "QOI"):
        try:
            others[form] = encoded(noise(size=(16, 16)), form)
        except (KeyError, OSError, ValueError):
            continue  # this Pillow does not write it
    for kind, content in others.items():
        yield f"{kind} that is named as PNG", "png", content, "refused"
    for form in ("BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP"):
        yield f"{form} that is named as PNG", "png", encoded(noise(), form), "used"
    yield "EPS that is named as JPEG", "jpg", script, "refused"
    for suffix in ("PNG", "jpeg", "JPG", "tiff", "TiF"):
        form = "PNG" if suffix == "PNG" else "JPEG" if suffix.lower().startswith("j") else "TIFF"
        yield f"suffix .{suffix}", suffix, encoded(noise(), form), "used"
    yield "picture without an image's suffix", "dat", encoded(noise(), "PNG"), "left out"
    yield "EPS under its own name", "eps", script, "left out"


def chunk(kind: bytes, content: bytes, damaged: bool = False) -> bytes:
    """Return a chunk of a PNG file, with the correct or a wrong checksum."""
    checksum = zlib.crc32(kind + content) ^ damaged
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    rows: list[bytes], bits: int, colour: int, width: int = WIDTH, height: int = HEIGHT, *more: bytes
) -> bytes:
    """Return a PNG file of rows (each with a filter byte first), with further chunks before the rows."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _strange_png(chance: random.Random) -> Iterator[Case]:
    rows = [b"\0" + chance.randbytes(3 * WIDTH) for _ in range(HEIGHT)]

    def with_chunks(*more: bytes) -> bytes:
        return png(rows, 8, 2, WIDTH, HEIGHT, *more)

    bomb = b"Comment\0\0" + zlib.compress(bytes(2**27))
    yield "PNG with a compressed text of 128 MiB", "png", with_chunks(chunk(b"zTXt", bomb)), "either"
    yield "PNG with 3,000 texts", "png", with_chunks(*[chunk(b"tEXt", b"a\0b")] * 3000), "used"
    yield "PNG with a private chunk", "png", with_chunks(chunk(b"prVt", bytes(999))), "used"
    yield "PNG with a damaged text", "png", with_chunks(chunk(b"tEXt", b"a\0b", damaged=True)), "either"
    yield "PNG with a damaged profile", "png", with_chunks(chunk(b"iCCP", b"x\0\0" + bytes(50))), "either"
    yield "PNG with an impossible gamma", "png", with_chunks(chunk(b"gAMA", bytes(4))), "used"
    yield "PNG with an unknown critical chunk", "png", with_chunks(chunk(b"ABCD", b"?")), "either"
    yield "PNG with two heads", "png", with_chunks(chunk(b"IHDR", bytes(13))), "either"
    yield "PNG with a palette that is too short", "png", _short_palette(), "either"
    yield "PNG with too few rows", "png", png(rows[:3], 8, 2), "either"
    yield "PNG with too many rows", "png", png(rows * 9, 8, 2), "used"
    yield (
        "PNG with a filter that does not exist",
        "png",
        png([b"\x09" + row[1:] for row in rows], 8, 2),
        "refused",
    )
    yield "PNG of a colour type that does not exist", "png", png(rows, 8, 5), "refused"
    yield "PNG of a depth that does not exist", "png", png(rows, 3, 2), "refused"
    whole = with_chunks()
    yield "PNG whose data are not compressed", "png", whole.replace(whole[41:60], bytes(19), 1), "refused"
    yield "PNG without data", "png", whole[:33] + chunk(b"IEND", b""), "refused"


def _short_palette() -> bytes:
    rows = [b"\0" + bytes([200]) * WIDTH] * HEIGHT
    return png(rows, 8, 3, WIDTH, HEIGHT, chunk(b"PLTE", bytes(range(9))))
