"""Held-out samples: a share by content, and published test splits."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.configuration import resolve
from bench.datasets import array_cache, load, load_held_out
from bench.runs.data_location import load_configured, load_configured_held_out
from bench.system.errors import RequestError, WorkError


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def both(cache: Path, data_root: Path):
    """Give a function that loads training samples and held-out samples of a data set."""

    def read(name: str, share: float, image_size: int | None = 24):
        options = {"image_size": image_size, "channels": None, "data_root": data_root, "cache": cache}
        options["held_out"] = share
        return load(name, **options), load_held_out(name, **options)

    return read


def below(sample: np.ndarray, share: float) -> bool:
    """The rule by fractions: the first 64 bits of the SHA-256 as a number in [0, 1)."""
    return int(hashlib.sha256(sample.tobytes()).hexdigest()[:16], 16) / 16**16 < share


def hash_of(samples: np.ndarray) -> str:
    return hashlib.sha256(json.dumps(list(samples.shape)).encode() + samples.tobytes()).hexdigest()


@pytest.mark.parametrize(("name", "size"), [("mnist-5k", 28), ("ring-8", None), ("folder:PATH", 24)])
def test_the_share_is_chosen_by_the_content_of_each_sample(name, size, both, make_source, cache):
    if name == "folder:PATH":
        name = make_source(name)
    whole, none = both(name, 0.0, size)
    train, held_out = both(name, 0.3, size)
    chosen = np.array([below(sample, 0.3) for sample in whole.samples])
    assert none is None
    np.testing.assert_array_equal(train.samples, whole.samples[~chosen])
    np.testing.assert_array_equal(held_out.samples, whole.samples[chosen])
    for array, rows in ((train, ~chosen), (held_out, chosen)):
        assert array.hash == hash_of(whole.samples[rows])
        assert array.name == name
        assert not array.samples.flags.writeable
        if whole.labels is not None:
            np.testing.assert_array_equal(array.labels, whole.labels[rows])
            assert array.class_names == whole.class_names
            assert array.labels_hash != whole.labels_hash
    assert (whole.split, train.split, held_out.split) == ("train", "train", "held-out")


def test_the_transform_says_what_is_held_out(both):
    whole, _ = both("mnist-5k", 0.0, 28)
    train, held_out = both("mnist-5k", 0.25, 28)
    words = "the share 0.25 held out, by the SHA-256 of each sample"
    assert train.transform == f"{whole.transform}; without {words}"
    assert held_out.transform == f"{whole.transform}; only {words}"


def test_about_the_share_is_held_out_and_a_larger_share_has_those_of_a_smaller(both):
    seen: set[bytes] = set()
    for share in (0.05, 0.2, 0.5):
        train, held_out = both("mnist-5k", share, 28)
        assert train.count + held_out.count == 5000
        assert abs(held_out.count - 5000 * share) < 4 * np.sqrt(5000 * share * (1 - share))
        now = {sample.tobytes() for sample in held_out.samples}
        assert seen < now
        assert not now & {sample.tobytes() for sample in train.samples}
        seen = now


def test_names_and_further_images_move_none(tmp_path, both):
    """The same images under names in another order, with a copy, and with images beside them."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    for number, image in enumerate(pixels):
        if number < 30:
            Image.fromarray(image).save(first / f"{number:02}.png")
        Image.fromarray(image).save(second / f"{100 - number:03}.png")
    Image.fromarray(pixels[3]).save(second / "copy.png")
    before, after = both(f"folder:{first}", 0.4), both(f"folder:{second}", 0.4)
    for ours, theirs in zip(before, after, strict=True):
        assert {each.tobytes() for each in ours.samples} <= {each.tobytes() for each in theirs.samples}


@pytest.mark.parametrize("in_memory", [True, False])
def test_parts_are_cached_and_a_damaged_file_is_replaced(in_memory, both, make_source, cache, monkeypatch):
    if not in_memory:
        monkeypatch.setattr(array_cache, "IN_MEMORY_BYTES", 0)
    name = make_source("folder:PATH")
    before = [np.array(array.samples) for array in both(name, 0.4)]
    files = sorted(path for path in (cache / "images").iterdir() if path.suffix == ".npy")
    changed = {path: path.stat().st_mtime_ns for path in files}
    assert len(files) == 5, "all images, and two parts with their rows"
    both(name, 0.4)
    assert {path: path.stat().st_mtime_ns for path in files} == changed
    for path in files:
        path.write_bytes(path.read_bytes()[:100])
    again = both(name, 0.4)
    for ours, theirs in zip(before, again, strict=True):
        assert theirs.hash == hash_of(ours)
        np.testing.assert_array_equal(ours, theirs.samples)


@pytest.mark.parametrize("share", [-0.1, 0.51, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share, both):
    with pytest.raises(RequestError, match="allowed is 0 to 0.5"):
        both("mnist-5k", share, 28)


def test_a_share_that_holds_out_nothing_is_refused(both, make_source):
    with pytest.raises(RequestError, match="of the 20 samples of folder:.* no sample is held out"):
        both(make_source("folder:PATH"), 1e-9)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_published_test_splits_are_held_out(name, cache, shared_data):
    array = load_held_out(name, image_size=28, channels=None, data_root=shared_data, cache=cache)
    folder = shared_data / {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name] / "raw"
    assert array.samples.tobytes() == (folder / "t10k-images-idx3-ubyte").read_bytes()[16:]
    assert array.labels.tolist() == list((folder / "t10k-labels-idx1-ubyte").read_bytes()[8:])
    assert array.hash == hash_of(array.samples)
    assert (array.split, array.name) == ("test", name)
    train = load(name, image_size=28, channels=None, data_root=shared_data, cache=cache)
    assert (array.class_names, array.transform) == (train.class_names, train.transform)


@pytest.mark.parametrize(("name", "count"), [("mnist", 20), ("cifar10", 4), ("celeba", 1)])
def test_a_published_test_split_is_read_only_when_asked_for(name, count, both, make_source, cache, data_root):
    make_source(name)
    load(name, image_size=24, channels=None, data_root=data_root, cache=cache)
    assert len(list((cache / "images").glob("*.npy"))) == 1
    train, test = both(name, 0.0)
    assert (train.count, test.count) == (20, count)
    assert test.samples.shape[1:] == train.samples.shape[1:]
    # a share is of the training samples, and replaces the published split
    train, share = both(name, 0.4)
    assert share.split == "held-out"
    assert train.count + share.count == 20


def test_celebas_test_images_are_those_of_the_partition_file(both, make_source, data_root):
    make_source("celeba")
    _, test = both("celeba", 0.0, 128)
    whole = np.asarray(Image.open(data_root / "celeba" / "img_align_celeba" / "000022.jpg"))
    np.testing.assert_array_equal(test.samples[0], whole[50:178, 25:153].transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["mnist-5k", "stacked-mnist", "mnist", "cifar10", "celeba"])
def test_there_are_no_held_out_samples_without_a_share_or_the_files_of_a_test_split(name, data_root, cache):
    found = load_held_out(name, image_size=28, channels=None, data_root=data_root, cache=cache)
    assert found is None
    assert not data_root.exists(), "nothing is downloaded"


def test_a_damaged_test_split_is_reported_in_one_line_when_asked_for(make_source, both, data_root, cache):
    make_source("mnist")
    path = data_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:999])
    assert load("mnist", image_size=24, channels=None, data_root=data_root, cache=cache).count == 20
    with pytest.raises(WorkError, match=r"dataset mnist \(test\) .* is damaged") as caught:
        both("mnist", 0.0)
    assert "\n" not in str(caught.value)


def test_the_knob_decides_what_a_run_trains_on_and_is_part_of_its_identity(bench_home):
    base = resolve({"variant": "began", "dataset": "mnist-5k"})
    asked = resolve({"variant": "began", "dataset": "mnist-5k", "held_out": "0.2"})
    assert base.hash() == resolve({"variant": "began", "dataset": "mnist-5k", "held_out": 0}).hash()
    assert asked.hash() != base.hash()
    train = load_configured(asked.harness, print)
    held_out = load_configured_held_out(asked.harness, print)
    assert 3800 < train.count < 4200
    assert train.count + held_out.count == load_configured(base.harness, print).count == 5000
    assert load_configured_held_out(base.harness, print) is None
    with pytest.raises(
        RequestError, match="held_out: 0.6 is not possible: allowed is a number from 0 to 0.5"
    ):
        resolve({"variant": "began", "held_out": 0.6})
