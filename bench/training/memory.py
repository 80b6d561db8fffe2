"""Memory that a run needs, estimated before training, and memory that is available.

The estimate is a lower bound: a run that is refused could not have been trained.
"""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.configuration import Configuration
from bench.system.errors import RequestError
from bench.system.os_errors import format_size
from bench.training.cost import Operation, empty_batch, needs_values
from bench.training.step import moments_of
from variants.base import Variant, parameter_count
from variants.modules.activation_checkpointing import CheckpointedModule

META = torch.device("meta")
FLOAT = 4  # bytes
# a step is not estimated exactly if a rough upper bound is below this fraction of the available memory
SMALL = 0.25
ROUGH_LAYERS = 150  # upper bound on feature maps of full size and width kept for the backward pass


@dataclass(frozen=True)
class Need:
    """Lower bounds on the bytes that a run needs.

    Attributes
    ----------
    networks : int
        Weights, gradients, the optimizers' moments and the moving average.
    step : int
        Other tensors of a training step; 0 if they are few.
    latents : int
        Latents of an evaluation, which are drawn together.
    """

    networks: int
    step: int
    latents: int

    @property
    def total(self) -> int:
        """Peak of a run; evaluation and training step do not overlap."""
        return self.networks + max(self.step, self.latents)


def require_memory(
    configuration: Configuration,
    shape: tuple[int, ...],
    device: torch.device,
    processes: int = 1,
    classes: int = 0,
) -> None:
    """Raise RequestError if a run does not fit into memory; the message names a value that fits.

    Parameters
    ----------
    configuration : Configuration
        Configuration of the run.
    shape : tuple of int
        Shape of one sample.
    device : torch.device
        Device to train on.
    processes : int
        Processes that share a batch.
    classes : int
        Number of classes of the data; 0 without labels.

    Raises
    ------
    RequestError
        If the run needs more memory than is available.
    ValueError
        If the variant cannot be built at the configured size.
    """
    free = available(device)
    need = estimate(configuration, shape, free, processes, classes)
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
        f"{knob}: {flat[knob]} is not possible: the run needs at least {format_size(need.total)} of "
        f"memory, most of it for {what}, and {where} has {format_size(free)} free"
    )
    fits = largest(configuration, knob, shape, free, processes, classes)
    message += f"; {knob}={fits} would fit" if fits else "; smaller networks or batches need less"
    if knob == "batch_size":
        message += ", more micro_batches or activation_checkpointing need less"
    raise RequestError(message)


def largest(
    configuration: Configuration,
    knob: str,
    shape: tuple[int, ...],
    free: int,
    processes: int,
    classes: int = 0,
) -> int | None:
    """Halve the value of a knob until the run fits; return None if it never fits."""
    value = configuration.flat()[knob]
    assert isinstance(value, int)
    while (value := value // 2) > 0:
        try:
            changed = configuration.with_values(**{knob: value})
            if estimate(changed, shape, free, processes, classes).total <= free:
                return value
        except (RequestError, ValueError):
            return None
    return None


def estimate(
    configuration: Configuration,
    shape: tuple[int, ...],
    free: int,
    processes: int = 1,
    classes: int = 0,
) -> Need:
    """Estimate the memory of a run; nothing is computed and nothing allocated.

    Parameters
    ----------
    configuration, shape, processes, classes
        As for :func:`require_memory`.
    free : int
        Available bytes; steps that are small in comparison are not estimated exactly.
    """
    harness, own = configuration.harness, configuration.hyperparameters
    variant = _built(configuration, shape, classes)
    held = gradients = 0
    for name, network in variant.networks().items():
        weights = parameter_count(network.module)
        trained = sum(parameter.numel() for parameter in variant.trainable_parameters(name))
        gradients += FLOAT * trained
        held += FLOAT * (weights + trained * (1 + moments_of(network, own)))
        held += FLOAT * weights if network.averaged and harness.ema_decay else 0
    latents = FLOAT * harness.eval_samples * (own.latent_dim + (classes if variant.conditional else 0))
    batch = max(1, harness.batch_size // max(harness.micro_batches or 1, processes))
    elements = batch * (shape[-1] ** 2 if len(shape) == 3 else 1)
    if held > free or FLOAT * ROUGH_LAYERS * elements * own.filters < SMALL * free:
        return Need(held, 0, latents)
    # gradients are among the networks already
    step = _held_in_step(configuration, shape, batch, classes) - gradients
    return Need(held, max(0, step), latents)


def available(device: torch.device) -> int:
    """Return the bytes available on the GPU, or on this machine within the limits of its control groups."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return min(int(psutil.virtual_memory().available), *_shares())


def _shares() -> list[int]:
    """Return the bytes that Linux control groups of this process leave available."""
    left = []
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")):
        for limit, used in names:
            try:
                left.append(int((root / limit).read_text()) - int((root / used).read_text()))
            except (OSError, ValueError):
                # this version of control groups is not in use, or sets no limit
                continue
    return [max(0, bytes_left) for bytes_left in left] or [2**63]


def _built(configuration: Configuration, shape: tuple[int, ...], classes: int) -> Variant:
    with META, _Uninitialised():
        return configuration.variant(configuration.hyperparameters, shape, classes)


def _held_in_step(configuration: Configuration, shape: tuple[int, ...], batch: int, classes: int) -> int:
    """Return the peak bytes of the tensors of the first step's phases, for one micro-batch.

    A later step with other phases may need more. Where a phase reads values of tensors, which are not there,
    the peak until then.
    """
    harness = configuration.harness
    variant = _built(configuration, shape, classes)
    for module in variant.modules():
        if isinstance(module, CheckpointedModule):
            module.checkpoints_activations = harness.activation_checkpointing
    with META:
        samples = empty_batch(batch, shape, classes)
        samples.may_cache_graphs = batch == harness.batch_size
        # a network that grows is largest at the end
        variant.progress = 1.0
        with _Held() as held:
            try:
                variant.begin_step()
                # the same phase again needs no more
                for phase in dict.fromkeys(variant.phases()):
                    phase.accumulate_gradients(samples)
            except (RuntimeError, TypeError) as error:
                if not needs_values(error):
                    raise
    return held.most // (2 if harness.compute_dtype == "bfloat16" else 1)


class _Uninitialised(TorchFunctionMode):
    """Skips initialisation of weights: the first random one on the meta device costs seconds of imports."""

    def __torch_function__(  # noqa: D105
        self,
        func: Operation,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class _Held(TorchDispatchMode):
    """Sums the sizes of all storages that are created by operations and still referenced."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(  # noqa: D105
        self,
        func: Operation,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._add(value.untyped_storage())
        self.most = max(self.most, self.now)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.now += size
            weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
