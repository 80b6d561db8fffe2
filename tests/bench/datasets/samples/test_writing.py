"""Samples are written batch by batch, read back as they were, and nothing half done is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.samples.class_folders import class_folders, class_numbers
from bench.datasets.samples.form import Form
from bench.datasets.samples.origin import SampleOrigin
from bench.datasets.samples.reading import read_samples
from bench.datasets.samples.writing import write_folder, write_npz
from bench.system.errors import RequestError, WorkError

DRAWS = np.random.default_rng(0)
IMAGES = {channels: DRAWS.integers(0, 256, (10, channels, 6, 6), dtype=np.uint8) for channels in (1, 3)}
POINTS = DRAWS.normal(size=(10, 2)).astype(np.float32)
CLASSES = ("T-shirt/top", "..", "bag")
LABELS = np.arange(10) % 3
Write = Callable[[Path, Iterator[np.ndarray], int, "np.ndarray | None", SampleOrigin], None]
both = pytest.mark.parametrize(("write", "name"), [(write_npz, "s.npz"), (write_folder, "s")])


def origin(classes: tuple[str, ...] = ()) -> SampleOrigin:
    return SampleOrigin(
        producer="p", run="r", run_id="i", variant="v", dataset="d", step=3, seed=0, count=10, classes=classes
    )


def batches(samples: np.ndarray, size: int = 4) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


@both
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("labelled", [False, True])
def test_images_come_back_as_they_were(
    write: Write, name: str, channels: int, labelled: bool, tmp_path: Path
) -> None:
    images, labels = IMAGES[channels], LABELS if labelled else None
    facts = origin(CLASSES if labelled else ())
    write(tmp_path / name, batches(images), 10, labels, facts)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    found = read_samples(tmp_path / name, Form())
    assert np.array_equal(found.samples, images)
    assert found.origin == facts
    if labelled:
        labels_found = found.labels_among(CLASSES)
        assert labels_found is not None
        assert labels_found.tolist() == LABELS.tolist()
    else:
        assert found.labels is None


def test_points_come_back_as_they_were_and_equal_samples_give_equal_files(tmp_path: Path) -> None:
    for name, size in (("a.npz", 4), ("b.npz", 3)):
        write_npz(tmp_path / name, batches(POINTS, size), 10, None, origin())
    assert np.array_equal(read_samples(tmp_path / "a.npz", Form()).samples, POINTS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_other_programs_find_the_images_of_an_npz_file_as_arr_0_with_channels_last(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", batches(IMAGES[3]), 10, LABELS, origin(CLASSES))
    with np.load(tmp_path / "a.npz") as file:
        assert np.array_equal(file["arr_0"], IMAGES[3].transpose(0, 2, 3, 1))
        assert file["labels"].tolist() == LABELS.tolist()


@both
def test_a_draw_that_fails_leaves_nothing(write: Write, name: str, tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield IMAGES[1][:4]
        raise WorkError("the draw failed")

    with pytest.raises(WorkError, match="the draw failed"):
        write(tmp_path / name, broken(), 10, None, origin())
    with pytest.raises(WorkError, match="8 samples were drawn, 10 were asked for"):
        write(tmp_path / name, batches(IMAGES[1][:8]), 10, None, origin())
    assert not list(tmp_path.iterdir())


def test_a_folder_is_new_or_empty(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    write_folder(folder, batches(IMAGES[1]), 10, None, origin())
    before = sorted(folder.iterdir())
    with pytest.raises(RequestError, match="is not empty: name a new one"):
        write_folder(folder, batches(IMAGES[3]), 10, None, origin())
    assert sorted(folder.iterdir()) == before
    with pytest.raises(RequestError, match="is a file, no folder"):
        write_folder(before[0], batches(IMAGES[3]), 10, None, origin())


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (("digit 0", "digit 1"), ["digit 0", "digit 1"]),
        (("T-shirt/top", ".x", "a\\b"), ["T-shirt-top", "-x", "a-b"]),
        (("a/b", "a-b"), ["0", "1"]),
        (("Cat", "cat"), ["0", "1"]),
        (("", "x"), ["0", "1"]),
        (("x" * 300, *map(str, range(10))), [f"{number:02}" for number in range(11)]),
        ((), []),
    ],
)
def test_each_class_has_a_subfolder_that_stands_for_it(names: tuple[str, ...], folders: list[str]) -> None:
    assert class_folders(names) == folders
    assert class_numbers(folders, names) == (list(range(len(names))) or None)
