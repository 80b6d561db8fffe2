import subprocess
import sys
from pathlib import Path

import pytest

from bench.datasets import catalogue, check_name, label, load, native_channels
from bench.datasets.registry import classes
from bench.errors import RequestError

NAMES = {"celeba", "cifar10", "fashion-mnist", "folder:PATH", "lsun-bedroom", "mnist", "mnist-5k"}


def test_the_promised_data_sets_are_registered():
    assert set(classes()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES - {"folder:PATH"}))
def test_known_names_pass(name):
    check_name(name)
    assert native_channels(name) == (1 if "mnist" in name else 3)


def test_unknown_name_gives_allowed_names_and_nearest():
    with pytest.raises(RequestError, match="did you mean 'mnist'") as caught:
        check_name("mnits")
    assert all(name in str(caught.value) for name in NAMES)


@pytest.mark.parametrize("name", ["folder:", "folder:/no/such/folder", f"folder:{__file__}"])
def test_folder_must_exist(name):
    with pytest.raises(RequestError, match="is not a folder"):
        check_name(name)


def test_names_need_no_heavy_package():
    code = """
import sys
from bench.datasets import check_name, native_channels
check_name("mnist-5k"), native_channels("celeba")
print([name for name in ("torch", "torchvision", "pandas", "mlxtend", "lmdb") if name in sys.modules])
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_catalogue_and_load_agree_on_every_data_set(name, make_source, tmp_path, cache):
    data_root = tmp_path / "data"
    before = {row.name: row for row in catalogue(data_root, cache)}[name]
    assert before.present == (name in ("mnist-5k", "folder:PATH"))
    assert before.present or str(data_root) in before.missing
    assert before.description
    assert before.source

    array = load(make_source(name), image_size=24, channels=None, data_root=data_root, cache=cache)
    count = 5000 if name == "mnist-5k" else 20
    assert array.samples.shape == (count, before.channels, 24, 24)
    assert array.count == count
    assert array.samples.dtype == "uint8"
    assert not array.samples.flags.writeable
    # Decoded elsewhere, the same pixels have the same hash.
    other = load(
        make_name(name, tmp_path), image_size=24, channels=None, data_root=data_root, cache=tmp_path / "2"
    )
    assert other.hash == array.hash

    after = {row.name: row for row in catalogue(data_root, cache)}[name]
    assert after.present
    assert after.missing == ""
    assert after.cached == (f"{before.channels}x24x24",)


def make_name(name: str, tmp_path: Path) -> str:
    return f"folder:{tmp_path / 'pictures'}" if name == "folder:PATH" else name


def test_catalogue_counts_what_is_there(shared_data, cache):
    rows = {row.name: row for row in catalogue(shared_data, cache)}
    assert rows["mnist"].images == 8000
    assert rows["fashion-mnist"].images == 2048
    assert rows["celeba"].images == 162_770


def test_catalogue_survives_a_damaged_source(tmp_path, cache):
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    (folder / "list_eval_partition.txt").write_text("000001.jpg\n")
    (cache / "images").mkdir(parents=True)
    (cache / "images" / "0.json").write_text("{")
    row = {row.name: row for row in catalogue(tmp_path, cache)}["celeba"]
    assert not row.present
    assert "list_eval_partition.txt" in row.missing


@pytest.mark.parametrize(
    ("name", "shown"),
    [("mnist-5k", "mnist-5k"), ("folder:/home/me/pets", "folder:pets"), ("folder:pets/", "folder:pets")],
)
def test_a_label_tells_no_path(name, shown):
    assert label(name) == shown
