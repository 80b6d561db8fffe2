"""Memory: what cannot be had is refused before any of it is taken, with the size that would fit."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from bench.configuration import Configuration, resolve
from bench.datasets import sample_shape
from bench.execution.progress import Progress
from bench.execution.session import start
from bench.system.errors import RequestError, WorkError
from bench.system.os_errors import message_of
from bench.training import memory
from bench.training.step import ComputeOptions, TrainingStep
from bench.training.trainer import Callback
from variants.base import Batch
from variants.families.two_player import TwoPlayer
from variants.registry import all_variants

CPU = torch.device("cpu")
GIB = 2**30


def shape_of(configuration: Configuration) -> tuple[int, ...]:
    harness = configuration.harness
    return sample_shape(harness.dataset, harness.image_size, harness.channels)


def with_memory(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """This machine, with so many bytes free."""
    monkeypatch.setattr(memory, "available", lambda device: count)


SMALL = {"images": "quick", "points": "points"}


@pytest.mark.parametrize(
    ("variant", "preset"),
    [(name, SMALL[kind]) for name in sorted(all_variants()) for kind in all_variants()[name].sample_kinds],
)
def test_what_small_presets_need_is_there(variant: str, preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_memory(monkeypatch, GIB)
    configuration = resolve({"variant": variant, "preset": preset})
    memory.require_memory(configuration, shape_of(configuration), CPU, classes=configuration.classes())


def test_a_growing_network_is_estimated_at_its_whole_side(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"variant": "progan", "preset": "quick", "batch_size": 256, "filters": 32}
    grown, growing = (
        memory.estimate(resolve(values | {"grown_at": part}), (1, 28, 28), GIB).step for part in (0.01, 1.0)
    )
    # one set of 256 x 32 maps of 28 px alone takes 25 MB
    assert growing == grown > 20 * 256 * 32 * 28**2 * 4


@pytest.mark.parametrize(
    ("values", "knob"),
    [
        ({"latent_dim": 1_000_000_000}, "latent_dim"),
        ({"filters": 1_000_000}, "filters"),
        ({"eval_samples": 100_000_000}, "eval_samples"),
        ({"batch_size": 1_000_000}, "batch_size"),
    ],
)
def test_the_value_that_is_named_would_fit(
    values: dict[str, int], knob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_memory(monkeypatch, 2 * GIB)
    configuration = resolve({"variant": "began"} | values)
    with pytest.raises(RequestError, match=f"^{knob}: .* 2.0 GiB free; {knob}=[0-9]+ would fit") as refused:
        memory.require_memory(configuration, shape_of(configuration), CPU)
    found = re.search(rf"{knob}=(\d+) would fit", str(refused.value))
    assert found
    memory.require_memory(configuration.with_values(**{knob: int(found[1])}), shape_of(configuration), CPU)


class Usual(TwoPlayer):
    """Two networks, of whose discriminator one layer is frozen."""

    name, title, source = "usual", "usual", "a test"

    def build_networks(self) -> None:
        super().build_networks()
        next(self.discriminator.parameters()).requires_grad_(False)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return (self.discriminator(fake) - self.discriminator(real)).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return -self.discriminator(fake).mean()


class WithRmsprop(Usual):
    optimizer = "rmsprop"


class WithSgd(Usual):
    optimizer = "sgd"


class Zeros:
    batch_size = 4

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        return torch.zeros(4, 2)

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> None:
        return None


@pytest.mark.parametrize("beta1", [0.0, 0.5])
@pytest.mark.parametrize("kind", [Usual, WithRmsprop, WithSgd])
def test_networks_need_what_weights_gradients_and_moments_take(kind: type[Usual], beta1: float) -> None:
    values = {"dataset": "ring-8", "image_size": None, "steps": 1, "ema_decay": 0.0, "beta1": beta1}
    configuration = Configuration(kind, "none", values)
    knobs = configuration.hyperparameters
    variant = kind(knobs, (2,))
    step = TrainingStep(variant, Zeros(), knobs, 1, 0, CPU, ComputeOptions())
    step.run(1)
    parameters = list(variant.parameters())
    held = parameters + [parameter.grad for parameter in parameters if parameter.grad is not None]
    for optimizer in step.optimizers.values():
        # without the numbers of steps, one for each parameter
        held += [
            value
            for state in optimizer.state.values()
            for name, value in state.items()
            if isinstance(value, Tensor) and name != "step"
        ]
    taken = sum(value.nbytes for value in held)
    assert memory.estimate(configuration, (2,), GIB).networks == taken
    generator = sum(parameter.nbytes for parameter in variant.generator.parameters())
    averaged = configuration.with_values(ema_decay=0.9)
    assert memory.estimate(averaged, (2,), GIB).networks == taken + generator


class Reading(Usual):
    """Its second phase reads a value of a tensor."""

    name = "reading"

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return super().generator_loss(fake, latent, batch) * (1 if fake.sum().item() else 2)


def test_a_phase_that_reads_values_ends_the_estimate_and_not_the_run() -> None:
    values = {"dataset": "ring-8", "image_size": None, "steps": 1}
    estimates = [
        memory.estimate(Configuration(kind, "none", values), (2,), free=GIB // 1000).step
        for kind in (Reading, Usual)
    ]
    assert 0 < estimates[0] <= estimates[1]


GROWTH = """
import sys
from pathlib import Path
import torch
from bench.configuration import resolve
from variants.base import Batch
from variants.noise import Noise
torch.set_num_threads(1)
def kept(mark):
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(mark)]
    return 1024 * int(line.split()[1])
for size in (2, 256):
    given = resolve({"variant": sys.argv[1], "batch_size": size, "filters": 32})
    variant = given.variant(given.hyperparameters, (1, 28, 28))
    Path("/proc/self/clear_refs").write_text("5")
    before = kept("VmRSS:")
    batch = Batch(torch.zeros(size, 1, 28, 28), Noise(0, 1, torch.device("cpu")))
    for phase in variant.phases():
        phase.accumulate_gradients(batch)
print(kept("VmHWM:") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system keeps no mark of memory")
@pytest.mark.parametrize("variant", ["began-v3", "wgan-gp"])
def test_a_step_takes_at_least_what_is_estimated_and_not_much_more(variant: str) -> None:
    configuration = resolve({"variant": variant, "batch_size": 256, "filters": 32})
    networks = memory.estimate(configuration, (1, 28, 28), free=1).networks
    estimated = memory.estimate(configuration, (1, 28, 28), free=networks + 1).step
    done = subprocess.run([sys.executable, "-c", GROWTH, variant], capture_output=True, text=True, check=True)
    assert 0.9 * estimated < int(done.stdout) < 3 * estimated


class Asks(Callback):
    """Asks for more memory than there is, in the middle of training."""

    def on_steps(self, rows: list[dict[str, object]]) -> None:
        torch.empty(2**55, dtype=torch.uint8)


def test_memory_that_ends_in_training_stops_it_with_the_command_that_resumes(
    small: SimpleNamespace, bench_home: Path
) -> None:
    configuration = small.tiny("began")
    with pytest.raises(
        WorkError, match=r"not enough memory on the machine: 32.0 PiB could not .* resume with: bench"
    ):
        start(configuration, Progress(quiet=True), on_start=lambda run, setup: [Asks()])


def test_errors_of_allocation_are_told_from_bugs() -> None:
    for make in (lambda: torch.empty(2**45, dtype=torch.float64), lambda: bytearray(2**60)):
        with pytest.raises((RuntimeError, MemoryError)) as failed:
            make()
        assert "not enough memory" in str(message_of(failed.value))
    gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has 79 GiB")
    assert "on the GPU: 2.50 GiB could not be allocated" in str(message_of(gpu))
    for bug in (RuntimeError("shapes differ"), ValueError("x"), FileNotFoundError(2, "gone"), OSError("odd")):
        assert message_of(bug) is None
