"""Files of weights: where packages and the cache have them, and how they are read without running code."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from bench.system.errors import WorkError

Weights = dict[str, Tensor]
"""Tensors of a network by their names."""


def installed_file(module: str, *parts: str) -> Path | None:
    """Return a file of an installed package, without importing the package.

    Parameters
    ----------
    module : str
        Name of the package's top-level module.
    *parts : str
        The path below the module's folder.

    Returns
    -------
    Path or None
        None if the package is not installed or lacks the file.
    """
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # a module without a specification
        return None
    folders = (spec and spec.submodule_search_locations) or ()
    return next((path for folder in folders if (path := Path(folder, *parts)).is_file()), None)


def missing_modules(modules: Sequence[str]) -> list[str]:
    """Return those of top-level modules that are not installed; nothing is imported."""
    return [module for module in modules if find_spec(module) is None]


def content_of(path: Path) -> bytes:
    """Return the bytes of a file of weights; raise WorkError if the file cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror}") from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors_of(content: bytes, path: Path, what: str) -> Weights:
    """Return the tensors of a file: safetensors, or torch's own format with nothing but tensors.

    Parameters
    ----------
    content : bytes
        Content of the file.
    path : Path
        The file, for messages; its suffix says which format it has.
    what : str
        What the file should hold, for messages.

    Raises
    ------
    WorkError
        If the file has another format, or anything but tensors by their names; no code of it is run.
    """
    try:
        if path.suffix == ".safetensors":
            return load_safetensors(content)
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise ValueError("it is no table of tensors by their names")
    except (
        SafetensorError,
        UnpicklingError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
    ) as error:
        raise unusable(path, what, error) from error
    return dict(found)


def unusable(path: Path, what: str, error: Exception) -> WorkError:
    """Return the error for a file that does not hold what is needed, in one line."""
    lines = str(error).strip().splitlines()
    return WorkError(f"{path} holds no {what}: {lines[0] if lines else type(error).__name__}")
