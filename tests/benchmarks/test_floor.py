"""What the floor repeats is what a step computes."""

import pytest
import torch
from configurations import quick
from loops import ThroughTrainer, quiet_setup
from sections import floor

from bench.configuration import resolve
from bench.training.cost import OperationCounter, cost
from variants.registry import all_variants


@pytest.mark.parametrize("name", all_variants())
def test_the_repeated_calls_are_those_of_a_step(name, tmp_path):
    given = quick(name, 1, batch_size=4)
    trainer = ThroughTrainer(quiet_setup(given), tmp_path)
    recorder = floor.record_step(trainer)
    with OperationCounter() as counter:
        trainer.advance(1)
    trainer.close()
    assert recorder.operations() == counter.total
    # the last layer of a generator takes a few more on a CPU, in less time
    assert recorder.operations() == pytest.approx(cost(resolve(given)).step_operations, rel=0.02)
    assert recorder.seconds(1) > 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_calls_are_repeated_with_their_layout(layout):
    images = torch.randn(2, 3, 8, 8).contiguous(memory_format=layout)
    kernel = torch.randn(4, 3, 3, 3).contiguous(memory_format=layout)
    with floor.CallRecorder() as recorder:
        torch.nn.functional.conv2d(images, kernel, padding=1)
    (call,) = recorder.calls.values()
    assert [each.stride() for each in call.arguments[:2]] == [images.stride(), kernel.stride()]
    assert not torch.equal(call.arguments[0], images)
    assert call().shape == (2, 4, 8, 8)


def test_equal_calls_are_stored_once_and_counted():
    left, right = torch.randn(3, 4), torch.randn(4, 5)
    with floor.CallRecorder() as recorder:
        for _ in range(3):
            left @ right
        left[:2] @ right
        left + left
    assert sorted(recorder.counts.values()) == [1, 3]
    assert recorder.operations() == 2 * 4 * 5 * (3 * 3 + 2)


def test_an_expanded_tensor_is_reproduced_with_its_strides():
    expanded = torch.ones(1, 3).expand(4, 3)
    again = floor.layout_of(expanded).random()
    assert (again.shape, again.stride()) == (expanded.shape, expanded.stride())
