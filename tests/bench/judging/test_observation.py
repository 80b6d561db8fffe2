"""What an extractor saw of one set of samples."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.judging.observation import PICTURES_KEPT, Observation
from bench.judging.protocol import Seen
from bench.system.errors import WorkError

EXTRACTOR = SimpleNamespace(
    width=3, mode_count=4, gives=frozenset({"features", "images", "classes", "modes"})
)
COUNT = 700


@pytest.fixture
def samples() -> torch.Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (COUNT, 1, 4, 4), generator=drawn, dtype=torch.uint8)


@pytest.fixture
def seen() -> Seen:
    drawn = torch.Generator().manual_seed(1)
    scores = torch.randn(COUNT, 5, generator=drawn)
    modes = torch.randint(0, 4, (COUNT,), generator=drawn)
    return Seen(torch.randn(COUNT, 3, generator=drawn), scores.softmax(1), modes, modes > 1)


def rows(seen: Seen, start: int, stop: int) -> Seen:
    return Seen(*(part[start:stop] for part in seen))


def observed(samples: torch.Tensor, seen: Seen, cuts: list[int], kept: int = COUNT) -> Observation:
    """Take the samples in, in batches that end at the cuts."""
    observation = Observation(EXTRACTOR, "some samples", kept)
    for start, stop in zip([0, *cuts], [*cuts, COUNT], strict=True):
        observation.update(samples[start:stop], rows(seen, start, stop))
    return observation


def test_batches_do_not_matter(samples: torch.Tensor, seen: Seen) -> None:
    whole = observed(samples, seen, []).arrays()
    parts = observed(samples, seen, [1, 250, 250, 499, 501]).arrays()
    assert whole.keys() == parts.keys()
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kept", [5, 333, COUNT])
def test_the_first_features_and_pictures_are_kept(samples: torch.Tensor, seen: Seen, kept: int) -> None:
    observation = observed(samples, seen, [100, 200], kept)
    np.testing.assert_array_equal(observation.features, seen.features[:kept].numpy())
    np.testing.assert_array_equal(observation.pictures, samples[:PICTURES_KEPT].numpy())
    assert observation.count == COUNT
    assert observation.classes.count == observation.modes.count == COUNT


def test_what_is_kept_follows_what_is_taken_in(samples: torch.Tensor, seen: Seen) -> None:
    observation = Observation(EXTRACTOR, "some samples", COUNT)
    for start, stop in ((0, 10), (10, 30)):
        observation.update(samples[start:stop], rows(seen, start, stop))
        np.testing.assert_array_equal(observation.features, seen.features[:stop].numpy())
        np.testing.assert_array_equal(observation.pictures, samples[:stop].numpy())
    others = np.ones((3, 3), dtype=np.float32)
    observation.keep(others)
    np.testing.assert_array_equal(observation.features, others)


def test_arrays_restore_it(samples: torch.Tensor, seen: Seen) -> None:
    first = observed(samples, seen, [])
    second = Observation(EXTRACTOR, "the same", 0)
    second.restore(first.arrays())
    for name, array in second.arrays().items():
        np.testing.assert_array_equal(array, first.arrays()[name], err_msg=name)
    for other in ({"width": 2}, {"mode_count": 5}):
        with pytest.raises(ValueError, match="differs"):
            Observation(SimpleNamespace(**vars(EXTRACTOR) | other), "other", 0).restore(first.arrays())


def test_the_whole_without_a_part_is_the_rest(samples: torch.Tensor, seen: Seen) -> None:
    whole = observed(samples, seen, [], kept=300)
    part = Observation(EXTRACTOR, "the last", 0)
    part.update(samples[400:], rows(seen, 400, COUNT))
    rest = Observation(EXTRACTOR, "the first", 300)
    rest.update(samples[:400], rows(seen, 0, 400))
    found, expected = whole.without(part).arrays(), rest.arrays()
    for name in set(expected) - {"pictures"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert whole.count == COUNT


def test_something_is_computed_once() -> None:
    observation = Observation(EXTRACTOR, "some samples", 0)
    asked = []
    found = [observation.once("it", lambda: asked.append("it") or len(asked)) for _ in range(3)]
    assert found == [1, 1, 1]
    assert observation.once("other", lambda: 7) == 7


def test_features_and_probabilities_that_are_not_finite_are_refused(
    samples: torch.Tensor, seen: Seen
) -> None:
    observation = Observation(EXTRACTOR, "some samples", COUNT)
    broken = seen.features.clone()
    broken[3, 1] = torch.nan
    with pytest.raises(
        WorkError, match="some samples: NaN or infinite features for 1 samples, first sample 3"
    ):
        observation.update(samples, seen._replace(features=broken))
    assert seen.probabilities is not None
    with pytest.raises(WorkError, match="class probabilities are NaN or infinite"):
        observation.update(samples, seen._replace(probabilities=seen.probabilities * torch.nan))


@pytest.mark.parametrize("cut", [0, 300, 600])
def test_what_two_saw_is_what_one_sees(samples: torch.Tensor, seen: Seen, cut: int) -> None:
    """Of samples that follow each other; together they hold more than one of them keeps."""
    whole = observed(samples, seen, [COUNT], kept=650)
    first, second = (Observation(EXTRACTOR, "x", kept=650) for _ in range(2))
    if cut:
        first.update(samples[:cut], rows(seen, 0, cut))
    second.update(samples[cut:], rows(seen, cut, COUNT))
    first.merge(second)
    assert first.count == COUNT
    one, other = whole.arrays(), first.arrays()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-6, err_msg=name)
    assert one["features"].shape == (650, 3)
    assert np.array_equal(whole.pictures, first.pictures)
