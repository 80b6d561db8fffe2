"""A training step / its own convolutions and matrix products alone.

Every convolution and matrix product of one real step is recorded with shapes, layouts and arguments, then
repeated alone on random data of the same layout. The sum of the times is the floor of the step. The step's
rate of operations is also compared with the machine's rate in a well-shaped convolution and a matrix product.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from configurations import published, quick
from interleaved import spread, timed, warm_up
from loops import ThroughTrainer, quiet_setup
from tables import markdown, percent, with_notes
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map, tree_map_only
from torch.utils.flop_counter import flop_registry

from bench.configuration import resolve
from bench.training.cost import cost
from sections import Request, measure_each

TITLE = "Floor: a step over its own convolutions and matrix products alone"
PAIRS = 7
REPEATS = 3  # of each call per round; the median counts
RATE_REPEATS = 30  # of the measurement of the machine's rates
# Batch size of published layers: 8, or the published size for networks whose layers of stride 2 leave so few
# pixels that a small batch would make matrices too small.
BATCHES = {"began-resnet18": 64, "wgan-gp": 64}
SIDE = 1024  # of the square matrices


@dataclass(frozen=True)
class Layout:
    """Memory layout of a tensor."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def random(self) -> Tensor:
        """Return a tensor of this layout with values from N(0, 1)."""
        # fills the underlying memory, since an expanded tensor has strides of 0
        extent = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.stride, strict=True))
        memory = torch.randn(extent, dtype=self.dtype, device=self.device)
        return memory.as_strided(self.shape, self.stride)


def layout_of(tensor: Tensor) -> Layout:
    """Return the memory layout of a tensor."""
    return Layout(tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)


class Call:
    """One operation that can be repeated on random data.

    Parameters
    ----------
    function : callable
        The torch operation.
    arguments, options : tuple, dict
        Arguments of the call, with layouts in place of tensors.
    """

    def __init__(self, function: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.function = function
        self.arguments, self.options = tree_map_only(Layout, Layout.random, (arguments, options))

    def __call__(self) -> Any:
        """Run the operation."""
        return self.function(*self.arguments, **self.options)

    def operations(self) -> int:
        """Return the number of floating-point operations by torch's formula."""
        formula = flop_registry[self.function.overloadpacket]
        return int(formula(*self.arguments, **self.options, out_val=self()))


class CallRecorder(TorchDispatchMode):
    """Context manager that counts the convolutions and matrix products of a block, equal calls together."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.calls: dict[str, Call] = {}

    def __torch_dispatch__(  # noqa: D105
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket in flop_registry:

            def without_data(value: Any) -> Any:
                return layout_of(value) if isinstance(value, Tensor) else value

            arguments, options = tree_map(without_data, (args, kwargs or {}))
            key = repr((str(func), arguments, options))
            self.counts[key] += 1
            if key not in self.calls:
                self.calls[key] = Call(func, arguments, options)
        return func(*args, **(kwargs or {}))

    def operations(self) -> int:
        """Return the number of floating-point operations of all recorded calls."""
        return sum(self.calls[key].operations() * count for key, count in self.counts.items())

    def seconds(self, repeats: int) -> float:
        """Return the seconds of all recorded calls, each call repeated alone."""
        return sum(median_seconds(self.calls[key], repeats) * count for key, count in self.counts.items())


def median_seconds(compute: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        compute()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def machine_rates() -> dict[str, Callable[[], Any]]:
    """Return a 3x3 convolution (64 channels, 32x32, batch 16, channels last) and a matrix product."""
    images = torch.randn(16, 64, 32, 32).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)
    left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return {
        "convolution": lambda: torch.nn.functional.conv2d(images, kernel, padding=1),
        "matrix": lambda: left @ right,
    }


RATE_OPERATIONS = {"convolution": 2 * 16 * 32 * 32 * 64 * 64 * 9, "matrix": 2 * SIDE**3}


def record_step(trainer: ThroughTrainer) -> CallRecorder:
    """Run one step and return its calls."""
    with CallRecorder() as recorder:
        trainer.advance(1)
    return recorder


def measure_one(given: dict[str, Any], request: Request) -> dict[str, Any]:
    """Time steps, their calls alone and the machine's rates in turns."""
    with TemporaryDirectory(prefix="floor-") as folder, torch.no_grad():
        with torch.enable_grad():
            trainer = ThroughTrainer(quiet_setup(given), Path(folder))
            if trainer.trainer.device.type != "cpu":
                raise ValueError("the floor is measured on a CPU; set CUDA_VISIBLE_DEVICES= to use the CPU")
            recorder = record_step(trainer)
            steps = warm_up({"step": trainer}, request.steps)
        step_seconds, floors = [], []
        rates: dict[str, list[float]] = {name: [] for name in RATE_OPERATIONS}
        for _ in range(request.pairs or PAIRS):
            with torch.enable_grad():
                step_seconds.append(timed(trainer, steps) / steps)
            floors.append(recorder.seconds(REPEATS))
            for name, compute in machine_rates().items():
                rates[name].append(RATE_OPERATIONS[name] / median_seconds(compute, RATE_REPEATS))
        trainer.close()
    # of the variant's graph; a faster algorithm for a layer may need more operations
    operations = cost(resolve(given)).step_operations
    assert operations is not None
    achieved = [operations / seconds for seconds in step_seconds]

    def share(of: list[float], by: list[float]) -> dict[str, Any]:
        return spread([a / b for a, b in zip(of, by, strict=True)])

    return {
        "configuration": given,
        "operations": operations,
        "operations_computed": recorder.operations(),
        "calls": sum(recorder.counts.values()),
        "steps_per_block": steps,
        "step_ms": 1e3 * median(step_seconds),
        "floor_ms": 1e3 * median(floors),
        "rates": {name: spread(each) for name, each in rates.items()},
        "share_of_convolution_rate": share(achieved, rates["convolution"]),
        "share_of_matrix_rate": share(achieved, rates["matrix"]),
        "floor_share": share(floors, step_seconds),
    }


def configurations(names: tuple[str, ...], threads: int) -> dict[str, dict[str, Any]]:
    """Return the two configurations of each variant by their names in the table."""
    chosen = {}
    for name in names:
        chosen[f"{name}, quick"] = quick(name, threads)
        chosen[f"{name}, published layers"] = published(name, threads, 64, 64, BATCHES.get(name, 8))
    return chosen


def measure(request: Request) -> dict[str, Any]:
    """Measure the quick preset and the published layers of each variant."""
    chosen = configurations(request.all_variants(), request.threads)
    return measure_each(list(chosen), lambda name: measure_one(chosen[name], request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per configuration."""
    header = ["configuration", "GFLOP a step", "step ms", "floor ms", "floor / step"]
    header += ["of convolution rate", "of matrix rate", "convolution GFLOP/s", "matrix GFLOP/s"]
    rows = []
    for name, row in result.items():
        if "error" not in row:
            numbers = [f"{row['operations'] / 1e9:.2f}", f"{row['step_ms']:.1f}", f"{row['floor_ms']:.1f}"]
            shares = ["floor_share", "share_of_convolution_rate", "share_of_matrix_rate"]
            rates = [f"{rate['median'] / 1e9:.0f}" for rate in row["rates"].values()]
            rows.append([name, *numbers, *(percent(row[share]) for share in shares), *rates])
    return with_notes(markdown(header, rows), [], result)
