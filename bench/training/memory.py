"""Memory that a run needs, estimated before any of it is taken, and memory that there is.

The estimate is a lower bound: a run that is refused could not have been trained.
"""

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.configuration import Configuration
from bench.system.errors import RequestError
from bench.system.os_errors import size_in_words
from bench.training.cost import MetaNoise
from variants.base import Batch, Variant, parameter_count
from variants.modules.activation_checkpointing import CheckpointedModule

META = torch.device("meta")
FLOAT = 4  # bytes
# below this share of the memory that a rough upper bound gives, a step is not looked at closely
SMALL = 0.25
ROUGH_LAYERS = 150  # feature maps of full size and width that are kept for the gradient, at most


@dataclass(frozen=True)
class Need:
    """Bytes that a run needs at least.

    Attributes
    ----------
    networks : int
        Weights, gradients, Adam's two moments and the moving average.
    step : int
        What a training step holds beside them; 0 where that is small.
    latents : int
        Latents of an evaluation, which are drawn at once.
    """

    networks: int
    step: int
    latents: int

    @property
    def total(self) -> int:
        """Evaluation and training step do not meet."""
        return self.networks + max(self.step, self.latents)


def check(
    configuration: Configuration, shape: tuple[int, ...], device: torch.device, processes: int = 1
) -> None:
    """Refuse a run that does not fit into memory, and say what would.

    Parameters
    ----------
    configuration : Configuration
        The run.
    shape : tuple of int
        Shape of one sample.
    device : torch.device
        Where it is to be trained.
    processes : int
        Processes that share a batch.

    Raises
    ------
    RequestError
        If it needs more than there is.
    ValueError
        If the variant cannot be built at that size.
    """
    free = available(device)
    need = estimate(configuration, shape, free, processes)
    if need.total <= free:
        return
    flat = configuration.flat()
    if need.networks > free:
        defaults = configuration.variant.Hyperparameters()
        knob = max(("filters", "latent_dim"), key=lambda name: flat[name] / getattr(defaults, name))
        what = "networks"
    elif need.latents > need.step:
        knob, what = "eval_samples", "the latents of an evaluation"
    else:
        knob, what = "batch_size", "a training step"
    where = "this machine" if device.type == "cpu" else "the GPU"
    message = (
        f"{knob}: {flat[knob]} is not possible: the run needs at least {size_in_words(need.total)} of "
        f"memory, most of it for {what}, and {where} has {size_in_words(free)} free"
    )
    fits = largest(configuration, knob, shape, free, processes)
    message += f"; {knob}={fits} would fit" if fits else "; smaller networks or batches need less"
    if knob == "batch_size":
        message += ", more micro_batches or activation_checkpointing need less"
    raise RequestError(message)


def largest(
    configuration: Configuration, knob: str, shape: tuple[int, ...], free: int, processes: int
) -> int | None:
    """The value of a knob, halved until the run fits; None where that does not help."""
    value = int(configuration.flat()[knob])
    while (value := value // 2) > 0:
        try:
            changed = configuration.with_values(**{knob: value})
            if estimate(changed, shape, free, processes).total <= free:
                return value
        except (RequestError, ValueError):
            return None
    return None


def estimate(configuration: Configuration, shape: tuple[int, ...], free: int, processes: int = 1) -> Need:
    """What a run needs at least; nothing is computed and nothing allocated.

    Parameters
    ----------
    configuration, shape, processes
        As for :func:`check`.
    free : int
        Bytes that there are: a step that is small beside them is not looked at.
    """
    harness, own = configuration.harness, configuration.hyperparameters
    variant = _built(configuration, shape)
    count = parameter_count(variant.generator) + parameter_count(variant.discriminator)
    average = parameter_count(variant.generator) if harness.ema_decay else 0
    latents = FLOAT * harness.eval_samples * own.latent_dim
    networks = FLOAT * (4 * count + average)
    batch = max(1, harness.batch_size // max(harness.micro_batches or 1, processes))
    elements = batch * (shape[-1] ** 2 if len(shape) == 3 else 1)
    if networks > free or FLOAT * ROUGH_LAYERS * elements * own.filters < SMALL * free:
        return Need(networks, 0, latents)
    held = _held_in_step(configuration, shape, batch)
    # gradients are among the networks already
    return Need(networks, max(0, held - FLOAT * count), latents)


def available(device: torch.device) -> int:
    """Bytes that can still be taken: of the GPU, or of this machine and the share it gives this process."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return min(int(psutil.virtual_memory().available), *_shares())


def _shares() -> list[int]:
    """What the control groups of this process leave of their limits, on Linux."""
    left = []
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")):
        for limit, used in names:
            try:
                left.append(int((root / limit).read_text()) - int((root / used).read_text()))
            except (OSError, ValueError):
                # no such kind of group, or no limit
                continue
    return [max(0, bytes_left) for bytes_left in left] or [2**63]


def _built(configuration: Configuration, shape: tuple[int, ...]) -> Variant:
    with META, _Uninitialised():
        return configuration.variant(configuration.hyperparameters, shape)


def _held_in_step(configuration: Configuration, shape: tuple[int, ...], batch: int) -> int:
    """The most that the tensors of a step's phases take at a time, for one part of the batch."""
    harness = configuration.harness
    variant = _built(configuration, shape)
    for module in variant.modules():
        if isinstance(module, CheckpointedModule):
            module.checkpoints_activations = harness.activation_checkpointing
    with META:
        samples = Batch(torch.zeros(batch, *shape), MetaNoise())
        with _Held() as held:
            for phase in variant.phases():
                phase.accumulate_gradients(samples)
    return held.most // (2 if harness.compute_dtype == "bfloat16" else 1)


class _Uninitialised(TorchFunctionMode):
    """Leaves weights without values: the first random one on the meta device costs seconds of imports."""

    def __torch_function__(  # noqa: D105
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class _Held(TorchDispatchMode):
    """Adds up the storages that operations make and that are still in use."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(  # noqa: D105
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._take(value.untyped_storage())
        self.most = max(self.most, self.now)
        return result

    def _take(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.now += size
            weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
