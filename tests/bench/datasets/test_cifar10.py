"""CIFAR-10 in three layouts: the same images are the same data, and no pickle runs code."""

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import list_datasets, load, load_held_out
from bench.datasets.cifar10 import CLASSES
from bench.system.errors import WorkError

TRAIN = [f"data_batch_{number}" for number in range(1, 6)]
EACH = 4  # images in a file


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def files() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Labels and pixels of every file."""
    rng = np.random.default_rng(10)
    return {
        name: (rng.integers(0, 10, EACH), rng.integers(0, 256, (EACH, 3072), dtype=np.uint8))
        for name in [*TRAIN, "test_batch"]
    }


def write_binary(root: Path, files) -> None:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for name, (labels, pixels) in files.items():
        rows = b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True))
        (folder / f"{name}.bin").write_bytes(rows)


def write_python(root: Path, files, dump: Callable[[dict], bytes] = pickle.dumps) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for name, (labels, pixels) in files.items():
        (folder / name).write_bytes(dump({"data": pixels, "labels": labels.tolist(), "batch_label": name}))


def write_folders(root: Path, files) -> None:
    """Numbered through within a split, as tools write them."""
    for split in ("train", "test"):
        names = TRAIN if split == "train" else ["test_batch"]
        labels, pixels = (np.concatenate([files[name][part] for name in names]) for part in (0, 1))
        for each in CLASSES:
            (root / "cifar10" / split / each).mkdir(parents=True)
        for number, (label, row) in enumerate(zip(labels, pixels, strict=True)):
            picture = Image.fromarray(row.reshape(3, 32, 32).transpose(1, 2, 0))
            picture.save(root / "cifar10" / split / CLASSES[label] / f"{number:05}.png")


def as_python_2(content: dict) -> bytes:
    """The bytes of a pickle as the published files are: of Python 2, whose texts are bytes."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    count = len(content["labels"])
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|")
    kind += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = (
        b"(K\x01(K"
        + bytes([count])
        + b"M\x00\x0ct"
        + kind
        + b"\x89"
        + text(content["data"].tobytes())
        + b"tb"
    )
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in content["labels"]) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + state + text(b"labels") + labels + b"u."


LAYOUTS = {
    "binary": write_binary,
    "folders": write_folders,
    "python": write_python,
    **{
        f"python, protocol {number}": lambda root, files, number=number: write_python(
            root, files, lambda content: pickle.dumps(content, protocol=number)
        )
        for number in range(6)
    },
    "python 2": lambda root, files: write_python(root, files, as_python_2),
}


def read(data_root: Path, cache: Path, loader=load):
    return loader("cifar10", image_size=32, channels=None, data_root=data_root, cache=cache)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_images_are_the_same_data_in_any_layout(layout, files, data_root, cache, tmp_path):
    LAYOUTS[layout](data_root, files)
    (tmp_path / "other").mkdir()
    write_binary(tmp_path / "other", files)
    for loader, names in ((load, TRAIN), (load_held_out, ["test_batch"])):
        array = read(data_root, cache, loader)
        pixels = np.concatenate([files[name][1] for name in names])
        np.testing.assert_array_equal(array.samples.reshape(-1, 3072), pixels)
        assert array.labels.tolist() == [label for name in names for label in files[name][0]]
        assert array.class_names == CLASSES
        other = read(tmp_path / "other", tmp_path / "2", loader)
        assert (array.hash, array.labels_hash, array.transform) == (
            other.hash,
            other.labels_hash,
            other.transform,
        )
    row = {row.name: row for row in list_datasets(data_root, cache)}["cifar10"]
    assert (row.present, row.missing, row.cached) == (True, "", ("3x32x32",))


@pytest.mark.parametrize("layout", ["binary", "folders"])
def test_no_pickle_is_read_where_the_images_are_there_in_another_layout(layout, files, data_root, cache):
    LAYOUTS[layout](data_root, files)
    write_python(data_root, files, lambda _: b"no pickle")
    pixels = np.concatenate([files[name][1] for name in TRAIN])
    np.testing.assert_array_equal(read(data_root, cache).samples.reshape(-1, 3072), pixels)
    assert read(data_root, cache, load_held_out).count == EACH


class Makes:
    """A pickle that makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content, _: content | {"more": Path("x")}, "asks for pathlib"),
        (lambda content, mark: content | {"labels": Makes(mark)}, "asks for posix.mkdir"),
        (lambda content, _: content | {"data": content["data"].astype(np.float32)}, "array of type 'f4'"),
        (lambda content, _: content | {"data": np.array([None] * 4)}, "array of type 'O8'"),
        (lambda content, _: content | {"data": content["data"][:3]}, "4 labels of 3 images"),
        (lambda content, _: content | {"data": content["data"][:, :99]}, r"not uint8 \(any, 3072\)"),
        (lambda content, _: content | {"data": content["data"].T}, "none of bytes in rows"),
        (lambda content, _: {"data": content["data"]}, "has no data and labels"),
        (lambda content, _: [content], "has no data and labels"),
    ],
)
def test_a_pickle_of_anything_but_the_images_is_damaged(change, words, files, data_root, cache, tmp_path):
    write_python(data_root, files, lambda content: pickle.dumps(change(content, tmp_path / "made"), 4))
    with pytest.raises(
        WorkError, match=f"cifar10 in {data_root}/cifar-10-batches-py is damaged: .*{words}"
    ) as caught:
        read(data_root, cache)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"x" * 3072, b"x" * 3074])
def test_a_binary_file_of_another_length_is_damaged(content, files, data_root, cache):
    write_binary(data_root, files)
    (data_root / "cifar-10-batches-bin" / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(WorkError, match="cifar10 .* is damaged: data_batch_3.bin has .* bytes"):
        read(data_root, cache)


def test_a_label_that_is_no_class_is_damaged(files, data_root, cache):
    files["data_batch_2"][0][1] = 10
    write_binary(data_root, files)
    with pytest.raises(WorkError, match="1 are no classes, such as 10; allowed is 0 to 9"):
        read(data_root, cache)


def test_class_folders_with_other_images_are_refused_by_name(files, data_root, cache):
    write_folders(data_root, files)
    folder = data_root / "cifar10" / "train"
    Image.new("RGB", (64, 64)).save(folder / "cat" / "large.png")
    with pytest.raises(WorkError, match="cat/large.png is 64x64, images of CIFAR-10 are 32x32"):
        read(data_root, cache)
    (folder / "cat" / "large.png").write_bytes(b"")
    with pytest.raises(WorkError, match="cat/large.png is empty"):
        read(data_root, cache)
    (folder / "cat" / "large.png").unlink()
    (folder / "kitten").mkdir()
    Image.new("RGB", (32, 32)).save(folder / "kitten" / "one.png")
    with pytest.raises(WorkError, match="damaged: kitten is none of its classes"):
        read(data_root, cache)


def test_an_incomplete_layout_is_passed_over_and_all_are_named_if_none_is_complete(files, data_root, cache):
    write_binary(data_root, files)
    write_python(data_root, files)
    (data_root / "cifar-10-batches-bin" / "data_batch_5.bin").unlink()
    assert read(data_root, cache).count == 5 * EACH
    (data_root / "cifar-10-batches-py" / "data_batch_5").unlink()
    row = {row.name: row for row in list_datasets(data_root, cache)}["cifar10"]
    for part in ("data_batch_5, ", "cifar-10-batches-bin", "cifar10/train/CLASS"):
        assert part in row.missing
