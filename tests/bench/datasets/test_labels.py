import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import Batches, class_names, list_datasets, load
from bench.datasets.labels import Labels
from bench.datasets.mnist5k import Mnist5k
from bench.datasets.registry import classes
from bench.datasets.stacked import StackedMnist
from bench.system.errors import RequestError, WorkError

LABELLED = {
    "cifar10": 10,
    "fashion-mnist": 10,
    "grid-25": 25,
    "mnist": 10,
    "mnist-5k": 10,
    "ring-8": 8,
    "stacked-mnist": 1000,
}


def read(name, cache, data_root, image_size=28):
    size = None if name in ("ring-8", "grid-25") else image_size
    return load(name, image_size=size, channels=None, data_root=data_root, cache=cache)


def fill(folder, *names):
    """Write one small image under each name; the level of grey is its place among the names."""
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), place).save(folder / name)
    return f"folder:{folder}"


def test_the_promised_data_sets_have_classes():
    own = {name for name, kind in classes().items() if kind.__module__.startswith("bench.")}
    found = {name: len(class_names(name)) for name in own - {"folder:PATH"}}
    assert {name: count for name, count in found.items() if count} == LABELLED


def test_the_list_of_data_sets_has_the_number_of_classes(tmp_path):
    rows = {row.name: row.classes for row in list_datasets(tmp_path, tmp_path)}
    assert {name: rows[name] for name in LABELLED} == LABELLED
    assert rows["celeba"] == rows["folder:PATH"] == 0


@pytest.mark.parametrize("name", ["mnist-5k", "stacked-mnist", "ring-8", "grid-25"])
def test_labels_are_those_of_the_source(name, cache):
    array = read(name, cache, cache)
    assert array.labels.dtype == np.int64
    assert array.class_names == class_names(name)
    wanted = {"mnist-5k": lambda: Mnist5k().digits()[1], "stacked-mnist": StackedMnist.modes}
    if array.modes is None:
        np.testing.assert_array_equal(array.labels, wanted[name]())
    else:
        distances = np.linalg.norm(array.samples[:, None] - array.modes.centres, axis=-1)
        np.testing.assert_array_equal(array.labels, distances.argmin(axis=1))


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_labels_of_real_files(name, folder, cache, shared_data):
    content = (shared_data / folder / "raw" / "train-labels-idx1-ubyte").read_bytes()
    assert read(name, cache, shared_data).labels.tolist() == list(content[8:])


def test_labels_of_cifar10(cache, make_source, tmp_path):
    array = read(make_source("cifar10"), cache, tmp_path / "data", 32)
    assert array.labels.tolist() == [0] * array.count
    assert array.class_names[:2] == ("airplane", "automobile")


def test_subfolders_are_classes_by_their_sorted_names(cache, tmp_path):
    name = fill(tmp_path / "f", "dog/1.png", "cat/2.png", "cat/below/1.png", "ant/9.png", "dog/0.png")
    array = read(name, cache, tmp_path, 8)
    assert array.class_names == class_names(name) == ("ant", "cat", "dog")
    assert array.labels.tolist() == [0, 1, 1, 2, 2]
    assert array.samples[:, 0, 0, 0].tolist() == [3, 1, 2, 4, 0]


@pytest.mark.parametrize(
    "names", [("1.png", "cat/2.png", "dog/3.png"), ("1.png", "2.png"), ("cat/1.png", "cat/2.png")]
)
def test_loose_images_or_a_single_subfolder_have_no_labels(cache, tmp_path, names):
    name = fill(tmp_path / "f", *names)
    array = read(name, cache, tmp_path, 8)
    assert (array.labels, array.class_names, array.labels_hash) == (None, (), "")
    assert class_names(name) == ()


def test_an_absent_folder_has_no_classes_and_an_unknown_name_is_refused():
    assert class_names("folder:/no/such/folder") == ()
    with pytest.raises(RequestError, match="did you mean 'ring-8'"):
        class_names("ring-9")


def test_the_hash_of_labels_depends_on_names_and_values_and_that_of_images_does_not(cache, tmp_path):
    before = read(fill(tmp_path / "f", "a/1.png", "b/2.png", "b/3.png"), cache, tmp_path, 8)
    os.rename(tmp_path / "f" / "b", tmp_path / "f" / "c")
    after = read(f"folder:{tmp_path / 'f'}", cache, tmp_path, 8)
    assert before.hash == after.hash
    assert before.labels.tolist() == after.labels.tolist()
    assert before.labels_hash != after.labels_hash
    assert Labels.of(np.array([0, 1]), "ab").hash != Labels.of(np.array([1, 0]), "ab").hash


def test_labels_are_read_once(cache, monkeypatch):
    first = read("mnist-5k", cache, cache)
    monkeypatch.setattr(Mnist5k, "digits", lambda self: pytest.fail("the source was read again"))
    again = read("mnist-5k", cache, cache, 28)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.labels_hash == again.labels_hash
    assert not again.labels.flags.writeable
    assert read("mnist-5k", cache, cache, 28).class_names == first.class_names


def cut(path):
    os.truncate(path, path.stat().st_size - 3)


def change(path):
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, change, os.unlink, lambda path: path.write_bytes(b"")])
def test_damaged_cached_labels_are_read_again(cache, tmp_path, damage):
    name = fill(tmp_path / "f", "a/1.png", "b/2.png")
    whole = read(name, cache, tmp_path, 8)
    (path,) = (cache / "images").glob("*.labels")
    stored = path.read_bytes()
    damage(path)
    again = read(name, cache, tmp_path, 8)
    assert (again.labels.tolist(), again.labels_hash) == (whole.labels.tolist(), whole.labels_hash)
    assert path.read_bytes() == stored


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (bytes(19), "is damaged: there are 19 labels of 20 images"),
        (bytes(19) + b"\x0b", "1 are no classes, such as 11; allowed is 0 to 9"),
        (None, "dataset mnist in"),
    ],
)
def test_damaged_labels_are_reported_in_one_line(cache, make_source, tmp_path, labels, words):
    name = make_source("mnist")
    path = tmp_path / "data" / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    count = 20 if labels is None else len(labels)
    head = b"".join(number.to_bytes(4, "big") for number in (0x801, count))
    path.write_bytes(head + (bytes(7) if labels is None else labels))
    with pytest.raises(WorkError) as caught:
        read(name, cache, tmp_path / "data")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((cache / "images").glob("*.labels"))


def test_other_labels_of_the_same_images_are_noticed(cache, make_source, tmp_path):
    name = make_source("mnist")
    before = read(name, cache, tmp_path / "data")
    path = tmp_path / "data" / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    after = read(name, cache, tmp_path / "data")
    assert (before.hash, before.labels[-1], after.labels[-1]) == (after.hash, 0, 7)
    assert before.labels_hash != after.labels_hash


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(4, int), "there are 4 of 5,000 images"),
        (np.zeros(5000), "they are float64, no whole numbers"),
        (np.full(5000, -1), "5,000 are no classes, such as -1; allowed is 0 to 9"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(cache, monkeypatch, values, words):
    monkeypatch.setattr(Mnist5k, "labels", lambda self, data_root: values)
    with pytest.raises(WorkError, match=words):
        read("mnist-5k", cache, cache)


@pytest.mark.parametrize("name", ["mnist-5k", "ring-8"])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_batches_hand_over_the_labels_of_their_samples(name, parts, cache):
    import torch

    array = read(name, cache, cache)
    batches = Batches(array, batch_size=8, seed=1, device=torch.device("cpu"))
    for index in (0, 5, batches.batches_per_epoch + 1):
        found = [batches.labels(index, part, parts) for part in range(parts)]
        assert torch.cat(found).tolist() == array.labels[batches.indices(index).numpy()].tolist()
        assert {(each.dtype, len(each)) for each in found} == {(torch.int64, 8 // parts)}


def test_images_of_a_cache_without_labels_get_them(cache):
    read("mnist-5k", cache, cache)
    (path,) = (cache / "images").glob("*.labels")
    kept = path.with_suffix(".kept")
    shutil.move(path, kept)
    images = sorted((each.name, each.stat().st_mtime_ns) for each in Path(cache / "images").glob("*.npy"))
    read("mnist-5k", cache, cache)
    assert path.read_bytes() == kept.read_bytes()
    assert images == sorted((e.name, e.stat().st_mtime_ns) for e in Path(cache / "images").glob("*.npy"))
