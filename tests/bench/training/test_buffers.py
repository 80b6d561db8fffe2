"""Buffers over micro-batches: means of what changes, to the same bits in one process and in several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.system.ranks import ALONE
from bench.training.buffers import BufferMean
from variants.base import parameter_count

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


class Holder(nn.Module):
    """A module with some buffers."""

    def __init__(self, **values: Tensor) -> None:
        super().__init__()
        for name, value in values.items():
            self.register_buffer(name, value)


def averaged(start: Tensor, *ends: Tensor) -> Tensor:
    """Return a buffer after micro-batches that each set it."""
    holder = Holder(buffer=start.clone())
    mean = BufferMean(holder)
    for number, end in enumerate(ends):
        if number:
            mean.restart()
            assert torch.equal(holder.buffer, start)
        holder.buffer.copy_(end)
        mean.add()
    mean.finish(ALONE, len(ends))
    return holder.buffer


def test_a_buffer_becomes_the_mean_of_what_the_micro_batches_leave() -> None:
    found = averaged(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0]), torch.tensor([5.0, 2.0]))
    assert found.tolist() == [4.0, 2.0]


@pytest.mark.parametrize("micro_batches", [2, 3, 7])
def test_an_unchanged_buffer_keeps_its_bits(micro_batches: int) -> None:
    start = torch.rand(100, generator=torch.Generator().manual_seed(1))
    assert torch.equal(averaged(start, *[start] * micro_batches), start)


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_an_infinite_buffer_stays_infinite_until_micro_batches_leave_numbers(value: float) -> None:
    start = torch.tensor(value)
    assert averaged(start, start, start).item() == value
    assert averaged(start, torch.tensor(1.0), torch.tensor(2.0)).item() == 1.5
    assert averaged(torch.tensor(1.0), start, start).item() == value


def test_what_is_no_floating_point_number_keeps_what_one_micro_batch_leaves() -> None:
    assert averaged(torch.tensor(7), torch.tensor(8), torch.tensor(8)).item() == 8
    assert averaged(torch.tensor(False), torch.tensor(True), torch.tensor(True)).item() is True


def test_a_module_without_buffers_has_nothing_to_average() -> None:
    layer = nn.Linear(2, 2)
    mean = BufferMean(layer)
    mean.add()
    mean.restart()
    mean.finish(ALONE, 1)
    assert parameter_count(layer) == 6


# trains three steps of a variant whose layers keep buffers of all kinds, and saves its state
TRAINING = """
import sys
import torch
from torch import nn
from bench.system.ranks import joined
from bench.training.step import ComputeOptions, TrainingStep
from variants.families.two_player import TwoPlayer

class Statistics(nn.Module):
    def __init__(self):
        super().__init__()
        for name, value in (("mean", torch.zeros(2)), ("largest", torch.full((2,), -float("inf"))),
                            ("bound", torch.tensor(float("inf"))), ("calls", torch.tensor(0))):
            self.register_buffer(name, value)

    def forward(self, points):
        self.mean = 0.9 * self.mean + 0.1 * points.detach().mean(0)
        self.largest.copy_(torch.maximum(self.largest, points.detach().amax(0)))
        self.calls += 1
        return points - self.mean

class Trial(TwoPlayer):
    name = title = source = "trial"

    def build_networks(self):
        super().build_networks()
        self.discriminator = nn.Sequential(
            Statistics(), nn.utils.parametrizations.spectral_norm(nn.Linear(2, 4)), nn.BatchNorm1d(4),
            nn.Linear(4, 1),
        )

    def discriminator_loss(self, real, fake, latent, batch):
        distance = (self.discriminator(fake) - self.discriminator(real)).mean()
        return distance, {"distance": distance}

    def generator_loss(self, fake, latent, batch):
        return -self.discriminator(fake).mean()

class Batches:
    batch_size = 8

    def get(self, index, micro_batch=0, micro_batches=1):
        drawn = torch.rand((8, 2), generator=torch.Generator().manual_seed(index)) * 2 - 1
        return drawn.chunk(micro_batches)[micro_batch]

    def labels(self, index, micro_batch=0, micro_batches=1):
        return None

torch.manual_seed(0)
torch.set_num_threads(1)
knobs = Trial.Hyperparameters(filters=4, latent_dim=3)
with joined() as ranks:
    variant = Trial(knobs, (2,)).train()
    options = ComputeOptions(micro_batches=2, ranks=ranks)
    step = TrainingStep(variant, Batches(), knobs, 3, 7, torch.device("cpu"), options)
    scalars = [step.run(number) for number in (1, 2, 3)]
    torch.save({"state": variant.state_dict(), "scalars": scalars}, f"{sys.argv[1]}-{ranks.rank}.pt")
"""


@pytest.mark.slow
def test_two_micro_batches_in_turn_equal_two_ranks_to_the_bit(tmp_path: Path) -> None:
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for command, name in (([sys.executable], "alone"), (TORCHRUN, "ranks")):
        words = [*command, str(script), str(tmp_path / name)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
    alone, *ranks = (torch.load(tmp_path / f"{name}.pt") for name in ("alone-0", "ranks-0", "ranks-1"))
    for rank in ranks:
        assert rank["scalars"] == alone["scalars"]
        for name, value in alone["state"].items():
            assert torch.equal(rank["state"][name], value), name
    state = alone["state"]
    # twice in the discriminator's phase, once in the generator's
    assert state["discriminator.0.calls"].item() == 3 * 3
    assert state["discriminator.2.num_batches_tracked"].item() == 3 * 3
    assert state["discriminator.0.bound"].item() == float("inf")
    assert state["discriminator.0.largest"].isfinite().all()
    assert state["discriminator.0.mean"].abs().max() > 0
