"""Odd files below a folder of images: strangely named ones, special ones, and links."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from faults.odd_picture import OddPicture, Outcome, encoded, noise, write_bytes


def names() -> Iterator[OddPicture]:
    """Yield a picture and a text file under each odd name."""
    names: dict[str, bytes] = {
        "a name in Latin-1": b"caf\xe9.png",
        "a name of random bytes": b"\xff\xfe\x80.png",
        "a lone surrogate in a name": b"\xed\xa0\x80.png",
        "a line break in a name": b"two\nlines.png",
        "a tab in a name": b"a\tb.png",
        "a terminal's command in a name": b"\x1b[31mred\x1b[0m.png",
        "a bell in a name": b"\x07.png",
        "letters from right to left in a name": "\u202egnp.png".encode(),
        "an emoji in a name": "\U0001f600.png".encode(),
        "a composed letter in a name": "\u00e9.png".encode(),
        "a decomposed letter in a name": "e\u0301.png".encode(),
        "a name of 255 bytes": b"x" * 251 + b".png",
        "blanks in a name": b" a  b .png",
        "a name like an option": b"--help.png",
        "a name with placeholders": b"%s{0}{x!r}$HOME.png",
        "quotes in a name": b"'\"`.png",
        "a backslash in a name": b"a\\b.png",
        "a name like a pattern": b"[a-z]*?.png",
        "a name like a shell command": b"; touch pwned; .png",
        "a name like an address": b"http:;;host.png",
    }
    for kind, name in names.items():
        yield OddPicture(kind, name, partial(write_bytes, encoded(noise(), "PNG")), "used")
        yield OddPicture(f"no picture, and {kind}", name, partial(write_bytes, b"not an image"), "refused")


def special_files() -> Iterator[OddPicture]:
    """Yield special files, folders and links."""
    makers: dict[str, tuple[Callable[[Path], object], Outcome]] = {
        "FIFO": (os.mkfifo, "refused"),
        "socket": (_make_socket, "refused"),
        "link to a device without end": (partial(_link, "/dev/zero"), "refused"),
        "link to an empty device": (partial(_link, os.devnull), "refused"),
        "link to a file of the kernel": (partial(_link, "/proc/self/status"), "refused"),
        "link to nothing": (partial(_link, "nowhere.png"), "refused"),
        "link to itself": (lambda path: path.symlink_to(path.name), "refused"),
        "links in a circle": (_make_circle, "refused"),
        "chain of too many links": (partial(_make_chain, 60), "refused"),
        "chain of links": (partial(_make_chain, 20), "used"),
        "link out of the folder": (_make_link_outside, "used"),
        "hard link": (_make_hard_link, "used"),
        "link to the folder itself": (partial(_link, "."), "left out"),
        "link to the root folder": (partial(_link, "/"), "left out"),
        "empty folder": (os.mkdir, "left out"),
        "folder with a picture": (partial(_make_folders, 1), "used"),
        "700 folders in one another": (partial(_make_folders, 700), "used"),
        "file of 8 GiB that takes no room": (partial(_make_sparse, 2**33), "refused"),
        "file of 64 MiB of zeros": (partial(_make_sparse, 2**26), "refused"),
    }
    if os.geteuid() == 0:
        device = stat.S_IFCHR | 0o666
        makers["device without end"] = (lambda path: os.mknod(path, device, os.makedev(1, 5)), "refused")
    else:
        makers["file that may not be read"] = (_make_unreadable, "refused")
        makers["folder that may not be read"] = (lambda path: path.mkdir(mode=0), "refused")
    for number, (kind, (make, outcome)) in enumerate(makers.items()):
        yield OddPicture(kind, f"special-{number:02d}.png".encode(), make, outcome)
    hidden = partial(write_bytes, b"left by a file manager")
    yield OddPicture("hidden file", b"._00.png", hidden, "left out")


def _link(target: str, path: Path) -> None:
    path.symlink_to(target)


def _make_socket(path: Path) -> None:
    # the address of a socket must be short, so the folder is named by its descriptor
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _make_circle(path: Path) -> None:
    other = path.with_name(f".{path.name}.other")
    other.symlink_to(path.name)
    path.symlink_to(other.name)


def _make_chain(links: int, path: Path) -> None:
    last = path.with_name(f".{path.name}.0")
    last.write_bytes(encoded(noise(), "PNG"))
    for number in range(1, links):
        following = path.with_name(f".{path.name}.{number}")
        following.symlink_to(last.name)
        last = following
    path.symlink_to(last.name)


def _make_link_outside(path: Path) -> None:
    outside = path.parent.with_name(f"{path.parent.name}-{path.name}")
    outside.write_bytes(encoded(noise(), "PNG"))
    path.symlink_to(outside)


def _make_hard_link(path: Path) -> None:
    first = path.with_name(f".{path.name}.first")
    first.write_bytes(encoded(noise(), "PNG"))
    path.hardlink_to(first)


def _make_folders(levels: int, path: Path) -> None:
    deepest = path.joinpath(*["d"] * (levels - 1))
    # Path.mkdir(parents=True) would recurse once per level
    os.mkdir(path)
    for level in range(1, levels):
        os.mkdir(path.joinpath(*["d"] * level))
    (deepest / "a.png").write_bytes(encoded(noise(), "PNG"))


def _make_sparse(size: int, path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _make_unreadable(path: Path) -> None:
    path.write_bytes(encoded(noise(), "PNG"))
    path.chmod(0)
