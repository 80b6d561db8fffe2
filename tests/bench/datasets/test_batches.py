import warnings

import numpy as np
import pytest
import torch

from bench.datasets import Batches, DataArray, array_cache, load
from bench.system.errors import RequestError

CPU = torch.device("cpu")
DEVICES = [
    CPU,
    pytest.param(
        torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return load("mnist-5k", image_size=28, channels=None, data_root=folder, cache=folder)


def made(count):
    images = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    return DataArray(name="made", samples=images, hash="", transform="")


def epoch_of(batches, epoch):
    first = epoch * batches.batches_per_epoch
    return torch.cat([batches.indices(first + place) for place in range(batches.batches_per_epoch)])


@pytest.mark.parametrize("device", DEVICES)
def test_bytes_are_scaled_to_minus_one_to_one(array, device):
    batches = Batches(array, batch_size=64, seed=0, device=device)
    taken = batches.get(3)
    assert taken.dtype == torch.float32
    assert taken.shape == (64, 1, 28, 28)
    assert taken.device.type == device.type
    pixels = array.samples[batches.indices(3).numpy()]
    assert torch.equal(taken.cpu(), torch.from_numpy(pixels).float() / 127.5 - 1)
    assert (taken.min().item(), taken.max().item()) == (-1.0, 1.0)


@pytest.mark.parametrize("device", DEVICES)
def test_every_byte_value_is_exact(device):
    taken = Batches(made(256), batch_size=256, seed=0, device=device).get(0).flatten().sort().values.cpu()
    assert torch.equal(taken, torch.arange(256, dtype=torch.float32) / 127.5 - 1)


@pytest.mark.parametrize("device", DEVICES)
def test_batches_of_points_are_not_scaled(device, tmp_path):
    points = load("ring-8", image_size=None, channels=None, data_root=tmp_path, cache=tmp_path)
    batches = Batches(points, batch_size=64, seed=0, device=device)
    taken = batches.get(3)
    assert taken.device.type == device.type
    assert torch.equal(taken.cpu(), torch.from_numpy(points.samples[batches.indices(3).numpy()]))


def test_epoch_is_a_permutation_and_a_function_of_seed_and_epoch(array):
    def orders(seed):
        batches = Batches(array, batch_size=100, seed=seed, device=CPU)
        return [epoch_of(batches, epoch) for epoch in range(3)]

    ours, again, others = orders(7), orders(7), orders(8)
    for order, same, other in zip(ours, again, others, strict=True):
        assert torch.equal(order.sort().values, torch.arange(5000))
        assert torch.equal(order, same)
        assert not torch.equal(order, other)
    assert not torch.equal(ours[0], ours[1])


def test_order_does_not_depend_on_batch_size(array):
    one = Batches(array, batch_size=50, seed=0, device=CPU)
    other = Batches(array, batch_size=500, seed=0, device=CPU)
    assert torch.equal(epoch_of(one, 1), epoch_of(other, 1))


def test_order_leaves_the_global_random_state_alone(array):
    before = torch.get_rng_state()
    Batches(array, batch_size=50, seed=0, device=CPU).get(0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("index", [0, 1, 11, 12, 13, 37])
def test_a_batch_does_not_depend_on_earlier_batches(array, index):
    through = Batches(array, batch_size=400, seed=3, device=CPU)
    taken = [through.get(step) for step in range(index + 1)][-1]
    assert torch.equal(Batches(array, batch_size=400, seed=3, device=CPU).get(index), taken)


def test_batches_can_be_requested_in_any_order(array):
    batches = Batches(array, batch_size=400, seed=3, device=CPU)
    forward = [batches.indices(index).clone() for index in range(40)]
    assert all(torch.equal(batches.indices(index), forward[index]) for index in reversed(range(40)))


def test_last_batch_is_dropped():
    batches = Batches(made(10), batch_size=4, seed=0, device=CPU)
    assert batches.batches_per_epoch == 2
    assert [len(batches.get(index)) for index in range(4)] == [4, 4, 4, 4]
    assert len(epoch_of(batches, 0).unique()) == 8


def test_last_batch_is_kept():
    batches = Batches(made(10), batch_size=4, seed=0, device=CPU, drop_last=False)
    assert batches.batches_per_epoch == 3
    assert [len(batches.get(index)) for index in range(6)] == [4, 4, 2, 4, 4, 2]
    assert torch.equal(epoch_of(batches, 1).sort().values, torch.arange(10))


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("size", [0, -1, 11])
def test_batch_size_out_of_range(size, drop_last):
    with pytest.raises(RequestError, match=f"batch_size {size} .*1 to 10"):
        Batches(made(10), batch_size=size, seed=0, device=CPU, drop_last=drop_last)


def test_negative_index():
    with pytest.raises(ValueError, match="negative"):
        Batches(made(10), batch_size=2, seed=0, device=CPU).get(-1)


def test_mapped_array_gives_the_same_batches_without_a_warning(array, tmp_path, monkeypatch):
    monkeypatch.setattr(array_cache, "IN_MEMORY_BYTES", 0)
    mapped = load("mnist-5k", image_size=28, channels=None, data_root=tmp_path, cache=tmp_path)
    assert isinstance(mapped.samples, np.memmap)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taken = Batches(mapped, batch_size=32, seed=0, device=CPU).get(5)
    assert torch.equal(taken, Batches(array, batch_size=32, seed=0, device=CPU).get(5))


def test_a_large_array_is_not_copied_on_the_cpu_and_gives_what_a_small_one_gives(array, monkeypatch):
    small = Batches(array, batch_size=32, seed=0, device=CPU)
    monkeypatch.setattr("bench.datasets.batches.MAX_SCALED_IN_ADVANCE", array.samples.size - 1)
    large = Batches(array, batch_size=32, seed=0, device=CPU)
    assert large._samples.data_ptr() == array.samples.ctypes.data
    assert small._samples.dtype == torch.float32
    for index in (0, 200):
        assert torch.equal(small.get(index), large.get(index))


def test_mirrored_batches_are_a_function_of_seed_and_epoch(array):
    plain = Batches(array, batch_size=100, seed=7, device=CPU)
    ours = Batches(array, batch_size=100, seed=7, device=CPU, flip=True)
    others = Batches(array, batch_size=100, seed=8, device=CPU, flip=True)
    seen = []
    for index in (0, 49, 50, 51, 3):
        real, taken = plain.get(index), ours.get(index)
        assert torch.equal(plain.indices(index), ours.indices(index))
        mirrored = (taken == real.flip(-1)).flatten(1).all(1)
        # every image is as it was or mirrored, and none of 100 digits is its own mirror image
        assert torch.equal(taken, torch.where(mirrored[:, None, None, None], real.flip(-1), real))
        assert 25 < int(mirrored.sum()) < 75
        seen.append(mirrored)
        again = Batches(array, batch_size=100, seed=7, device=CPU, flip=True)
        assert torch.equal(again.get(index), taken)
        assert torch.equal(torch.cat([again.get(index, part, 4) for part in range(4)]), taken)
        assert torch.equal(ours.labels(index), plain.labels(index))
    assert len({tuple(each.tolist()) for each in seen}) == len(seen)
    assert not torch.equal(others.indices(0), ours.indices(0))


@pytest.mark.parametrize("device", DEVICES)
def test_mirroring_does_not_depend_on_batch_size_device_or_size_of_the_array(array, device, monkeypatch):
    whole = Batches(array, batch_size=500, seed=3, device=CPU, flip=True).get(11)
    for _ in range(2):
        parts = Batches(array, batch_size=50, seed=3, device=device, flip=True)
        assert torch.equal(torch.cat([parts.get(110 + place) for place in range(10)]).cpu(), whole)
        monkeypatch.setattr("bench.datasets.batches.MAX_SCALED_IN_ADVANCE", 0)


def test_mirrored_colours_stay_with_their_pixels():
    images = np.arange(2 * 3 * 2 * 4, dtype=np.uint8).reshape(2, 3, 2, 4)
    made_of_two = DataArray(name="made", samples=images, hash="", transform="")
    for epoch in range(8):
        batches = Batches(made_of_two, batch_size=2, seed=0, device=CPU, flip=True)
        for sample, row in zip(batches.get(epoch), batches.indices(epoch), strict=True):
            bytes_ = ((sample + 1) * 127.5).round().numpy().astype(np.uint8)
            assert any(np.array_equal(bytes_, each) for each in (images[row], images[row][:, :, ::-1]))


def test_points_are_not_mirrored(tmp_path):
    points = load("ring-8", image_size=None, channels=None, data_root=tmp_path, cache=tmp_path)
    with pytest.raises(RequestError, match="flip: ring-8 holds points"):
        Batches(points, batch_size=2, seed=0, device=CPU, flip=True)
