import gzip
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import array_cache, load
from bench.datasets.mnist5k import Mnist5k
from bench.system.errors import RequestError, WorkError

ROOT = Path(__file__).parents[3]
NOWHERE = Path("absent")


def digits(cache, image_size=28, channels=None, notify=lambda _: None):
    return load(
        "mnist-5k", image_size=image_size, channels=channels, data_root=NOWHERE, cache=cache, notify=notify
    )


@pytest.fixture(scope="module")
def table():
    with gzip.open(Mnist5k.path(), "rt") as file:
        return np.array([line.split(",") for line in file], dtype=np.uint8)


def test_pixels_at_the_native_size_are_those_of_the_file(cache, table):
    array = digits(cache)
    np.testing.assert_array_equal(np.bincount(table[:, 784]), [500] * 10)
    np.testing.assert_array_equal(array.samples.reshape(5000, 784), table[:, :784])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 64])
def test_resize_is_torchvisions_with_antialiasing(cache, table, size, channels):
    from torchvision.transforms import v2

    resize = v2.Resize((size, size), antialias=True)
    array = digits(cache, image_size=size, channels=channels)
    for row in range(0, 5000, 500):
        image = Image.fromarray(table[row, :784].reshape(28, 28)).convert("L" if channels == 1 else "RGB")
        wanted = np.asarray(resize(image)).reshape(size, size, channels).transpose(2, 0, 1)
        np.testing.assert_array_equal(array.samples[row], wanted)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_real_files(name, cache, shared_data):
    array = load(name, image_size=28, channels=None, data_root=shared_data, cache=cache)
    folder = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name]
    content = (shared_data / folder / "raw" / "train-images-idx3-ubyte").read_bytes()
    assert array.samples.tobytes() == content[16:]


def test_cache_is_reused(cache):
    notes: list[str] = []
    first = digits(cache, notify=notes.append)
    (path,) = (cache / "images").glob("*.npy")
    changed = path.stat().st_mtime_ns
    second = digits(cache, notify=notes.append)
    assert path.stat().st_mtime_ns == changed
    assert len(notes) == 1
    assert (first.hash, first.transform) == (second.hash, second.transform)
    np.testing.assert_array_equal(first.samples, second.samples)


def test_each_size_and_channel_count_has_its_own_hash(cache):
    arrays = [digits(cache, size, channels) for size, channels in ((28, 1), (28, 3), (32, 1))]
    assert len({array.hash for array in arrays}) == 3
    assert len(list((cache / "images").glob("*.npy"))) == 3
    assert digits(cache).hash == arrays[0].hash


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_pixel(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_pixel, empty, os.unlink])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_damaged_cache_is_created_again(cache, tmp_path, make_source, damage, suffix):
    name = make_source("folder:PATH")

    def read():
        return load(name, image_size=16, channels=None, data_root=NOWHERE, cache=cache)

    whole = read()
    (path,) = (cache / "images").glob(f"*{suffix}")
    damage(path)
    again = read()
    assert again.hash == whole.hash
    np.testing.assert_array_equal(again.samples, whole.samples)
    assert len(list((cache / "images").glob("*.npy"))) == 1


def test_large_arrays_are_mapped(cache, monkeypatch):
    small = digits(cache)
    monkeypatch.setattr(array_cache, "IN_MEMORY_BYTES", small.samples.nbytes)
    large = digits(cache)
    assert not isinstance(small.samples, np.memmap)
    assert isinstance(large.samples, np.memmap)
    assert not large.samples.flags.writeable
    assert large.hash == small.hash
    np.testing.assert_array_equal(large.samples, small.samples)
    (path,) = (cache / "images").glob("*.npy")
    cut(path)
    np.testing.assert_array_equal(digits(cache).samples, small.samples)


def start(cache, code):
    head = f"""
from pathlib import Path
from bench.datasets import decoding, load
cache = Path({str(cache)!r})
def read(notify):
    return load("mnist-5k", image_size=48, channels=None, data_root=cache, cache=cache, notify=notify)
"""
    return subprocess.Popen([sys.executable, "-c", head + code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_decode_once(cache):
    both = [start(cache, "print(read(print).hash)") for _ in range(2)]
    lines = [process.communicate(timeout=60)[0].split("\n")[:-1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(map(len, lines)) == [1, 2], "one decodes and says so, the other waits"
    assert lines[0][-1] == lines[1][-1] == digits(cache, 48).hash
    assert not list((cache / "images").glob(".bench-*.npy"))


def test_a_killed_process_leaves_no_cached_array(cache):
    code = """
import os, signal
decoding.SECONDS_BETWEEN_MESSAGES = 0
read(lambda line: os.kill(os.getpid(), signal.SIGKILL) if "of 5000" in line else None)
"""
    process = start(cache, code)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (partial,) = (cache / "images").glob("*.npy")
    assert partial.name.startswith(".bench-")
    assert digits(cache, 48).count == 5000
    assert not list((cache / "images").glob(".bench-*.npy"))


def test_a_full_disk_is_reported_before_decoding(cache, monkeypatch):
    usage = shutil.disk_usage(cache.parent)
    monkeypatch.setattr(array_cache.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(WorkError, match="GiB free"):
        digits(cache)
    assert not list((cache / "images").glob("*.npy"))


def test_an_unusable_cache_is_reported_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkError, match="cache") as caught:
        digits(tmp_path / "file")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("size", "channels"), [(0, None), (-8, 1), (28, 2), (28, 0)])
def test_sizes_out_of_range(cache, size, channels):
    with pytest.raises(RequestError, match="allowed"):
        digits(cache, size, channels)
    assert not cache.exists()
