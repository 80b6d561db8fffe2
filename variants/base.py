"""The contract between a variant and the harness: networks, losses and the state kept between steps.

A training step runs the phases of a variant in order. In each phase the variant computes its losses and
accumulates gradients on the parameters of the networks that the phase updates. The trainer owns the
optimizers: it zeroes those gradients before the phase and steps the optimizers of the updated networks
after it. At the end of the step the variant updates its persistent state, such as k.

A variant of the usual kind, two networks and a loss for each, is shorter as a subclass of
:class:`variants.families.two_player.TwoPlayer`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from variants.knobs import LARGEST, WIDEST, Knobs, Search, knob
from variants.latent_codes import LatentCode
from variants.noise import Noise
from variants.presets import Preset, PresetName
from variants.scalars import TrainingScalar

Optimizer = Literal["adam", "rmsprop", "sgd"]
SampleKind = Literal["images", "points"]
Scalars = dict[str, Tensor]  # name -> 0-d float32 tensor, detached, on the device


class VariantHyperparameters(Knobs):
    """Hyperparameters that every variant has."""

    filters: int = knob(128, "base width of the networks", unit="channels", low=1, high=1_000_000)
    latent_dim: int = knob(
        64, "size of the latent z", unit="dimensions", low=1, high=WIDEST, search=Search(8, 128, "log")
    )
    lr_g: float = knob(
        1e-4, "learning rate of the generator", above=0, high=LARGEST, search=Search(1e-5, 5e-3, "log")
    )
    lr_d: float = knob(
        1e-4, "learning rate of the discriminator", above=0, high=LARGEST, search=Search(1e-5, 5e-3, "log")
    )
    beta1: float = knob(
        0.9,
        "Adam's decay of the first moment; momentum of SGD",
        low=0,
        high=0.9999,
        search=Search(0.0, 0.9),
    )
    beta2: float = knob(0.999, "decay of the second moment of Adam and RMSprop", low=0, high=0.999999)
    adam_epsilon: float = knob(1e-8, "epsilon of Adam and RMSprop", above=0, high=LARGEST)

    def caveat(self) -> str:
        """Return a sentence to print below results with these hyperparameters, or an empty string.

        For hyperparameters that deviate from the published method.
        """
        return ""


class Network(NamedTuple):
    """A part of a variant that has an optimizer of its own.

    Attributes
    ----------
    module : nn.Module
        Its parameters with `requires_grad` are trained; those of several modules in an `nn.ModuleList`. The
        network ``generator`` is the module `generator`.
    learning_rate : str
        Name of the hyperparameter that holds the initial learning rate, such as ``lr_g``; the rate of each
        step is recorded under that name.
    optimizer : {"adam", "rmsprop", "sgd"}
        Its decays are the hyperparameters `beta1` and `beta2`.
    averaged : bool
        Whether the moving average (knob `ema_decay`) covers the network.
    label : str
        Name in tables; the network's own name if empty.
    """

    module: nn.Module
    learning_rate: str
    optimizer: Optimizer = "adam"
    averaged: bool = False
    label: str = ""

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the optimizer updates."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]


class Batch:
    """Inputs of one training step, or of one micro-batch where gradients are accumulated.

    Attributes
    ----------
    real : Tensor
        Real samples, float32 in [-1, 1], shape (B, C, H, W) for images, (B, N) for points. The trainer
        replaces the samples before each phase with `new_real_batch`; before the first one they are empty.
    labels : Tensor or None
        Classes of the real samples, int64 (B,); None where the data set has none. A function that returns
        them is called when they are first read: most variants never read them.
    noise : Noise
        Random draws of this step.
    may_cache_graphs : bool
        Whether `cache` may hold tensors with an autograd graph. False with micro-batches, which save memory.
    cache : dict of str to Tensor
        Tensors that one phase stores for a later phase of the same step.
    """

    def __init__(
        self,
        real: Tensor,
        noise: Noise,
        may_cache_graphs: bool = True,
        labels: Tensor | Callable[[], Tensor | None] | None = None,
    ) -> None:
        self.real = real
        self._labels = labels
        self.noise = noise
        self.may_cache_graphs = may_cache_graphs
        self.cache: dict[str, Tensor] = {}

    @property
    def labels(self) -> Tensor | None:
        """Classes of the real samples."""
        if callable(self._labels):
            self._labels = self._labels()
        return self._labels

    @labels.setter
    def labels(self, labels: Tensor | Callable[[], Tensor | None] | None) -> None:
        self._labels = labels


@dataclass(frozen=True)
class Phase:
    """One part of a training step: gradients, followed by an optimizer step.

    Attributes
    ----------
    updates : tuple of str
        Names of the networks whose optimizers step after the phase.
    accumulate_gradients : callable
        Takes a :class:`Batch`, adds gradients to the parameters of `updates` and to no others, and returns
        scalars to log, each a mean over samples. Scalars of the same name from several phases of a step are
        averaged.
    new_real_batch : bool
        Whether the phase starts with a new batch of real samples.
    every : int
        The phase takes place in the steps 1, 1 + every, 1 + 2 every, ... (lazy regularisation).
    after : callable or None
        Called after the optimizers' step, without gradients, for example to clip weights.
    """

    updates: tuple[str, ...]
    accumulate_gradients: Callable[[Batch], Scalars]
    new_real_batch: bool = True
    every: int = 1
    after: Callable[[], None] | None = None


class Variant(nn.Module, ABC):
    """A generative adversarial network that the trainer can run.

    Subclasses set the class attributes and define :meth:`build_networks`, :meth:`phases` and
    :meth:`draw_latent`; the other methods have defaults. State that persists
    between steps, such as k, is a registered buffer. Buffers that change in a phase become their mean over
    micro-batches and ranks; the moving average copies buffers from the network that it follows.

    Parameters
    ----------
    hyperparameters : VariantHyperparameters
        An instance of the class's own `Hyperparameters`.
    sample_shape : tuple of int
        Shape of one sample: (channels, height, width), height = width, for images; (N,) for points.
    classes : int
        Number of classes of a labelled data set; 0 for a data set without labels.

    Attributes
    ----------
    hyperparameters, sample_shape, classes
        As given.
    step : int
        The current step, from 1. The trainer sets `step` and `progress`, then calls :meth:`begin_step`.
    progress : float
        Part of the training that is done: 0 in the first step, 1 in the last one. A run whose steps read it
        cannot be extended.
    reads_progress : bool
        Whether `progress` was read since the start of training.

    Raises
    ------
    ValueError
        If the networks cannot be built for that shape, or for so many classes; the message names what is
        allowed.
    """

    name: ClassVar[str]
    # name in the names of runs, at most eight characters; empty: the beginning of `name`
    short_name: ClassVar[str] = ""
    title: ClassVar[str]
    source: ClassVar[str]
    Hyperparameters: ClassVar[type[VariantHyperparameters]]
    # what differs from the defaults in a preset, beside what the preset says for all variants
    presets: ClassVar[Mapping[PresetName, Preset]] = {}
    # the kinds of samples that the networks can make
    sample_kinds: ClassVar[tuple[SampleKind, ...]] = ("images",)
    # the scalars that are drawn, compared, selected by or watched; others are only recorded
    scalars: ClassVar[tuple[TrainingScalar, ...]] = ()
    # how a reconstruction is written in figures
    reconstruction: ClassVar[str] = "D(x)"
    # whether samples have a class: a latent is then [z, one-hot(y)], and the data set must have labels
    conditional: ClassVar[bool] = False

    hyperparameters: VariantHyperparameters
    generator: nn.Module
    discriminator: nn.Module

    def __init__(
        self, hyperparameters: VariantHyperparameters, sample_shape: tuple[int, ...], classes: int = 0
    ) -> None:
        super().__init__()
        self.hyperparameters = hyperparameters
        self.sample_shape = sample_shape
        self.classes = classes
        self.step = 1
        self.progress = 0.0
        self.reads_progress = False
        self.build_networks()
        for name, network in self.networks().items():
            if network.optimizer not in get_args(Optimizer):
                allowed = ", ".join(get_args(Optimizer))
                raise ValueError(f"optimizer {network.optimizer!r} of {name}: allowed are {allowed}")

    @property
    def progress(self) -> float:
        """Part of the training that is done: 0 in the first step, 1 in the last one."""
        self.reads_progress = True
        return self._progress

    @progress.setter
    def progress(self, value: float) -> None:
        self._progress = value

    @abstractmethod
    def build_networks(self) -> None:
        """Build `generator`, `discriminator` and whatever else is trained; draws initial weights.

        Raises
        ------
        ValueError
            If they cannot be built for `sample_shape` or `classes`; the message names what is allowed.
        """

    def networks(self) -> dict[str, Network]:
        """Return the networks that are trained, by name, ``generator`` among them."""
        return {
            "generator": Network(self.generator, "lr_g", averaged=True),
            "discriminator": Network(self.discriminator, "lr_d"),
        }

    def begin_step(self) -> None:
        """Update buffers that follow `step` and `progress`, such as the stage of a growing network."""

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of the current step, in order; they may depend on `step` and `progress`."""

    @abstractmethod
    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw latents from the prior, float32 (count, width): z, or [z, one-hot(y)] if conditional."""

    def with_class(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return conditional latents (B, width) whose last `classes` columns are one-hot(labels)."""
        one_hot = nn.functional.one_hot(labels, self.classes).to(latent)
        return torch.cat((latent[:, : latent.shape[1] - self.classes], one_hot), dim=1)

    def latent_codes(self) -> tuple[LatentCode, ...]:
        """Return the columns of latents that mean something, which grids sweep; none unless overridden.

        The class of a conditional variant is no such code: `conditional` declares it.
        """
        return ()

    def real_batches(self, steps: int) -> int:
        """Return how many real batches the first `steps` steps take.

        To be overridden where :meth:`phases` depends on the step.
        """
        return sum(-(-steps // phase.every) for phase in self.phases() if phase.new_real_batch)

    def scalars_after_phases(self, batch: Batch) -> Scalars:
        """Return scalars of the batch that need the updated networks; means over samples, as in a phase.

        They replace the phases' scalars of the same names.
        """
        return {}

    def update_state(self, scalars: Scalars) -> Scalars:
        """Update persistent state such as k from the step's averaged scalars; return extra scalars to log."""
        return {}

    def indivisible(self) -> str:
        """Return the reason why gradient accumulation is unsupported, or an empty string."""
        return ""

    def compilable(self) -> list[nn.Module]:
        """Return the modules that are safe to compile: no double backward passes through them."""
        return [self.generator]

    def encode(self, samples: Tensor) -> Tensor | None:
        """Return the encoder's codes (B, width), float32, of samples (B, ...); None without an encoder.

        The encoder is D's or one of its own. A variational encoder returns the mean. The width may differ
        from the size of z.
        """
        return None

    def decode(self, code: Tensor) -> Tensor | None:
        """Return decoded samples (B, ...) of codes (B, width); None without a decoder."""
        return None

    def reconstruct(self, samples: Tensor) -> Tensor | None:
        """Return reconstructions of samples (B, ...); None without an encoder or a decoder."""
        code = self.encode(samples)
        return None if code is None else self.decode(code)

    def trainable_parameters(self, network: str) -> list[nn.Parameter]:
        """Return the parameters of a network that its optimizer updates."""
        return self.networks()[network].trainable_parameters()


def parameter_count(module: nn.Module) -> int:
    """Return the number of scalar parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def parameter_counts(variant: Variant) -> dict[str, int]:
    """Return the number of scalar parameters of each network, by its name."""
    return {name: parameter_count(network.module) for name, network in variant.networks().items()}
