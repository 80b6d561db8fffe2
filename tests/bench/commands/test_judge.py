"""bench judge as its users meet it: any samples, with protocol, real samples beside, and verdict."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import bench
from bench.cli import main
from bench.comparing.defaults import FORMATS
from bench.configuration import Harness
from bench.datasets import load
from bench.datasets.arrays import DataArray
from bench.datasets.samples.form import Form
from bench.datasets.samples.reading import sample_set

QUICKLY = ("--against", "mnist-5k", "--extractor", "shipped", "--threads", "1", "--device", "cpu")
Answer = Callable[..., dict[str, object]]


@pytest.fixture(scope="session")
def real(cache_folder: Path) -> DataArray:
    return load(
        "mnist-5k", image_size=28, channels=1, data_root=cache_folder / "datasets", cache=cache_folder
    )


@pytest.fixture(scope="session")
def some(real: DataArray) -> np.ndarray:
    """200 digits, in the order of their classes, as those of the data set are."""
    return real.samples[some_rows()]


def some_rows() -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(5000, 200, replace=False))


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    def ask(*words: object) -> dict[str, object]:
        capsys.readouterr()
        assert main(["judge", *map(str, words), "--json"]) == 0
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    return ask


def save_folder(images: np.ndarray, folder: Path) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image[0]).save(folder / f"{number:05}.png")
    return folder


def test_a_folder_and_arrays_of_any_layout_have_one_protocol_and_the_same_numbers(
    some: np.ndarray, tmp_path: Path, answer: Answer
) -> None:
    np.save(tmp_path / "a.npy", some.transpose(0, 2, 3, 1))
    np.savez(tmp_path / "a.npz", samples=some[:, 0])
    np.save(tmp_path / "float.npy", some.astype(np.float32) / 255)
    found = [
        answer(save_folder(some, tmp_path / "folder"), *QUICKLY),
        answer(tmp_path / "a.npy", *QUICKLY),
        answer(tmp_path / "a.npz", *QUICKLY),
        answer(tmp_path / "float.npy", *QUICKLY, "--range", "0,1"),
    ]
    for other in found[1:]:
        assert {**other, "samples": ""} == {**found[0], "samples": ""}
    digest = sample_set(some, Form(), "").hash[:8]
    protocol = found[0]["metric.protocol"]
    assert isinstance(protocol, dict)
    assert "; 200 samples; reference train 5000@" in protocol["coverage"]
    assert f"; generator file {digest}, shuffled; 200 of each side compared; k = 5" in protocol["coverage"]
    assert found[0]["held_out"] == 200
    assert found[0]["verdict"] == "memorised", "they are the images of the data set"


def test_the_first_samples_of_a_sorted_folder_do_not_stand_for_all(
    some: np.ndarray, tmp_path: Path, answer: Answer
) -> None:
    """Only in their own order, which is that of the classes, do the first samples show two digits of ten."""
    np.save(tmp_path / "a.npy", some)
    words = (tmp_path / "a.npy", *QUICKLY, "--samples", 40, "--metrics", "effective_classes")
    shuffled, in_order = answer(*words), answer(*words, "--in-order")
    assert shuffled["values"]["effective_classes"] > 6  # type: ignore[index]
    assert in_order["values"]["effective_classes"] < 3  # type: ignore[index]
    assert "shuffled" in str(shuffled["metric.protocol"])
    assert "shuffled" not in str(in_order["metric.protocol"])
    assert shuffled["verdict"] is None, "a verdict needs more metrics"


def test_one_repeated_image_has_collapsed_and_the_signs_say_by_what(
    some: np.ndarray, tmp_path: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", np.repeat(some[:1], 100, axis=0))
    found = answer(tmp_path / "a.npy", *QUICKLY)
    assert found["verdict"] == "collapsed"
    assert str(found["signs"]).startswith("effective_classes 1 (real ")
    assert main(["judge", str(tmp_path / "a.npy"), *QUICKLY]) == 0
    head, body = capsys.readouterr().out.split("\n\n")
    assert max(map(len, head.splitlines())) <= 110
    whole = re.sub(r"\n {6,}", " ", head)
    lines = {line[:9].strip(): line[9:].strip() for line in whole.splitlines()}
    assert lines["samples"] == f"{tmp_path / 'a.npy'}: 100 images 1x28x28"
    assert lines["against"] == "mnist-5k: 5,000 samples"
    assert lines["verdict"] == f"collapsed: {found['signs']}"
    assert lines["judged by"].startswith("digits-garments@")
    assert lines["note"].startswith("100 samples, 5,000 real ones: Frechet distances fall")
    header, *rows = body.splitlines()
    assert " ".join(header.split()) == "samples real, of 100 held out better"
    values, real = found["values"], found["real"]
    assert isinstance(values, dict)
    assert isinstance(real, dict)
    assert [row.split()[0] for row in rows] == list(values) == list(real)
    cells = next(row.split() for row in rows if row.startswith("vendi"))
    assert cells == ["vendi", f"{values['vendi']:.4g}", f"{real['vendi']:.4g}", "higher"]


def test_all_real_samples_are_recognised(real: DataArray, tmp_path: Path, answer: Answer) -> None:
    np.save(tmp_path / "a.npy", real.samples)
    words = (tmp_path / "a.npy", *QUICKLY, "--metrics", "fd_digits_garments")
    found = answer(*words)
    assert found["values"]["fd_digits_garments"] == pytest.approx(0, abs=1e-6)  # type: ignore[index]
    assert found["notes"] == ["the samples are those of mnist-5k themselves"]


def test_labels_are_compared_with_the_classes_that_are_found(
    real: DataArray, tmp_path: Path, answer: Answer
) -> None:
    assert real.labels is not None
    images, labels = real.samples[some_rows()], real.labels[some_rows()]
    np.savez(tmp_path / "a.npz", samples=images, labels=labels)
    np.savez(tmp_path / "b.npz", samples=images, labels=(labels + 1) % 10)
    words = (*QUICKLY, "--metrics", "class_agreement")
    assert answer(tmp_path / "a.npz", *words)["values"]["class_agreement"] > 0.95  # type: ignore[index]
    assert answer(tmp_path / "b.npz", *words)["values"]["class_agreement"] < 0.05  # type: ignore[index]
    for folder, named in (("c", True), ("d", False)):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = tmp_path / folder / (f"digit {label}" if named else f"kind {label}")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0]).save(place / f"{number}.png")
    assert answer(tmp_path / "c", *words)["values"]["class_agreement"] > 0.95  # type: ignore[index]
    notes = answer(tmp_path / "d", *QUICKLY, "--metrics", "vendi")["notes"]
    assert "the labels are not used: they name no class of mnist-5k" in str(notes)


def test_held_out_samples_add_their_distance_and_the_gap_and_change_nothing_else(
    some: np.ndarray, tmp_path: Path, answer: Answer
) -> None:
    np.save(tmp_path / "a.npy", some)
    words = (tmp_path / "a.npy", *QUICKLY, "--held-out", "0.2")
    found = answer(*words)
    plain = answer(*words, "--metrics", "fd_digits_garments")
    names = ["fd_digits_garments_held_out", "fd_digits_garments_gap"]
    values, protocols = found["values"], found["metric.protocol"]
    assert isinstance(values, dict)
    assert isinstance(protocols, dict)
    assert list(values)[:3] == ["fd_digits_garments", *names]
    assert values["fd_digits_garments"] == plain["values"]["fd_digits_garments"]  # type: ignore[index]
    assert plain["outside"] is None, "nothing is read of them if no metric needs them"
    outside = str(found["outside"])
    assert outside.startswith("held-out 1017@")
    assert all(outside in protocols[name] for name in names)
    assert outside not in protocols["coverage"]
    asked = answer(*words, "--metrics", names[1])
    assert asked["values"] == {names[1]: values[names[1]]}


@pytest.mark.parametrize("form", ["text", *FORMATS])
def test_a_table_has_the_formats_of_other_tables(
    form: str, some: np.ndarray, tmp_path: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", some)
    words = ["judge", str(tmp_path / "a.npy"), *QUICKLY, "--metrics", "vendi", "--format", form]
    out = tmp_path / "table"
    assert main([*words, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    if form == "parquet":
        assert pd.read_parquet(out)["metric"].tolist() == ["vendi"]
        return
    assert "vendi" in out.read_text()
    assert main(words) == 0
    assert capsys.readouterr().out == out.read_text()
    if form == "csv":
        row = pd.read_csv(out).iloc[0]
        expected = answer(tmp_path / "a.npy", *QUICKLY, "--metrics", "vendi")
        assert row["value"] == expected["values"]["vendi"]  # type: ignore[index]
        assert row["protocol"] == expected["metric.protocol"]["vendi"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("absent.npz", *QUICKLY), "there is no such folder or file"),
        (("a.npy", "--against", "mnist-5"), "did you mean 'mnist-5k'?"),
        (("a.npy", "--against", "folder:absent"), "is not a folder"),
        (("a.npy", "--against", "ring-8"), "are images, and 'ring-8' holds points"),
        (("points.npy", "--against", "mnist-5k"), "are points, and 'mnist-5k' holds images"),
        (("a.npy", "--against", "stacked-mnist"), "channels must be 3"),
        (("a.npy", "--against", "mnist-5k", "--extractor", "shiped"), "did you mean 'shipped'?"),
        (("a.npy", *QUICKLY, "--metrics", "vendy"), "did you mean 'vendi'?"),
        (("a.npy", *QUICKLY, "--metrics", "fd_digits_garments_gap"), "mnist-5k has none here"),
        (("a.npy", *QUICKLY, "--held-out", "0.6"), "'--held-out'"),
        (("a.npy", *QUICKLY, "--crop", "middle"), "crop"),
        (("a.npy", *QUICKLY, "--samples", "201"), "there are 200, 201 were asked for"),
        (("a.npy", *QUICKLY, "--samples", "11"), "not in the range"),
        (("few.npy", *QUICKLY), "11 are too few: at least 12"),
        (("float.npy", *QUICKLY), "state their range"),
        (("a.npy",), "'--against'"),
        (("a.npy", *QUICKLY, "--format", "parquet"), "needs --out FILE"),
        (("a.npy", *QUICKLY, "--out", "absent/table"), "there is no folder"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing_behind(
    words: tuple[str, ...],
    reason: str,
    some: np.ndarray,
    tmp_path: Path,
    bench_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", some)
    np.save("few.npy", some[:11])
    np.save("float.npy", some.astype(np.float32))
    np.save("points.npy", np.zeros((20, 2)))
    before = sorted(tmp_path.iterdir())
    assert main(["judge", *words]) == 2
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("bench: ")]
    assert reason in line
    assert captured.out == ""
    assert sorted(tmp_path.iterdir()) == before
    assert not bench_home.exists()


def test_the_default_extractor_is_that_of_runs() -> None:
    from bench.commands.judge import command

    (option,) = [each for each in command.params if each.name == "extractor"]
    assert option.default == Harness().extractor


class TestFromPython:
    KNOBS = {"against": "mnist-5k", "extractor": "shipped", "threads": 1, "device": "cpu", "quiet": True}

    def test_an_array_a_tensor_and_a_function_have_the_commands_numbers(
        self, some: np.ndarray, tmp_path: Path, answer: Answer
    ) -> None:
        import torch

        np.save(tmp_path / "a.npy", some)
        expected = answer(tmp_path / "a.npy", *QUICKLY)
        for given in (tmp_path / "a.npy", some, torch.from_numpy(np.array(some))):
            found = bench.judge(given, **self.KNOBS)
            assert (found.values, found.real) == (expected["values"], expected["real"])
            assert found.protocols == expected["metric.protocol"]
            assert (found.verdict, found.notes) == ("memorised", tuple(expected["notes"]))  # type: ignore[arg-type]

        scaled = torch.from_numpy(np.array(some)).float() / 127.5 - 1

        def from_list(count: int) -> list[torch.Tensor]:
            return list(scaled[:count].split(64))

        in_order = bench.judge(some, in_order=True, **self.KNOBS)
        drawn = bench.judge(from_list, count=200, value_range="-1,1", **self.KNOBS)
        # sums are taken in batches of another size
        assert drawn.values == pytest.approx(in_order.values, rel=1e-6)
        assert "; generator function from_list; " in drawn.protocols["vendi"]
        whole = bench.judge(lambda count: scaled[:count], count=200, value_range="-1,1", **self.KNOBS)
        assert whole.values == pytest.approx(in_order.values, rel=1e-6)

    def test_a_notebook_shows_facts_and_a_row_for_each_metric(self, some: np.ndarray) -> None:
        found = bench.judge(some, metrics=["vendi"], **self.KNOBS)
        page = found._repr_html_()
        assert page.count("<table>") == 2
        for text in ("mnist-5k: 5,000 samples", "digits-garments@", f"{found.values['vendi']:.4g}", "higher"):
            assert text in page
        assert repr(found).startswith("SampleJudgement(array of shape (200, 1, 28, 28) against mnist-5k: no")

    @pytest.mark.parametrize(
        ("given", "knobs", "reason"),
        [
            (lambda count: np.zeros((count, 1, 28, 28), np.uint8), {}, "count must be given"),
            (lambda count: [], {"count": 20}, "drew nothing"),
            ([1, 2], {}, "samples of type list"),
            (np.zeros((20, 1, 28, 28)), {"value_range": "0-1"}, "unknown value_range '0-1'"),
            (np.zeros((20, 1, 28, 28), np.uint8), {"device": "tpu"}, "device: 'tpu' is not possible"),
            (np.zeros((20, 1, 28, 28), np.uint8), {"image_size": 0}, "image_size: 0 is not possible"),
        ],
    )
    def test_a_wrong_request_is_refused_in_one_line(
        self, given: object, knobs: dict[str, object], reason: str
    ) -> None:
        with pytest.raises(bench.system.errors.RequestError, match=reason) as caught:
            bench.judge(given, **{**self.KNOBS, **knobs})
        assert "\n" not in str(caught.value)
