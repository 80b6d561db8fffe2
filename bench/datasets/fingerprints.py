"""The content hash of a data set's files, cached so that each file is read once."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.system.atomic_files import kind_of, write_text
from bench.system.errors import WorkError, printable

# Hashes of files that changed within this time are not cached: the timestamp could miss another change.
RECENT_NANOSECONDS = 2 * 10**9


class FileHash(NamedTuple):
    """The hash of a file's content, with the size and time of change of the file when it was hashed."""

    size: int
    changed_nanoseconds: int
    hash: str


def source_hash(files: Mapping[str, Path], cache_file: Path) -> str:
    """Return a hash of the names and contents of files.

    Parameters
    ----------
    files : mapping of str to Path
        Files by names that do not depend on the machine.
    cache_file : Path
        JSON file with the hashes of files by path, size and time of change.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.

    Raises
    ------
    WorkError
        If a file cannot be read or `cache_file` cannot be written.
    """
    cached = _read_cache(cache_file)
    hashes: dict[str, FileHash] = {}
    digest = hashlib.sha256()
    now = time.time_ns()
    for name, path in files.items():
        real_path = os.path.realpath(path)
        found = _hash_file(path, cached.get(real_path))
        if now - found.changed_nanoseconds > RECENT_NANOSECONDS:
            hashes[real_path] = found
        # file names need not be UTF-8
        digest.update(f"{name}\0{found.hash}\n".encode(errors="surrogateescape"))
    if hashes != cached:
        write_text(cache_file, json.dumps(hashes))
    return digest.hexdigest()


def _read_cache(cache_file: Path) -> dict[str, FileHash]:
    """Return the cached hashes by path; a damaged cache counts as empty."""
    try:
        stored = json.loads(cache_file.read_text(encoding="utf-8"))
        return {path: FileHash(int(entry[0]), int(entry[1]), str(entry[2])) for path, entry in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError):
        return {}


def _hash_file(path: Path, cached: FileHash | None) -> FileHash:
    """Return the hash of a file, from the cache if size and time of change are the same."""
    try:
        facts = path.stat()
        if kind := kind_of(facts.st_mode):
            raise WorkError(f"{printable(str(path))} is {kind}, no regular file")
        if cached is not None and cached[:2] == (facts.st_size, facts.st_mtime_ns):
            return cached
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkError(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    return FileHash(facts.st_size, facts.st_mtime_ns, content)
