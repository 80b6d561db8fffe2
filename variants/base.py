"""What the harness knows of a variant, and all it knows.

A step of training is a list of phases. In each phase the variant leaves gradients on the
parameters of the networks it names, and the trainer, which owns the optimizers, then moves
those networks. After the phases the variant settles what it keeps between steps, such as k.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from variants.knobs import LARGEST, WIDEST, Knobs, Search, knob
from variants.noise import Noise

NetworkName = Literal["generator", "discriminator"]
Scalars = dict[str, Tensor]


# What a run on points, and one on three digits at once, is beside any variant's settings: a point needs no
# thread of its own, and 1,000 modes need many samples to be counted.
POINTS: dict[str, Any] = {
    "dataset": "ring-8",
    "image_size": None,
    "threads": 1,
    "layers": "points",
    "eval_samples": 2500,
}
STACKED: dict[str, Any] = {
    "dataset": "stacked-mnist",
    "image_size": 32,
    "steps": 2000,
    "eval_every": 1000,
    "eval_samples": 26_000,
}


class VariantHyperparameters(Knobs):
    """Knobs that every variant has."""

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


class Batch:
    """What one step has to work with, or one part of its batch where gradients are accumulated.

    Attributes
    ----------
    real : Tensor
        Real samples, float32 in [-1, 1], shape (B, C, H, W) or, of points, (B, N). The trainer
        replaces it before each phase that asks for new ones.
    noise : Noise
        This step's random draws.
    keeps_graphs : bool
        Whether what is kept may hold a graph of gradients: not where memory is short.
    kept : dict
        What one phase leaves for a later one of the same step.
    """

    def __init__(self, real: Tensor, noise: Noise, keeps_graphs: bool = True) -> None:
        self.real = real
        self.noise = noise
        self.keeps_graphs = keeps_graphs
        self.kept: dict[str, Tensor] = {}


@dataclass(frozen=True)
class Phase:
    """One pass that ends in an optimizer step.

    Attributes
    ----------
    updates : tuple of str
        The networks whose optimizers step after it.
    accumulate_gradients : callable
        Takes the :class:`Batch`, adds gradients on the parameters of `updates` and on no others,
        and returns named scalars (0-d float32 tensors, detached, on the device), each a mean over samples.
    new_real : bool
        Whether it starts with a new real batch.
    """

    updates: tuple[NetworkName, ...]
    accumulate_gradients: Callable[[Batch], Scalars]
    new_real: bool = True


class Variant(nn.Module):
    """A generative adversarial network that the trainer can run.

    Subclasses set the class attributes, build `generator` and `discriminator` in the constructor
    and define :meth:`phases`. Whatever lives between steps, such as k, is a registered buffer.

    Parameters
    ----------
    hyperparameters : VariantHyperparameters
        An instance of the class's own `Hyperparameters`.
    sample_shape : tuple of int
        Shape of one sample: (channels, height, width), height = width, of images; (N,) of points.

    Raises
    ------
    ValueError
        If the networks cannot be built at that shape; the message says what is allowed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    Hyperparameters: ClassVar[type[VariantHyperparameters]]
    # preset name -> values of configuration keys and hyperparameters that differ from the defaults
    presets: ClassVar[dict[str, dict[str, Any]]]

    # whether its scalars hold M, the measure of convergence that learning rates may follow
    measures_convergence: ClassVar[bool] = False

    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, hyperparameters: VariantHyperparameters, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sample_shape = sample_shape

    @classmethod
    def caveat(cls, hyperparameters: Any) -> str:
        """A sentence that must stand below results with these hyperparameters; empty where none must.

        Such as one that says in what they are not the published method.

        Parameters
        ----------
        hyperparameters : VariantHyperparameters
            An instance of the class's own `Hyperparameters`.
        """
        return ""

    def phases(self) -> tuple[Phase, ...]:
        """The passes of one step, in order."""
        raise TypeError(f"{type(self).__name__} does not say what its phases are")

    def measure(self, batch: Batch) -> Scalars:
        """Measure what is wanted of the step's samples after the phases: scalars as a phase's."""
        return {}

    def update_state(self, scalars: Scalars) -> Scalars:
        """Move what lives between steps, by the scalars of the whole batch; return further ones."""
        return {}

    def indivisible(self) -> str:
        """Why a batch cannot be passed in parts; empty where it can."""
        return ""

    def compilable(self) -> list[nn.Module]:
        """Networks, or parts of them, that are called as modules and of whose gradients none are taken."""
        return [self.generator]

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw `count` latents z, float32 (count, latent_dim), from the variant's prior."""
        raise TypeError(f"{type(self).__name__} does not say how z is drawn")

    def encode(self, samples: Tensor) -> Tensor | None:
        """The discriminator's code of samples (B, ...), float32 (B, width), or None without an encoder.

        The mean of a variational encoder. The width need not be that of z.
        """
        return None

    def decode(self, code: Tensor) -> Tensor | None:
        """The discriminator's samples (B, ...) of codes (B, width), or None without a decoder."""
        return None

    def reconstruct(self, samples: Tensor) -> Tensor | None:
        """The discriminator's reconstruction of samples (B, ...), or None where it makes none."""
        code = self.encode(samples)
        return None if code is None else self.decode(code)

    def trainable(self, network: NetworkName) -> list[nn.Parameter]:
        """The parameters that a phase naming `network` moves."""
        module: nn.Module = getattr(self, network)
        return [parameter for parameter in module.parameters() if parameter.requires_grad]


def parameter_count(module: nn.Module) -> int:
    """Number of scalars in the parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def initialise(module: nn.Module, weight: Callable[[Tensor], Any]) -> None:
    """Set every convolution's and linear layer's weight by `weight`, and its bias to zero."""
    for layer in layers_with_weights(module):
        weight(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def layers_with_weights(module: nn.Module) -> Iterator[nn.Conv2d | nn.ConvTranspose2d | nn.Linear]:
    """Convolutions and linear layers of a module, in order."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            yield layer


# norms whose value depends on the batch size B too (as 1/sqrt(B)): M is comparable at equal B only
NORMS_THAT_DEPEND_ON_BATCH_SIZE = frozenset({"frobenius"})


def mean_loss(residual: Tensor, norm: str) -> Tensor:
    """L(v) of a residual v - D(v), shape (B, ...), under a named norm.

    ``l1`` is the mean absolute error, ``l2`` the mean squared error and ``frobenius`` the Frobenius
    norm of the whole batch over the batch size, as the BEGAN-CS program has it (it scales as
    1/sqrt(B)). M under different norms cannot be compared.
    """
    if norm == "l1":
        return residual.abs().mean()
    if norm == "l2":
        return residual.square().mean()
    if norm == "frobenius":
        return torch.linalg.vector_norm(residual) / residual.shape[0]
    raise ValueError(f"norm {norm!r} is none of l1, l2, frobenius")
