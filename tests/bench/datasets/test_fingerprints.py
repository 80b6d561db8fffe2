import os

import pytest

from bench.datasets.fingerprints import source_hash
from bench.system.errors import WorkError

LONG_AGO = 10**18


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def test_the_hash_depends_on_content_and_name_not_on_the_location(tmp_path, file):
    copy = tmp_path / "copy"
    copy.write_bytes(b"one")
    memory = tmp_path / "memory.json"
    assert source_hash({"a": file}, memory) == source_hash({"a": copy}, tmp_path / "other.json")
    assert source_hash({"a": file}, memory) != source_hash({"b": file}, memory)


def test_unchanged_file_is_not_read_again(tmp_path, file):
    memory = tmp_path / "memory.json"
    first = source_hash({"a": file}, memory)
    # Other bytes behind the same size and time show whether the file was read.
    file.write_bytes(b"two")
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    assert source_hash({"a": file}, memory) == first
    os.utime(file, ns=(LONG_AGO, LONG_AGO + 1))
    assert source_hash({"a": file}, memory) != first


def test_the_hash_of_a_recently_changed_file_is_not_cached(tmp_path):
    path, memory = tmp_path / "file", tmp_path / "memory.json"
    path.write_bytes(b"one")
    facts = path.stat()
    first = source_hash({"a": path}, memory)
    path.write_bytes(b"two")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert source_hash({"a": path}, memory) != first


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"a": 1}', '{"a": [1]}'])
def test_a_damaged_cache_of_hashes_is_replaced(tmp_path, file, damage):
    memory = tmp_path / "memory.json"
    first = source_hash({"a": file}, memory)
    whole = memory.read_text()
    memory.write_text(damage)
    assert source_hash({"a": file}, memory) == first
    assert memory.read_text() == whole


def test_unreadable_file_is_named(tmp_path):
    with pytest.raises(WorkError, match="absent cannot be read"):
        source_hash({"a": tmp_path / "absent"}, tmp_path / "memory.json")
