"""The content hash of a data set's files, remembered so that each is read once."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.system.atomic_files import kind_of, write_text
from bench.system.errors import WorkError, printable

# A file changed this recently may change again within one tick of the file system's clock.
SETTLED_NANOSECONDS = 2 * 10**9

Entry = tuple[int, int, str]


def source_hash(files: Mapping[str, Path], memory: Path) -> str:
    """Hash the names and contents of files.

    Parameters
    ----------
    files : mapping of str to Path
        Names that do not depend on the machine, and where the files are.
    memory : Path
        JSON file that remembers the hashes by path, size and time of change.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.

    Raises
    ------
    WorkError
        If a file cannot be read or the memory cannot be written.
    """
    known = _recall(memory)
    entries: dict[str, Entry] = {}
    digest = hashlib.sha256()
    now = time.time_ns()
    for name, path in files.items():
        where = os.path.realpath(path)
        size, changed, content = _entry(path, known.get(where))
        if now - changed > SETTLED_NANOSECONDS:
            entries[where] = (size, changed, content)
        # names of files need not be UTF-8
        digest.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
    if entries != known:
        write_text(memory, json.dumps(entries))
    return digest.hexdigest()


def _recall(memory: Path) -> dict[str, Entry]:
    """Read what is remembered; a damaged memory is no memory."""
    try:
        stored: Any = json.loads(memory.read_text(encoding="utf-8"))
        return {path: (int(entry[0]), int(entry[1]), str(entry[2])) for path, entry in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError):
        return {}


def _entry(path: Path, known: Entry | None) -> Entry:
    """Give a file's size, time of change in nanoseconds and content hash."""
    try:
        facts = path.stat()
        if kind := kind_of(facts.st_mode):
            raise WorkError(f"{printable(str(path))} is {kind}, no regular file")
        if known is not None and known[:2] == (facts.st_size, facts.st_mtime_ns):
            return known
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkError(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    return facts.st_size, facts.st_mtime_ns, content
