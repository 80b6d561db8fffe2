"""Agreement of labelled samples with the classes that they were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.datasets import DataArray, load
from bench.judging.agreement import Agreement
from bench.judging.extractors import extractor_for
from bench.judging.extractors.images import DigitsGarments
from bench.judging.judge import Judge
from bench.judging.metrics import better_direction, is_metric
from bench.judging.protocol import class_names_of
from bench.judging.reference import reference_statistics
from bench.system.errors import WorkError

SAMPLES = 400
KINDS = {"mnist-5k": "images", "ring-8": "points"}


class RealSamples:
    """A sampler that gives real samples, asked for in classes shifted by `shift`."""

    def __init__(self, array: DataArray, shift: int = 0) -> None:
        rows = np.random.default_rng(0).integers(0, array.count, SAMPLES)
        values = torch.from_numpy(array.samples[rows])
        self.samples = values if array.modes else values.float() / 127.5 - 1
        assert array.labels is not None
        self.asked = torch.from_numpy((array.labels[rows] + shift) % len(array.class_names))

    def __call__(self, count: int, indices: range | None = None) -> Iterator[Tensor]:
        chosen = indices or range(count)
        yield from self.samples[chosen.start : chosen.stop].split(150)

    def labels(self, count: int, indices: range | None = None) -> Tensor:
        chosen = indices or range(count)
        return self.asked[chosen.start : chosen.stop]


@pytest.fixture(scope="module", params=KINDS)
def array(request: pytest.FixtureRequest, cache_folder: Path) -> DataArray:
    size = 28 if request.param == "mnist-5k" else None
    return load(request.param, image_size=size, channels=None, data_root=cache_folder, cache=cache_folder)


@pytest.fixture(scope="module")
def judge(array: DataArray, cache_folder: Path) -> Judge:
    extractor = extractor_for(
        KINDS[array.name], cache_folder, channels=1, modes=array.modes, preferred="shipped"
    )
    reference = reference_statistics(extractor, array.samples, array.hash, array.name, cache_folder)
    return Judge(extractor, reference, SAMPLES, class_names=array.class_names)


def test_real_samples_agree_with_their_own_classes(judge: Judge, array: DataArray) -> None:
    values = judge.measure(RealSamples(array))
    assert values["class_agreement"] > 0.98
    assert 0.9 < values["lowest_class_agreement"] <= values["class_agreement"]
    assert {f"class_agreement_{label}" for label in range(len(array.class_names))} <= values.keys()


def test_samples_of_other_classes_than_asked_for_agree_with_none(judge: Judge, array: DataArray) -> None:
    values = judge.measure(RealSamples(array, shift=1))
    assert values["class_agreement"] < 0.02
    assert values["lowest_class_agreement"] == 0
    # the samples themselves are as good
    name = judge.extractor.metric
    assert values[name] == judge.measure(RealSamples(array))[name]


def test_shares_are_counted_class_by_class(judge: Judge, array: DataArray) -> None:
    sampler = RealSamples(array)
    sampler.asked = torch.where(sampler.asked == 3, 4, sampler.asked)
    values = judge.measure(sampler)
    fours = sampler.asked == 4
    truly = RealSamples(array).asked[fours] == 4
    assert values["class_agreement_4"] == pytest.approx(truly.float().mean().item(), abs=0.03)
    # no sample was asked for in class 3, which has the share of all
    assert values["class_agreement_3"] == values["class_agreement"]


def test_held_out_real_samples_are_measured_with_their_labels(
    judge: Judge, array: DataArray, tmp_path: Path
) -> None:
    values = judge.measure_real(array.samples, tmp_path, array.labels)
    assert values["class_agreement"] > 0.98
    assert judge.measure_real(array.samples, tmp_path, array.labels) == values
    assert array.labels is not None
    others = (array.labels + 1) % len(array.class_names)
    assert judge.measure_real(array.samples, tmp_path, others)["class_agreement"] < 0.02


def test_without_labels_nothing_is_said_of_classes(judge: Judge, array: DataArray) -> None:
    plain = Judge(judge.extractor, judge.reference, SAMPLES)
    values = plain.measure(RealSamples(array))
    assert not any("agreement" in name for name in values)
    strangers = Judge(judge.extractor, judge.reference, SAMPLES, class_names=("digit 1", "quark"))
    assert strangers.metrics.keys() == plain.metrics.keys()


def test_a_sampler_without_labels_is_an_error(judge: Judge, array: DataArray) -> None:
    with pytest.raises(WorkError, match="no labels"):
        judge.measure(RealSamples(array).__call__)


def test_rare_classes_have_no_metrics_of_their_own(judge: Judge, array: DataArray) -> None:
    few = Judge(
        judge.extractor, judge.reference, 10 * len(array.class_names) - 1, class_names=array.class_names
    )
    assert {name for name in few.metrics if "agreement" in name} == {
        "class_agreement",
        "lowest_class_agreement",
    }


def test_records_and_tables_know_the_metrics_of_a_class() -> None:
    for name in ("class_agreement", "class_agreement_3", "lowest_class_agreement"):
        assert is_metric(name)
        assert better_direction(name) == "higher"
    assert not is_metric("class_agreement_x")
    assert not is_metric("coverage_3")


def test_the_shipped_network_names_the_classes_of_the_published_data() -> None:
    from bench.datasets import class_names

    known = set(class_names_of(DigitsGarments()))
    assert all(set(class_names(name)) <= known for name in ("mnist", "mnist-5k", "fashion-mnist"))
    assert not set(class_names("cifar10")) & known


def test_counts_of_parts_add_up() -> None:
    asked, found = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 0, 2])
    whole, part = Agreement(4), Agreement(4)
    whole.update(asked[:2], found[:2])
    part.update(asked[2:], found[2:])
    whole.merge(part)
    assert (whole.asked.tolist(), whole.agreed.tolist()) == ([2, 1, 2, 0], [1, 1, 1, 0])
    assert [whole.share(label) for label in range(4)] == [0.5, 1.0, 0.5, 0.6]
    assert (whole.share(), whole.lowest_share()) == (0.6, 0.5)
