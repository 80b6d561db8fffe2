"""Extractors of other packages: what a class must state, and how the knob `extractor` finds it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from bench.datasets import content
from bench.datasets.registry import classes
from bench.judging import extractors
from bench.judging.extractors.registry import EXTRACTORS, ImageExtractor, register
from bench.judging.judge import Judge
from bench.judging.reference import reference_statistics
from bench.system.errors import RequestError
from variants.plugins import RegistrationError


class Rows(ImageExtractor):
    """Mean of each of the 28 rows of grey images."""

    name = "mean-rows"
    width = 28
    preprocessing = "none"
    trained_on: tuple[str, ...] = ()
    channels: tuple[int, ...] = (1,)

    def extract(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        return images.float().mean(dim=(1, 3)), None


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    with EXTRACTORS.restored():
        yield


@pytest.fixture
def rows() -> ImageExtractor:
    register(Rows)
    found = extractors.extractor_for("images", Path("none"), channels=1, preferred="mean-rows")
    assert isinstance(found, Rows)
    return found


def test_the_extractors_of_the_harness_for_images() -> None:
    assert set(EXTRACTORS.entries()) == {
        "inception", "shipped", "efficientnet-lite0", "dinov2", "dinov2-small", "clip",
    }  # fmt: skip


def test_every_extractor_says_what_it_was_trained_on_and_knows_only_that(tmp_path: Path) -> None:
    objects = "photographs of objects and animals"
    trained = {name: kind.trained_on for name, kind in EXTRACTORS.entries().items()}
    assert trained == {
        "shipped": ("digits", "garments"),
        "inception": (objects,),
        "efficientnet-lite0": (objects,),
        "dinov2": (objects, "photographs of bedrooms"),
        "dinov2-small": (objects, "photographs of bedrooms"),
        "clip": (objects, "photographs of faces", "photographs of bedrooms"),
    }
    known = {
        name: {dataset for dataset in classes() if content(dataset) in words}
        for name, words in trained.items()
    }
    assert known["shipped"] == {"mnist", "mnist-5k", "stacked-mnist", "fashion-mnist"}
    assert known["inception"] == known["efficientnet-lite0"] == {"cifar10"}
    assert known["clip"] == {"cifar10", "celeba", "lsun-bedroom"}
    assert content("folder:anything") == ""
    found = {row.name: row.trained_on for row in extractors.availability(tmp_path)}
    assert found["digits-garments"] == "digits, garments"
    assert found["stacked-digits"] == "digits"
    assert found["points"] == ""


@pytest.mark.parametrize(
    ("trained_on", "content", "words"),
    [
        ((), "", ""),
        (("digits",), "digits", ""),
        (("digits",), "", "mean-rows was trained on digits, and what faces shows is not known: distances"),
        (("digits", "shoes"), "hats", "mean-rows was trained on digits and shoes, and faces shows hats: "),
    ],
)
def test_a_caution_names_what_the_network_saw_and_what_the_data_show(
    rows: ImageExtractor, trained_on: tuple[str, ...], content: str, words: str
) -> None:
    rows.trained_on = trained_on
    found = extractors.caution(rows, content, "faces")
    assert found.startswith(words)
    assert bool(found) == bool(words)
    assert "classes" not in found  # which this extractor does not predict


def test_features_are_those_of_the_class_and_there_are_no_classes(
    rows: ImageExtractor, some_digits: np.ndarray
) -> None:
    features, probabilities, *_ = rows(torch.from_numpy(some_digits[:600]))
    assert probabilities is None
    np.testing.assert_allclose(features.numpy(), some_digits[:600].mean(axis=(1, 3)), rtol=1e-6)


def test_its_judge_measures_fd_name_and_states_name_and_hash(
    rows: ImageExtractor, some_digits: np.ndarray, tmp_path: Path
) -> None:
    judge = Judge(rows, reference_statistics(rows, some_digits, "ab" * 32, "some", tmp_path), 300)
    real = judge.measure_real(some_digits, tmp_path)
    assert 0 < real["fd_mean_rows"] < math.inf
    assert not {"classes_covered", "inception_score", "is_mean_rows"} & set(real)
    digest = hashlib.sha256(b"mean-rows 1").hexdigest()
    assert judge.protocol.startswith(f"mean-rows@{digest[:8]} none; ")


def test_another_version_has_another_hash_and_another_cache(rows: ImageExtractor) -> None:
    class Second(Rows):
        version: ClassVar[str] = "2"

    assert Second().hash != rows.hash


def test_it_is_listed_and_found_by_its_metric(rows: ImageExtractor, tmp_path: Path) -> None:
    assert extractors.names_by_metric()["fd_mean_rows"] == "mean-rows"
    row = extractors.availability(tmp_path)[-1]
    assert (row.name, row.metric, row.present) == ("mean-rows", "fd_mean_rows", True)


def test_an_unknown_extractor_is_refused_with_the_nearest_name(rows: ImageExtractor) -> None:
    expected = (
        "unknown extractor 'mean-row': allowed are clip, dinov2, dinov2-small, efficientnet-lite0, "
        "inception, mean-rows, shipped; did you mean 'mean-rows'?"
    )
    with pytest.raises(RequestError) as caught:
        extractors.require_extractor("mean-row", "mnist-5k")
    assert str(caught.value) == expected
    with pytest.raises(RequestError) as caught:
        extractors.extractor_for("images", Path("none"), channels=1, preferred="mean-row")
    assert str(caught.value) == expected


@pytest.mark.parametrize("dataset", ["ring-8", "stacked-mnist"])
def test_data_with_known_modes_have_their_own_judge(rows: ImageExtractor, dataset: str) -> None:
    for name in ("inception", "shipped"):
        extractors.require_extractor(name, dataset)
    extractors.require_extractor("mean-rows", "mnist-5k")
    with pytest.raises(RequestError, match=f"{dataset} is judged by its known modes: allowed are inception"):
        extractors.require_extractor("mean-rows", dataset)


def test_images_of_other_channels_are_refused_before_the_network_is_built(rows: ImageExtractor) -> None:
    with pytest.raises(RequestError, match="extractor mean-rows: takes images of 1 channels, not 3"):
        extractors.extractor_for("images", Path("none"), channels=3, preferred="mean-rows")


def test_features_of_another_shape_than_promised_are_refused(rows: ImageExtractor) -> None:
    with pytest.raises(ValueError, match=r"mean-rows: features of shape \(2, 32\), not \(2, 28\)"):
        rows(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"name": "points"}, "extractor 'points': a name has"),
        ({"name": "digits-garments"}, "extractor 'digits-garments': a name has"),
        ({"name": "a.b"}, "extractor 'a.b': a name has"),
        ({"name": "shipped"}, "two extractors are named 'shipped'"),
        ({"channels": ()}, "channels .*: allowed are 1 and 3"),
        ({"channels": (2,)}, "channels .*: allowed are 1 and 3"),
        ({"provides": frozenset({"features", "modes"})}, "provides .*: allowed are features"),
        ({"provides": frozenset({"images"})}, "provides .*: allowed are features"),
        ({"extract": ImageExtractor.extract}, "Odd does not define extract"),
    ],
)
def test_a_class_that_is_no_extractor_is_refused(attributes: dict[str, object], expected: str) -> None:
    with pytest.raises(RegistrationError, match=expected):
        register(type("Odd", (Rows,), attributes))


@pytest.mark.parametrize("attribute", ["name", "width", "preprocessing", "trained_on"])
def test_an_attribute_that_is_missing_is_named(attribute: str) -> None:
    stated = {name: value for name, value in vars(Rows).items() if name != attribute}
    with pytest.raises(RegistrationError, match=f"the attribute {attribute} is missing"):
        register(type("Odd", (ImageExtractor,), stated))
    with pytest.raises(RegistrationError, match="is no subclass of ImageExtractor"):
        register(dict)  # type: ignore[type-var]
