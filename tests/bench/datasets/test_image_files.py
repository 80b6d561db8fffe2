"""Files of others are decoded by what the docs promise, and never run."""

import ast
import os
import pickle
from pathlib import Path

import pytest
from PIL import Image

import bench
from bench.datasets import load
from bench.datasets.image_files import FORMATS, PNG, ImageError, open_image
from bench.figures.grid import read_png
from bench.system.errors import WorkError

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
PACKAGE = Path(bench.__file__).parent


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of Ghostscript's name that leaves a file where it is started."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "started"


def test_no_program_is_started_for_a_postscript_file_named_as_an_image(
    ghostscript: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "x.png").write_bytes(EPS)
    with pytest.raises(WorkError, match="x.png is no image of format BMP, GIF, JPEG"):
        load(f"folder:{folder}", image_size=8, channels=3, data_root=tmp_path, cache=tmp_path / "cache")
    assert not ghostscript.exists()


def test_only_png_is_read_where_png_was_written(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "grid.png", format="TIFF")
    with pytest.raises(WorkError, match="grid.png cannot be read: it is no image of format PNG"):
        read_png(tmp_path / "grid.png")
    with pytest.raises(ImageError):
        open_image(tmp_path / "grid.png", PNG)
    assert open_image(tmp_path / "grid.png", FORMATS).format == "TIFF"


class Evil:
    """A pickle that makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta"])
def test_a_changed_file_of_cifar10_is_not_unpickled(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for each in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch", "batches.meta"]:
        (folder / each).write_bytes(pickle.dumps(Evil(tmp_path / "unpickled")))
    with pytest.raises(WorkError, match="damaged"):
        load("cifar10", image_size=32, channels=3, data_root=tmp_path, cache=tmp_path / "cache")
    assert not (tmp_path / "unpickled").exists()


def test_a_pickle_in_the_cache_of_decoded_images_is_not_unpickled(tmp_path: Path) -> None:
    import numpy as np

    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "one.png")

    def read() -> str:
        return load(
            f"folder:{folder}", image_size=8, channels=3, data_root=tmp_path, cache=tmp_path / "cache"
        ).hash

    before = read()
    (cached,) = (tmp_path / "cache" / "images").glob("*.npy")
    np.save(cached, np.array([Evil(tmp_path / "unpickled")], dtype=object), allow_pickle=True)
    assert read() == before
    assert not (tmp_path / "unpickled").exists()


def calls(path: Path) -> list[tuple[str, set[str]]]:
    """Every call in a file: the function as it is written, and the names of its keyword arguments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (ast.unparse(node.func), {f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords})
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_package_opens_images_in_one_place_and_unpickles_nothing(path: Path) -> None:
    for function, words in calls(path):
        if function in ("Image.open", "PIL.Image.open"):
            assert path.name == "image_files.py"
            assert "formats=formats" in words
        assert not function.startswith(("pickle.", "joblib.", "pandas.read_pickle", "pd.read_pickle"))
        assert "allow_pickle=True" not in words
        if function == "torch.load":
            assert "weights_only=True" in words


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_reader_of_pickles_is_used_in_one_place_which_names_no_function(path: Path) -> None:
    imported = {
        (getattr(node, "module", None), name.name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    found = {each for each in imported if "pickle" in f"{each[0]} {each[1]}".split()}
    # the error reads nothing
    found -= {("pickle", "UnpicklingError")}
    assert found == ({("pickle", "Unpickler")} if path.stem == "pickled_arrays" else set())
