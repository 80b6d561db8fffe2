"""Folders, .npz and .npy files are read as samples, or refused in one line."""

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.samples.form import Form
from bench.datasets.samples.reading import SampleSet, read_samples, sample_set
from bench.system.errors import RequestError

DRAWS = np.random.default_rng(0)
GREY = DRAWS.integers(0, 256, (7, 1, 6, 6), dtype=np.uint8)
RGB = DRAWS.integers(0, 256, (7, 3, 6, 6), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 2])


def save_png(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(path)


@pytest.mark.parametrize("images", [GREY, RGB], ids=["grey", "rgb"])
def test_the_same_samples_have_the_same_hash_in_every_form(images: np.ndarray, tmp_path: Path) -> None:
    for number, image in enumerate(images):
        save_png(image, tmp_path / "folder" / f"{number:03}.png")
    np.save(tmp_path / "a.npy", images.transpose(0, 2, 3, 1))
    np.savez_compressed(tmp_path / "a.npz", samples=images)
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "folder")
    expected = sample_set(images, Form(), "array")
    for name in ("folder", "a.npy", "a.npz", "a.zip"):
        found = read_samples(tmp_path / name, Form())
        assert np.array_equal(found.samples, images)
        assert found.hash == expected.hash
        assert found.labels is None
    assert isinstance(read_samples(tmp_path / "a.npy", Form()).samples.base, np.memmap)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("samples", "labels"), True),
        (("images", "label"), True),
        (("arr_0", "arr_1"), True),
        (("samples", "arr_1"), False),
        (("samples", "latents"), False),
        (("other",), False),
    ],
)
def test_arrays_of_an_npz_file_are_found_by_their_names(
    names: tuple[str, ...], labels: bool, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", **dict(zip(names, (RGB, LABELS), strict=False)))
    found = read_samples(tmp_path / "a.npz", Form())
    assert np.array_equal(found.samples, RGB)
    assert (found.labels is not None and found.labels.tolist() == LABELS.tolist()) == labels


def test_subfolders_are_classes_and_files_are_in_the_order_of_their_own_names(tmp_path: Path) -> None:
    for number, (image, label) in enumerate(zip(RGB, LABELS, strict=True)):
        save_png(image, tmp_path / ("cat", "dog", "2")[label] / f"{number:03}.png")
    found = read_samples(tmp_path, Form())
    assert np.array_equal(found.samples, RGB)
    for names, expected in (
        (("cat", "dog", "bird"), LABELS),
        (("2", "dog", "cat"), [2, 1, 0, 2, 1, 0, 0]),
    ):
        found_labels = found.labels_among(names)
        assert found_labels is not None
        assert found_labels.tolist() == list(expected)
    assert found.labels_among(("digit 0", "digit 1")) is None
    assert found.labels_among(()) is None
    with pytest.raises(RequestError, match="unknown class of a subfolder 'dog'.*did you mean 'dig'"):
        found.labels_among(("cat", "dig", "bird"))


def test_labels_without_names_are_the_numbers_of_the_data_sets_classes() -> None:
    found = sample_set(RGB, Form(), "x", LABELS[:, None].astype(np.uint8))
    labels = found.labels_among(("a", "b", "c"))
    assert labels is not None
    assert labels.dtype == np.int64
    assert labels.tolist() == LABELS.tolist()
    with pytest.raises(RequestError, match="label 2 is no class: allowed are 0 to 1"):
        found.labels_among(("a", "b"))


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS - 1, LABELS.astype(float), LABELS.astype(str)])
def test_labels_that_are_none_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(RequestError, match="labels"):
        sample_set(RGB, Form(), "x", labels)


def test_images_of_several_sizes_need_a_stated_one(tmp_path: Path) -> None:
    save_png(RGB[0], tmp_path / "1.png")
    save_png(RGB[1][:, :5], tmp_path / "2.png")
    with pytest.raises(RequestError, match=r"images of 2 sizes, such as 6x5 and 6x6"):
        read_samples(tmp_path, Form())
    found = read_samples(tmp_path, Form(image_size=4))
    assert found.samples.shape == (2, 3, 4, 4)
    assert found.conversion == "resized from 2 sizes"


def test_a_folder_is_grey_only_if_all_its_images_are(tmp_path: Path) -> None:
    save_png(GREY[0], tmp_path / "1.png")
    assert read_samples(tmp_path, Form()).samples.shape == (1, 1, 6, 6)
    save_png(RGB[1], tmp_path / "2.png")
    assert read_samples(tmp_path, Form()).samples.shape == (2, 3, 6, 6)
    assert read_samples(tmp_path, Form(channels=1)).conversion == "made grey"


def test_grey_of_16_bits_is_grey(tmp_path: Path) -> None:
    deep = GREY[0, 0].astype(np.uint16) * 256 + 7
    Image.fromarray(deep).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_samples(tmp_path, Form()).samples, GREY[:1])


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


HUGE = npy(np.zeros(1, np.uint8)).replace(b"(1,), }", b"(99999999999999, 3, 8, 8), }")[:300]
OBJECTS = np.array([{}, None], dtype=object)


class Explosive:
    """Unpickling it would fail the test."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return pytest.fail, ("it was unpickled",)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.npy", npy(np.array([Explosive()], dtype=object)), "Python objects, which are never loaded"),
        (
            "a.npz",
            npz(samples=np.array([Explosive()], dtype=object)),
            "Python objects, which are never loaded",
        ),
        ("a.npy", pickle.dumps(Explosive()), "cannot be read"),
        ("a.npz", pickle.dumps(Explosive()), "cannot be read"),
        ("a.npy", b"", "cannot be read"),
        ("a.npz", b"", "cannot be read"),
        ("a.npy", truncated(npy(RGB)), "cannot be read"),
        ("a.npz", truncated(npz(samples=RGB)), "cannot be read"),
        ("a.npz", npz(samples=RGB).replace(RGB.tobytes()[:64], bytes(64)), "cannot be read"),
        ("a.npy", HUGE, "cannot be read"),
        ("a.npz", npy(RGB), "no .npz file"),
        ("a.zip", b"PK", "cannot be read"),
        ("a.zip", npz(samples=RGB), "no image below it"),
        ("a.npz", npz(), "the file has no array"),
        ("a.npz", npz(x=RGB, y=RGB), "the file has the arrays x, y; the samples must be called"),
        ("a.png", b"", "a folder of images or a zip file of them, and files .npz and .npy"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_in_one_line(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=reason) as caught:
        read_samples(tmp_path / name, Form())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_folder_without_images_or_with_damaged_ones_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no such folder or file"):
        read_samples(tmp_path / "absent", Form())
    with pytest.raises(RequestError, match="no image below it"):
        read_samples(tmp_path, Form())
    save_png(RGB[0], tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"none")
    (tmp_path / "3.png").write_bytes(b"")
    with pytest.raises(RequestError, match="samples .*: 2 of 3 images cannot be used: 3.png is empty; 2.png"):
        read_samples(tmp_path, Form())
    (tmp_path / "3.png").unlink()
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "2.png").write_bytes(content[: len(content) - 60])
    with pytest.raises(RequestError, match="samples .*: 1 of 2 images cannot be used: 2.png does not decode"):
        read_samples(tmp_path, Form())


def test_a_set_of_samples_counts_them() -> None:
    assert SampleSet("x", RGB, "").count == 7
