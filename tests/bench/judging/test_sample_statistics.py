"""Statistics accumulated over batches of samples."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.judging.protocol import Extraction
from bench.judging.sample_statistics import IMAGES_KEPT, SampleStatistics
from bench.system.errors import WorkError

EXTRACTOR = SimpleNamespace(
    width=3, mode_count=4, provides=frozenset({"features", "images", "classes", "modes"})
)
COUNT = 700


@pytest.fixture
def samples() -> Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (COUNT, 1, 4, 4), generator=drawn, dtype=torch.uint8)


@pytest.fixture
def extraction() -> Extraction:
    drawn = torch.Generator().manual_seed(1)
    scores = torch.randn(COUNT, 5, generator=drawn)
    modes = torch.randint(0, 4, (COUNT,), generator=drawn)
    return Extraction(torch.randn(COUNT, 3, generator=drawn), scores.softmax(1), modes, modes > 1)


def rows(extraction: Extraction, start: int, stop: int) -> Extraction:
    return Extraction(*(part[start:stop] for part in extraction))


def accumulated(
    samples: Tensor, extraction: Extraction, cuts: list[int], kept: int = COUNT
) -> SampleStatistics:
    """Add the samples in batches that end at the cuts."""
    statistics = SampleStatistics(EXTRACTOR, "some samples", kept, total=COUNT)
    for start, stop in zip([0, *cuts], [*cuts, COUNT], strict=True):
        statistics.update(samples[start:stop], rows(extraction, start, stop))
    return statistics


def test_batches_do_not_matter(samples: Tensor, extraction: Extraction) -> None:
    whole = accumulated(samples, extraction, []).arrays()
    parts = accumulated(samples, extraction, [1, 250, 250, 499, 501]).arrays()
    assert whole.keys() == parts.keys()
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kept", [5, 333, COUNT])
def test_the_first_features_and_images_are_kept(samples: Tensor, extraction: Extraction, kept: int) -> None:
    statistics = accumulated(samples, extraction, [100, 200], kept)
    np.testing.assert_array_equal(statistics.features, extraction.features[:kept].numpy())
    np.testing.assert_array_equal(statistics.images, samples[:IMAGES_KEPT].numpy())
    assert statistics.count == COUNT
    assert statistics.classes.count == statistics.modes.count == COUNT


def test_kept_features_and_images_grow_with_every_batch(samples: Tensor, extraction: Extraction) -> None:
    statistics = SampleStatistics(EXTRACTOR, "some samples", COUNT)
    for start, stop in ((0, 10), (10, 30)):
        statistics.update(samples[start:stop], rows(extraction, start, stop))
        np.testing.assert_array_equal(statistics.features, extraction.features[:stop].numpy())
        np.testing.assert_array_equal(statistics.images, samples[:stop].numpy())
    others = np.ones((3, 3), dtype=np.float32)
    statistics.set_features(others)
    np.testing.assert_array_equal(statistics.features, others)


def test_arrays_restore_the_statistics(samples: Tensor, extraction: Extraction) -> None:
    first = accumulated(samples, extraction, [])
    second = SampleStatistics(EXTRACTOR, "the same", 0)
    second.restore(first.arrays())
    for name, array in second.arrays().items():
        np.testing.assert_array_equal(array, first.arrays()[name], err_msg=name)
    for other in ({"width": 2}, {"mode_count": 5}):
        with pytest.raises(ValueError, match="differs"):
            SampleStatistics(SimpleNamespace(**vars(EXTRACTOR) | other), "other", 0).restore(first.arrays())


def test_removing_a_subset_leaves_the_statistics_of_the_rest(samples: Tensor, extraction: Extraction) -> None:
    whole = accumulated(samples, extraction, [], kept=300)
    part = SampleStatistics(EXTRACTOR, "the last", 0)
    part.update(samples[400:], rows(extraction, 400, COUNT))
    rest = SampleStatistics(EXTRACTOR, "the first", 300)
    rest.update(samples[:400], rows(extraction, 0, 400))
    found, expected = whole.without(part).arrays(), rest.arrays()
    for name in set(expected):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert whole.count == COUNT


def test_features_and_probabilities_that_are_not_finite_are_refused(
    samples: Tensor, extraction: Extraction
) -> None:
    statistics = SampleStatistics(EXTRACTOR, "some samples", COUNT)
    broken = extraction.features.clone()
    broken[3, 1] = torch.nan
    with pytest.raises(
        WorkError, match="some samples: NaN or infinite features for 1 samples, first sample 3"
    ):
        statistics.update(samples, extraction._replace(features=broken))
    assert extraction.probabilities is not None
    with pytest.raises(WorkError, match="class probabilities are NaN or infinite"):
        statistics.update(samples, extraction._replace(probabilities=extraction.probabilities * torch.nan))


@pytest.mark.parametrize("cut", [0, 300, 600])
def test_merged_statistics_are_those_of_all_samples(
    samples: Tensor, extraction: Extraction, cut: int
) -> None:
    """The two sets follow each other, and together exceed the number that is kept."""
    whole = accumulated(samples, extraction, [COUNT], kept=650)
    first, second = (SampleStatistics(EXTRACTOR, "x", 650, COUNT, start) for start in (0, cut))
    if cut:
        first.update(samples[:cut], rows(extraction, 0, cut))
    second.update(samples[cut:], rows(extraction, cut, COUNT))
    first.merge(second)
    assert first.count == COUNT
    one, other = whole.arrays(), first.arrays()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-6, err_msg=name)
    assert one["features"].shape == (650, 3)
    assert whole.splits.counts.tolist() == first.splits.counts.tolist() == [COUNT // 10] * 10
    for name in ("probability_sums", "entropy_sums"):
        np.testing.assert_allclose(getattr(first.splits, name), getattr(whole.splits, name), rtol=1e-10)
    assert np.array_equal(whole.images, first.images)
