import gzip
import hashlib
import io
import shutil
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import list_datasets, load
from bench.datasets.lsun import LsunBedroom
from bench.system.errors import RequestError, WorkError

NOWHERE_ONLINE = "http://127.0.0.1:9/"


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def read(name, data_root, cache, image_size=24, channels=None):
    return load(name, image_size=image_size, channels=channels, data_root=data_root, cache=cache)


def test_celeba_is_cropped_to_the_face(make_source, data_root, cache):
    array = read(make_source("celeba"), data_root, cache, image_size=128)
    assert array.samples.shape == (20, 3, 128, 128), "the validation and test splits are left out"
    for row in (0, 19):
        path = data_root / "celeba" / "img_align_celeba" / f"{row + 1:06}.jpg"
        whole = np.asarray(Image.open(path))
        np.testing.assert_array_equal(array.samples[row], whole[50:178, 25:153].transpose(2, 0, 1))


def test_celeba_follows_the_partition_file(make_source, data_root, cache):
    array = read(make_source("celeba"), data_root, cache)
    (data_root / "celeba" / "list_eval_partition.txt").write_text(
        "000003.jpg 0\n000002.jpg 1\n000001.jpg 0\n"
    )
    np.testing.assert_array_equal(read("celeba", data_root, cache).samples, array.samples[[2, 0]])


def test_missing_images_of_celeba_are_named(make_source, data_root, cache):
    make_source("celeba")
    (data_root / "celeba" / "img_align_celeba" / "000007.jpg").unlink()
    with pytest.raises(WorkError, match="put 1 more images, such as 000007.jpg"):
        read("celeba", data_root, cache)


def test_celeba_of_another_size_is_refused(make_source, data_root, cache):
    make_source("celeba")
    Image.new("RGB", (128, 128)).save(data_root / "celeba" / "img_align_celeba" / "000007.jpg")
    with pytest.raises(WorkError, match="000007.jpg .*128x128, aligned images are 178x218"):
        read("celeba", data_root, cache)


def test_lsun_is_read_as_torchvision_reads_it(make_source, data_root, cache, tmp_path, monkeypatch):
    from torchvision.datasets import LSUN

    array = read(make_source("lsun-bedroom"), data_root, cache, image_size=48)
    assert list(tmp_path.glob("_cache_*")) == []
    monkeypatch.chdir(tmp_path)  # torchvision leaves a file in the current folder
    reference = LSUN(str(data_root), classes=["bedroom_train"])
    assert len(reference) == array.count
    for row in range(array.count):
        middle = np.asarray(reference[row][0])[:, 8:56]
        np.testing.assert_array_equal(array.samples[row], middle.transpose(2, 0, 1))


def test_the_error_for_a_missing_reader_of_lsun_names_the_package(data_root, cache, monkeypatch):
    (data_root / "bedroom_train_lmdb").mkdir(parents=True)
    (data_root / "bedroom_train_lmdb" / "data.mdb").write_bytes(b"")
    monkeypatch.setattr("bench.datasets.lsun.find_spec", lambda _: None)
    with pytest.raises(WorkError, match="pip install lmdb"):
        read("lsun-bedroom", data_root, cache)


def test_a_damaged_lsun_database_is_reported_in_one_line(data_root, cache):
    pytest.importorskip("lmdb", reason="the optional package lmdb is not installed")
    (data_root / "bedroom_train_lmdb").mkdir(parents=True)
    (data_root / "bedroom_train_lmdb" / "data.mdb").write_bytes(b"not a database" * 1000)
    assert LsunBedroom().missing(data_root) == ""
    with pytest.raises(WorkError, match="is not a database"):
        read("lsun-bedroom", data_root, cache)


@pytest.mark.parametrize("pages", [2, 3, 10, -10, -1])
def test_an_lsun_database_that_is_cut_short_is_reported_in_one_line(pages, make_source, data_root, cache):
    make_source("lsun-bedroom")
    path = data_root / "bedroom_train_lmdb" / "data.mdb"
    # the first two pages describe the database
    path.write_bytes(path.read_bytes()[: pages * 4096])
    with pytest.raises(WorkError, match=r"data.mdb is cut short: it has [\d,]+ of [\d,]+ bytes") as caught:
        read("lsun-bedroom", data_root, cache)
    assert "\n" not in str(caught.value)
    assert not list((cache / "images").glob("*.npy"))


def test_cifar10_is_read_in_the_order_of_its_files(make_source, data_root, cache):
    import pickle

    array = read(make_source("cifar10"), data_root, cache, image_size=32)
    folder = data_root / "cifar-10-batches-py"
    parts = [pickle.loads((folder / f"data_batch_{number}").read_bytes())["data"] for number in range(1, 6)]
    np.testing.assert_array_equal(array.samples.reshape(20, -1), np.concatenate(parts))


@pytest.mark.parametrize(
    ("name", "file"),
    [("mnist", "MNIST/raw/train-images-idx3-ubyte"), ("cifar10", "cifar-10-batches-py/data_batch_3")],
)
def test_a_damaged_file_is_reported_in_one_line(name, file, make_source, data_root, cache):
    make_source(name)
    content = (data_root / file).read_bytes()
    (data_root / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(WorkError, match=f"{name} .*is damaged") as caught:
        read(name, data_root, cache)
    assert "\n" not in str(caught.value)
    assert not list((cache / "images").glob("*.npy"))


def pack(folder: Path, names: list[str]) -> None:
    for path in [folder / name for name in names]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@pytest.mark.parametrize("packed", ["all", "images", "labels"])
@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw")])
def test_packed_files_are_used_as_they_are(name, folder, packed, make_source, data_root, cache, monkeypatch):
    break_the_network(monkeypatch)
    plain = read(make_source(name), data_root, cache)
    names = [path.name for path in (data_root / folder).iterdir() if packed == "all" or packed in path.name]
    pack(data_root / folder, names)
    before = sorted(data_root.rglob("*"))
    array = read(name, data_root, cache)
    assert (array.hash, array.labels_hash, array.transform) == (
        plain.hash,
        plain.labels_hash,
        plain.transform,
    )
    assert sorted(data_root.rglob("*")) == before
    (row,) = [row for row in list_datasets(data_root, cache) if row.name == name]
    assert (row.present, row.count) == (True, array.count)


@pytest.mark.parametrize("content", [b"", b"not packed", "cut"])
def test_a_damaged_packed_file_is_reported_in_one_line(content, make_source, data_root, cache):
    make_source("mnist")
    folder = data_root / "MNIST" / "raw"
    pack(folder, ["train-images-idx3-ubyte"])
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100] if content == "cut" else content)
    with pytest.raises(WorkError, match="mnist .*is damaged") as caught:
        read("mnist", data_root, cache)
    assert "\n" not in str(caught.value)
    assert [row.count for row in list_datasets(data_root, cache) if row.name == "mnist"][0] is not None


def test_folder_takes_grey_and_colour_sorted_by_path(make_source, tmp_path, cache):
    array = read(make_source("folder:PATH"), tmp_path, cache, image_size=30)
    names = sorted(path for path in (tmp_path / "pictures").rglob("*") if path.is_file())
    assert array.samples.shape == (20, 3, 30, 30)
    for row, path in enumerate(names):
        square = np.asarray(Image.open(path).convert("RGB"))[5:35]
        np.testing.assert_array_equal(array.samples[row], square.transpose(2, 0, 1))


def test_folder_in_grey(make_source, tmp_path, cache):
    array = read(make_source("folder:PATH"), tmp_path, cache, channels=1)
    assert array.samples.shape == (20, 1, 24, 24)


def test_folder_that_changes_is_decoded_again(make_source, tmp_path, cache):
    name = make_source("folder:PATH")
    before = read(name, tmp_path, cache)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "pictures" / "00.PNG")
    after = read(name, tmp_path, cache)
    assert after.hash != before.hash
    assert len(list((cache / "images").glob("*.npy"))) == 2
    Image.new("RGB", (40, 30), "red").save(tmp_path / "pictures" / "new.png")
    assert read(name, tmp_path, cache).count == 21


def test_folder_that_moves_is_not_decoded_again(make_source, tmp_path, cache):
    before = read(make_source("folder:PATH"), tmp_path, cache)
    (tmp_path / "pictures").rename(tmp_path / "moved")
    assert read(f"folder:{tmp_path / 'moved'}", tmp_path, cache).hash == before.hash
    assert len(list((cache / "images").glob("*.npy"))) == 1


def test_folder_leaves_out_hidden_and_other_files(make_source, tmp_path, cache):
    name = make_source("folder:PATH")
    folder = tmp_path / "pictures"
    (folder / ".hidden").mkdir()
    shutil.copy(folder / "00.PNG", folder / ".hidden" / "00.png")
    (folder / "._00.png").write_bytes(b"left by a file manager")
    (folder / "notes.txt").write_text("not an image")
    assert read(name, tmp_path, cache).count == 20


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"not an image", "is no image of format"), ("cut", "does not decode: ")],
)
def test_broken_file_is_named(content, words, make_source, tmp_path, cache):
    name = make_source("folder:PATH")
    path = tmp_path / "pictures" / "06.PNG"
    path.write_bytes(path.read_bytes()[:2000] if content == "cut" else content)
    with pytest.raises(WorkError, match=f"1 of 20 images cannot be used: 06.PNG {words}") as caught:
        read(name, tmp_path, cache)
    assert "\n" not in str(caught.value)
    assert not list((cache / "images").glob("*.npy"))
    assert not list((cache / "images").glob(".bench-*.npy"))


def test_folder_without_images_is_a_wrong_request(tmp_path, cache):
    (tmp_path / "none").mkdir()
    with pytest.raises(RequestError, match="no image below"):
        read(f"folder:{tmp_path / 'none'}", tmp_path, cache)


@pytest.mark.parametrize("name", ["celeba", "lsun-bedroom", "folder:PATH"])
def test_the_transform_of_image_files_says_how_they_are_read(name, make_source, data_root, cache):
    words = read(make_source(name), data_root, cache).transform
    rules = "first frame; upright by EXIF; upper 8 of 16 bits; transparent parts on white"
    assert words.startswith(f"{rules}; RGB; ")


@pytest.mark.parametrize("name", ["celeba", "lsun-bedroom"])
def test_the_error_for_missing_data_names_the_folder_for_it(name, data_root, cache):
    with pytest.raises(WorkError, match=f"put .* into {data_root}"):
        read(name, data_root, cache)
    assert not data_root.exists()


def break_the_network(monkeypatch):
    from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(MNIST, "mirrors", [NOWHERE_ONLINE])
    monkeypatch.setattr(FashionMNIST, "mirrors", [NOWHERE_ONLINE])
    monkeypatch.setattr(CIFAR10, "url", NOWHERE_ONLINE + CIFAR10.filename)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw"), ("cifar10", "cifar-10-batches-py")],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_failed_download_leaves_nothing_and_one_line(name, folder, there, data_root, cache, monkeypatch):
    break_the_network(monkeypatch)
    if there:
        data_root.mkdir()
    with pytest.raises(WorkError, match="could not be downloaded") as caught:
        read(name, data_root, cache)
    assert f"into {data_root / folder}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert data_root.exists() == there
    assert not there or list(data_root.iterdir()) == []


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve a folder on this machine; give the folder and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_missing_mnist_is_downloaded_once(make_source, served, data_root, cache, monkeypatch):
    from torchvision.datasets import MNIST

    make_source("mnist")
    folder, address = served
    resources = []
    for path in sorted((data_root / "MNIST" / "raw").iterdir()):
        packed = gzip.compress(path.read_bytes())
        (folder / f"{path.name}.gz").write_bytes(packed)
        resources.append((f"{path.name}.gz", md5(packed)))
    shutil.rmtree(data_root)
    monkeypatch.setattr(MNIST, "mirrors", [address])
    monkeypatch.setattr(MNIST, "resources", resources)
    assert read("mnist", data_root, cache).count == 20
    assert len(list((data_root / "MNIST" / "raw").iterdir())) == 4
    assert [path.name for path in data_root.iterdir()] == ["MNIST"]
    break_the_network(monkeypatch)
    assert read("mnist", data_root, cache, image_size=20).count == 20


def test_missing_cifar10_is_downloaded(make_source, served, data_root, cache, monkeypatch):
    from torchvision.datasets import CIFAR10

    make_source("cifar10")
    folder, address = served
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(data_root / "cifar-10-batches-py", "cifar-10-batches-py")
    (folder / CIFAR10.filename).write_bytes(packed.getvalue())
    shutil.rmtree(data_root)
    monkeypatch.setattr(CIFAR10, "url", address + CIFAR10.filename)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(packed.getvalue()))
    assert read("cifar10", data_root, cache).count == 20
    assert [path.name for path in data_root.iterdir()] == ["cifar-10-batches-py"]
