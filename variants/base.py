"""The contract between a variant and the harness: networks, losses and the state kept between steps.

One training step runs the phases of a variant in order. In each phase the variant computes its losses and
accumulates gradients on the parameters of the networks that the phase updates. The trainer owns the
optimizers: it zeroes those gradients before the phase and steps the optimizers of the updated networks
after it. At the end of the step the variant updates its persistent state, such as k.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from variants.knobs import LARGEST, WIDEST, Knobs, Preset, Search, knob
from variants.noise import Noise

NetworkName = Literal["generator", "discriminator"]
Scalars = dict[str, Tensor]  # name -> 0-d float32 tensor, detached, on the device


class VariantHyperparameters(Knobs):
    """Hyperparameters that every variant has."""

    filters: int = knob(128, "base width of the networks", unit="channels", low=1, high=1_000_000)
    latent_dim: int = knob(
        64, "size of the latent z", unit="dimensions", low=1, high=WIDEST, search=Search(8, 128, "log")
    )
    lr_g: float = knob(
        1e-4, "Adam's learning rate of the generator", above=0, high=LARGEST, search=Search(1e-5, 5e-3, "log")
    )
    lr_d: float = knob(
        1e-4,
        "Adam's learning rate of the discriminator",
        above=0,
        high=LARGEST,
        search=Search(1e-5, 5e-3, "log"),
    )
    beta1: float = knob(0.9, "Adam's decay of the first moment", low=0, high=0.9999, search=Search(0.0, 0.9))
    beta2: float = knob(0.999, "Adam's decay of the second moment", low=0, high=0.999999)
    adam_epsilon: float = knob(1e-8, "Adam's epsilon", above=0, high=LARGEST)

    def caveat(self) -> str:
        """Return a sentence to print below results with these hyperparameters, or an empty string.

        For hyperparameters that deviate from the published method.
        """
        return ""


class Batch:
    """Inputs of one training step, or of one micro-batch where gradients are accumulated.

    Attributes
    ----------
    real : Tensor
        Real samples, float32 in [-1, 1], shape (B, C, H, W) for images, (B, N) for points. The trainer
        replaces the samples before each phase with `new_real_batch`.
    noise : Noise
        Random draws of this step.
    may_cache_graphs : bool
        Whether `cache` may hold tensors with an autograd graph. False with micro-batches, which save memory.
    cache : dict of str to Tensor
        Tensors that one phase stores for a later phase of the same step.
    """

    def __init__(self, real: Tensor, noise: Noise, may_cache_graphs: bool = True) -> None:
        self.real = real
        self.noise = noise
        self.may_cache_graphs = may_cache_graphs
        self.cache: dict[str, Tensor] = {}


@dataclass(frozen=True)
class Phase:
    """One part of a training step: gradients, followed by an optimizer step.

    Attributes
    ----------
    updates : tuple of {"generator", "discriminator"}
        Networks whose optimizers step after the phase.
    accumulate_gradients : callable
        Takes a :class:`Batch`, adds gradients to the parameters of `updates` and to no others, and returns
        scalars to log, each a mean over samples.
    new_real_batch : bool
        Whether the phase starts with a new batch of real samples.
    """

    updates: tuple[NetworkName, ...]
    accumulate_gradients: Callable[[Batch], Scalars]
    new_real_batch: bool = True


class Variant(nn.Module, ABC):
    """A generative adversarial network that the trainer can run.

    Subclasses set the class attributes, build `generator` and `discriminator` in the constructor and
    define :meth:`phases` and :meth:`draw_latent`; the other methods have defaults. State that persists
    between steps, such as k, is a registered buffer.

    Parameters
    ----------
    hyperparameters : VariantHyperparameters
        An instance of the class's own `Hyperparameters`.
    sample_shape : tuple of int
        Shape of one sample: (channels, height, width), height = width, for images; (N,) for points.

    Raises
    ------
    ValueError
        If the networks cannot be built for that shape; the message names the allowed shapes.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    Hyperparameters: ClassVar[type[VariantHyperparameters]]
    # preset name -> configuration keys and hyperparameters whose values differ from the defaults
    presets: ClassVar[dict[str, Preset]]

    # whether the scalars include the convergence measure M, which learning rates may follow
    measures_convergence: ClassVar[bool] = False

    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, hyperparameters: VariantHyperparameters, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sample_shape = sample_shape

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of one training step, in order."""

    @abstractmethod
    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw latents z from the prior, float32 (count, latent_dim)."""

    def scalars_after_phases(self, batch: Batch) -> Scalars:
        """Return scalars of the batch that need the updated networks; means over samples, as in a phase."""
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
        """Return the discriminator's codes (B, width), float32, of samples (B, ...); None without an encoder.

        A variational encoder returns the mean. The width may differ from the size of z.
        """
        return None

    def decode(self, code: Tensor) -> Tensor | None:
        """Return the discriminator's samples (B, ...) for codes (B, width); None without a decoder."""
        return None

    def reconstruct(self, samples: Tensor) -> Tensor | None:
        """Return the discriminator's reconstructions of samples (B, ...); None without an autoencoder."""
        code = self.encode(samples)
        return None if code is None else self.decode(code)

    def trainable_parameters(self, network: NetworkName) -> list[nn.Parameter]:
        """Return the parameters of a network that its optimizer updates."""
        module = self.generator if network == "generator" else self.discriminator
        return [parameter for parameter in module.parameters() if parameter.requires_grad]


def parameter_count(module: nn.Module) -> int:
    """Return the number of scalar parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
