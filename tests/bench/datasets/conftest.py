"""Small sources of images in the layouts of the real ones, made of real files."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
COUNT = 20


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def shared_data() -> Path:
    if not (SHARED / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip("the shared folder with MNIST's and Fashion-MNIST's files is not on this machine")
    return SHARED


def pixels(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_idx(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        images = pixels(COUNT, 28, 28)
        head = b"".join(number.to_bytes(4, "big") for number in (0x803, COUNT, 28, 28))
        (folder / f"{split}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = b"".join(number.to_bytes(4, "big") for number in (0x801, COUNT))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(head + bytes(COUNT))


def write_cifar10(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the pickled layout; torchvision checks each file's MD5, so tell it those of these files."""
    from torchvision.datasets import CIFAR10

    folder = data_root / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def write(name: str, content: object) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()

    def batch(name: str) -> list[str]:
        return [name, write(name, {"data": pixels(COUNT // 5, 3072), "labels": [0] * (COUNT // 5)})]

    monkeypatch.setattr(CIFAR10, "train_list", [batch(f"data_batch_{number}") for number in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch")])
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": write("batches.meta", {"label_names": ["a"]}),
    }
    monkeypatch.setattr(CIFAR10, "meta", meta)


def write_celeba(data_root: Path) -> None:
    folder = data_root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    lines = []
    for number, image in enumerate(pixels(COUNT + 2, 218, 178, 3), start=1):
        Image.fromarray(image).save(folder / f"{number:06}.jpg", quality=95)
        lines.append(f"{number:06}.jpg {0 if number <= COUNT else number - COUNT}")
    (folder.parent / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")


def write_lsun(data_root: Path) -> None:
    lmdb = pytest.importorskip("lmdb", reason="the optional package lmdb is not installed")
    import io

    folder = data_root / "bedroom_train_lmdb"
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=2**26) as base, base.begin(write=True) as change:
        for image in pixels(COUNT, 48, 64, 3):
            encoded = io.BytesIO()
            Image.fromarray(image).save(encoded, "WEBP")
            change.put(hashlib.sha1(image.tobytes()).hexdigest().encode(), encoded.getvalue())


def write_folder(folder: Path) -> None:
    (folder / "below").mkdir(parents=True)
    for number, image in enumerate(pixels(COUNT, 40, 30, 3)):
        grey = number % 2 == 1
        name = f"below/{number:02}.png" if grey else f"{number:02}.PNG"
        picture = Image.fromarray(image)
        (picture.convert("L") if grey else picture).save(folder / name)


@pytest.fixture
def make_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Give a function that makes a source below ``tmp_path / "data"`` and returns the name to load it by."""
    data_root = tmp_path / "data"
    makers: dict[str, Callable[[], None]] = {
        "mnist-5k": lambda: None,
        "stacked-mnist": lambda: None,
        "mnist": lambda: write_idx(data_root / "MNIST" / "raw"),
        "fashion-mnist": lambda: write_idx(data_root / "FashionMNIST" / "raw"),
        "cifar10": lambda: write_cifar10(data_root, monkeypatch),
        "celeba": lambda: write_celeba(data_root),
        "lsun-bedroom": lambda: write_lsun(data_root),
        "folder:PATH": lambda: write_folder(tmp_path / "pictures"),
    }

    def make(name: str) -> str:
        makers[name]()
        return f"folder:{tmp_path / 'pictures'}" if name == "folder:PATH" else name

    return make
