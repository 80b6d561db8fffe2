"""Samplers of arrays and functions yield what they were given, in a generator's batches."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bench.judging.given_samples import DrawnSamples, GivenSamples, LabelledSamples, as_drawn, shuffled
from bench.judging.judge import as_stored
from bench.judging.reference import pairing_order
from bench.training.sampler import CHUNK, LabelledSampler

COUNT = 2 * CHUNK + 7
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 1, 4, 4), dtype=np.uint8)


def test_every_byte_survives_the_way_to_the_judge() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(as_stored(as_drawn(every)).numpy(), every)
    points = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    assert np.array_equal(as_stored(as_drawn(points)).numpy(), points)


def test_what_the_judge_sees_does_not_depend_on_the_order_of_pixels_in_memory() -> None:
    """Convolutions of another memory format round otherwise."""
    images = torch.rand(5, 3, 8, 8) * 2 - 1
    last = images.to(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    assert as_stored(last).is_contiguous()
    assert torch.equal(as_stored(last), as_stored(images))
    assert as_drawn(as_stored(images).numpy().transpose(0, 1, 3, 2)).is_contiguous()


@pytest.mark.parametrize("in_order", [True, False])
def test_batches_are_as_large_as_a_generators(in_order: bool) -> None:
    order = None if in_order else shuffled(COUNT)
    sampler = GivenSamples(IMAGES, order)
    batches = list(sampler(COUNT))
    assert [len(batch) for batch in batches] == [CHUNK, CHUNK, 7]
    found = as_stored(torch.cat(batches)).numpy()
    assert np.array_equal(found, IMAGES if order is None else IMAGES[order])
    assert torch.equal(torch.cat(list(sampler(CHUNK + 1))), torch.cat(batches)[: CHUNK + 1])
    part = torch.cat(list(sampler(COUNT, range(3, CHUNK + 9))))
    assert torch.equal(part, torch.cat(batches)[3 : CHUNK + 9])


def test_labels_follow_the_order_of_their_samples() -> None:
    classes, order = np.arange(COUNT) % 10, shuffled(COUNT)
    sampler = LabelledSamples(IMAGES, order, classes)
    assert isinstance(sampler, LabelledSampler)
    assert sampler.labels(20).tolist() == classes[order][:20].tolist()
    assert sampler.labels(COUNT, range(5, 9)).tolist() == classes[order][5:9].tolist()
    assert LabelledSamples(IMAGES, None, classes).labels(3).tolist() == [0, 1, 2]


def test_the_random_order_is_fixed_and_another_than_that_of_the_real_samples() -> None:
    order = shuffled(COUNT)
    assert sorted(order.tolist()) == list(range(COUNT))
    assert np.array_equal(order, shuffled(COUNT))
    # else data judged against themselves would be compared with the same samples first
    assert np.mean(order == pairing_order(COUNT)) < 0.05


def test_what_a_function_draws_is_stored_batch_by_batch() -> None:
    def draw(count: int) -> Iterator[np.ndarray]:
        for start in range(0, count, 100):
            yield IMAGES[start : min(start + 100, count)].transpose(0, 2, 3, 1)

    sampler = DrawnSamples(draw, lambda batch: batch.transpose(0, 3, 1, 2))
    assert np.array_equal(as_stored(torch.cat(list(sampler(230)))).numpy(), IMAGES[:230])
