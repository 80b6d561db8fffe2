"""Read a pickle of numbers, texts, lists, dicts and arrays of bytes, and run no code that it asks for.

A pickle is a program: it names functions and has them called. Here every name leads to one of the few
stand-ins below, which only store what they are given, and any other name is an error. Arrays are built from
their bytes after the file was read, not by numpy's functions for pickles.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import Unpickler, UnpicklingError

import numpy as np


class _Bytes:
    """Stand-in for a dtype, which must be that of bytes."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in ("u1", "uint8", "B"):
            raise UnpicklingError(f"an array of type {str(code)[:40]!r}, allowed are bytes")

    def __setstate__(self, _: object) -> None:
        """Ignore the order of bytes and the like, which bytes have not."""


class _Array:
    """Stand-in for an array: its shape and its bytes."""

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.content = b""

    def __setstate__(self, state: tuple[object, ...]) -> None:
        """Store what the pickle says of the array: version, shape, type, order, bytes."""
        _, shape, kind, in_columns, content = state
        if not isinstance(kind, _Bytes) or in_columns or not isinstance(shape, tuple):
            raise UnpicklingError("an array that is none of bytes in rows")
        # Python 2 has texts for bytes
        self.content = content.encode("latin1") if isinstance(content, str) else bytes(_as_bytes(content))
        self.shape = shape

    def built(self) -> np.ndarray:
        """Return the array, uint8; ValueError if it has another size than its shape says."""
        return np.frombuffer(self.content, np.uint8).reshape([int(side) for side in self.shape])


def _as_bytes(content: object) -> bytes:
    if not isinstance(content, bytes | bytearray):
        raise UnpicklingError("an array without bytes")
    return bytes(content)


def _from_buffer(content: object, kind: object, shape: object, order: object) -> _Array:
    """Stand-in for numpy's function of newer pickles."""
    array = _Array()
    array.__setstate__((1, shape, kind, order != "C", content))
    return array


def _encode(text: object, _: object = None) -> bytes:
    """Stand-in for the encoding of texts, by which older pickles store bytes."""
    if not isinstance(text, str):
        raise UnpicklingError("an encoding of something that is no text")
    return text.encode("latin1")


STAND_INS: Mapping[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Bytes,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}


class _DataOnly(Unpickler):
    """Reads a pickle in which no name means anything but a stand-in."""

    def find_class(self, module_name: str, global_name: str) -> Callable[..., object]:
        """Return the stand-in for a name; UnpicklingError for any other."""
        found = STAND_INS.get((module_name, global_name))
        if found is None:
            raise UnpicklingError(f"it asks for {module_name}.{global_name}, which no data need")
        return found


def read_pickle(path: Path) -> object:
    """Return the content of a pickle; a dict has arrays, uint8, in place of the stand-ins.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    Exception
        For a damaged file, or one that asks for more than data: UnpicklingError, EOFError, ValueError,
        and others of the reader.
    """
    with path.open("rb") as file:
        content = _DataOnly(file, encoding="latin1").load()
    if not isinstance(content, dict):
        return content
    return {key: each.built() if isinstance(each, _Array) else each for key, each in content.items()}
