"""The usual GAN: a generator, a network that scores samples, and a loss for each.

A subclass states two losses. Phases, latents, networks for images and for points, and initial weights have
defaults, and each of them is a method or an attribute that the subclass may replace.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from variants.base import (
    Batch,
    Network,
    Optimizer,
    Phase,
    SampleKind,
    Scalars,
    VariantHyperparameters,
)
from variants.families.scoring import Loss, Scoring
from variants.knobs import Knobs, knob
from variants.modules.autoencoders import Decoder, Trunk, in_float32
from variants.modules.initialisation import initialise
from variants.modules.networks import leaky_relu, strided_trunk, transposed_decoder
from variants.modules.point_networks import initialise_point_networks, point_decoder, point_trunk
from variants.modules.self_attention import attended_side
from variants.noise import Noise
from variants.parts.batch_statistics import batch_statistics
from variants.presets import Preset, PresetName, Training
from variants.scalars import Panel, TrainingScalar

# Sizes with which runs take minutes; learning rates belong to the losses of a variant.
QUICK = Preset({"filters": 16, "latent_dim": 16}, Training(steps=3000, batch_size=32))
POINTS = Preset({"latent_dim": 2}, Training(steps=3000, lr_window=750))

LOSSES = Panel("losses")


class TwoPlayerHyperparameters(VariantHyperparameters):
    """Hyperparameters of the family."""

    filters: int = knob(64, "base width of the networks", unit="channels", low=1, high=1_000_000)
    prior: Literal["normal", "uniform"] = knob("normal", "z ~ N(0, I) or U[-1, 1]")


class DiscriminatorNorm(Knobs):
    """The norm of D, for variants that have the choice."""

    discriminator_norm: Literal["batch", "none"] = knob("none", "norm of the hidden layers of D")


class Discriminator(nn.Module):
    """Maps samples to one score each; to scores of pairs if the samples have companions.

    Parameters
    ----------
    trunk : Trunk
        Maps samples to features. The samples have one further channel (or coordinate) for each value of a
        companion, such as the one-hot class of a sample or its latent.
    statistics : nn.Module or None
        Appends statistics of the batch to the features (B, features).
    further : int
        Number of statistics that are appended.
    """

    def __init__(self, trunk: Trunk, statistics: nn.Module | None = None, further: int = 0) -> None:
        super().__init__()
        self.trunk = trunk
        self.statistics = nn.Identity() if statistics is None else statistics
        self.score = nn.Linear(trunk.features + further, 1)

    def forward(self, samples: Tensor, companions: Tensor | None = None) -> Tensor:
        """Map samples (B, ...), and their companions (B, width) if there are any, to scores (B,)."""
        return self.score_features(self.trunk(self.with_companions(samples, companions)))

    def score_features(self, features: Tensor) -> Tensor:
        """Map the trunk's features (B, features) to scores (B,)."""
        return in_float32(self.score(self.statistics(features))).squeeze(1)

    def with_companions(self, samples: Tensor, companions: Tensor | None) -> Tensor:
        """Return samples (B, C, ...) with a further, constant channel for each value of a companion."""
        if companions is None:
            return samples
        planes = companions[(...,) + (None,) * (samples.dim() - 2)]
        return torch.cat((samples, planes.expand(*companions.shape, *samples.shape[2:])), dim=1)


class TwoPlayer(Scoring):
    """A GAN of two losses: :meth:`discriminator_loss` and :meth:`generator_loss`.

    A step trains the discriminator :meth:`discriminator_steps` times, each on a real batch of its own and
    on samples that do not train the generator, then the generator once. The networks are DCGAN's layers for
    images and small networks of linear layers for points.
    """

    Hyperparameters: ClassVar[type[VariantHyperparameters]] = TwoPlayerHyperparameters
    hyperparameters: TwoPlayerHyperparameters
    scalars: ClassVar[tuple[TrainingScalar, ...]] = (
        TrainingScalar("loss_d", "L_D", panel=LOSSES, in_progress=True),
        TrainingScalar("loss_g", "L_G", panel=LOSSES, in_progress=True),
    )
    sample_kinds: ClassVar[tuple[SampleKind, ...]] = ("images", "points")
    presets: ClassVar[Mapping[PresetName, Preset]] = {"quick": QUICK, "points": POINTS}
    # whether the losses see samples of latents of the prior; otherwise `fake` has no samples
    generates: ClassVar[bool] = True
    # of every network
    optimizer: ClassVar[Optimizer] = "adam"
    # whether hidden layers for images have batch norm, unless there is a knob for it
    generator_norm: ClassVar[bool] = True
    discriminator_norm: ClassVar[bool] = False
    # whether maps of images, of one side, have self-attention
    self_attention: ClassVar[bool] = False
    # standard deviation of normal initial weights for images; 0 for that of He et al.
    weight_deviation: ClassVar[float] = 0.0
    # attributes that hold further networks, by the phase that trains them at the rate of its main network
    trained_with_generator: tuple[str, ...] = ()
    trained_with_discriminator: tuple[str, ...] = ()

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D.

        Parameters
        ----------
        real, fake : Tensor
            Real samples (B, ...), and as many of the generator, without a graph.
        latent : Tensor
            Latents of the fake samples, (B, width).
        batch : Batch
            With the labels of the real samples, and noise.
        """

    @abstractmethod
    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G of samples (B, ...) of the generator and their latents (B, width)."""

    def discriminator_steps(self, step: int) -> int:
        """Return how often a step trains the discriminator; 0 for a step of the generator alone."""
        return 1

    def after_discriminator(self) -> None:
        """Called after each step of the discriminator's optimizer, for example to clip weights."""

    @property
    def latent_width(self) -> int:
        """Size of a latent: that of z, and the number of classes if the variant is conditional."""
        return self.hyperparameters.latent_dim + (self.classes if self.conditional else 0)

    def build_networks(self) -> None:
        """Build the networks and draw their initial weights."""
        self.generator = self.build_generator()
        self.discriminator = self.build_discriminator()
        self.build_further_networks()
        self.initialise_weights()
        self.add_parts()

    def build_generator(self) -> nn.Module:
        """Build a network from latents (B, latent_width) to samples."""
        return self.build_decoder(self.latent_width)

    def build_further_networks(self) -> None:
        """Build the networks that `trained_with_generator` and `trained_with_discriminator` name."""

    def build_decoder(self, width: int) -> Decoder:
        """Build layers from latents or codes (B, width) to samples."""
        filters = self.hyperparameters.filters
        if len(self.sample_shape) == 1:
            return point_decoder(self.sample_shape[0], filters, width, normalise=False)
        channels, size, _ = self.sample_shape
        return transposed_decoder(
            channels,
            size,
            filters,
            width,
            normalise=self.generator_norm,
            attention_at=attended_side(size) if self.self_attention else 0,
        )

    def build_discriminator(self) -> nn.Module:
        """Build a network from samples, and their classes if the variant is conditional, to scores (B,)."""
        return self.build_scorer(self.classes if self.conditional else 0)

    def build_scorer(self, companions: int = 0) -> Discriminator:
        """Build a network from samples and companions (B, companions) to scores, with the parts it has.

        The network sees as many samples at once as packing says.
        """
        trunk = self.build_trunk(companions, packed=self.packed)
        return Discriminator(trunk, *batch_statistics(self.hyperparameters, trunk.features))

    def build_trunk(self, further_channels: int = 0, packed: int = 1) -> Trunk:
        """Build layers from `packed` samples, with some further channels or coordinates, to flat features."""
        filters = self.hyperparameters.filters
        inputs = packed * (self.sample_shape[0] + further_channels)
        knobs = self.hyperparameters
        by_knob = isinstance(knobs, DiscriminatorNorm) and knobs.discriminator_norm == "batch"
        if len(self.sample_shape) == 1:
            return point_trunk(inputs, filters, leaky_relu, normalise=by_knob)
        size = self.sample_shape[1]
        return strided_trunk(
            inputs,
            size,
            filters,
            leaky_relu,
            normalise=by_knob or self.discriminator_norm,
            attention_at=attended_side(size) if self.self_attention else 0,
        )

    def initialise_weights(self) -> None:
        """Draw initial weights: for images normal; for points such that both networks span the data."""
        if len(self.sample_shape) == 1 and isinstance(self.generator, Decoder):
            initialise_point_networks(self.generator, self.discriminator)
        elif self.weight_deviation:
            initialise(self, lambda weight: nn.init.normal_(weight, std=self.weight_deviation))
        else:
            initialise(self, lambda weight: nn.init.kaiming_normal_(weight, a=0.2))

    def networks(self) -> dict[str, Network]:
        """Return the two networks and those that are trained with them."""
        found = {"generator": Network(self.generator, "lr_g", self.optimizer, averaged=True)}
        for name in self.trained_with_generator:
            found[name] = Network(getattr(self, name), "lr_g", self.optimizer)
        for name in ("discriminator", *self.trained_with_discriminator):
            found[name] = Network(getattr(self, name), "lr_d", self.optimizer)
        return found

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of the discriminator, then the phase of the generator."""
        discriminator = Phase(
            ("discriminator", *self.trained_with_discriminator),
            self._discriminator_phase,
            after=self._after_discriminator,
        )
        steps = self.discriminator_steps(self.step)
        generator = Phase(
            ("generator", *self.trained_with_generator),
            self._generator_phase,
            # a step that does not train the discriminator has no other
            new_real_batch=steps == 0,
        )
        return (discriminator,) * steps + (generator,)

    def real_batches(self, steps: int) -> int:
        """Return how many real batches the first `steps` steps take: one a training of the discriminator.

        A step that does not train the discriminator takes one too.
        """
        return sum(self.discriminator_steps(step) or 1 for step in range(1, steps + 1))

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw z, or [z, one-hot(y)] with uniform classes y, float32 (count, latent_width)."""
        shape = (count, self.hyperparameters.latent_dim)
        if self.hyperparameters.prior == "uniform":
            latent = noise.uniform(purpose, shape, -1.0, 1.0)
        else:
            latent = noise.normal(purpose, shape)
        if not self.conditional:
            return latent
        labels = noise.integers(f"{purpose}: class", (count,), self.classes)
        return torch.cat((latent, self.one_hot(labels)), dim=1)

    def one_hot(self, labels: Tensor) -> Tensor:
        """Return classes (B,) as float32 (B, classes)."""
        return nn.functional.one_hot(labels, self.classes).float()

    def backward(self, name: str, loss: Loss, networks: tuple[str, ...]) -> Scalars:
        """Add the gradients of a loss to the parameters of networks, and to no others.

        Returns
        -------
        dict of str to Tensor
            The loss under `name`, and the scalars that came with the loss.

        Raises
        ------
        ValueError
            If the loss or a scalar is no 0-d tensor.
        """
        total, further = loss if isinstance(loss, tuple) else (loss, {})
        for key, value in ({name: total} | further).items():
            if value.dim():
                raise ValueError(f"{key} has the shape {tuple(value.shape)}: a 0-d tensor, a mean, is needed")
        parameters = [each for network in networks for each in self.trainable_parameters(network)]
        torch.autograd.backward(total, inputs=parameters)
        return {key: value.detach() for key, value in ({name: total} | further).items()}

    def _after_discriminator(self) -> None:
        self.after_discriminator()
        self.refine_discriminator()

    def _generate(self, latent: Tensor) -> Tensor:
        return self.generator(latent) if self.generates else latent.new_empty((0, *self.sample_shape))

    def _discriminator_phase(self, batch: Batch) -> Scalars:
        latent = self.draw_latent(batch.noise, len(batch.real))
        with torch.no_grad():
            fake = self._generate(latent)
        loss = self.penalised(self.discriminator_loss(batch.real, fake, latent, batch), batch)
        return self.backward("loss_d", loss, ("discriminator", *self.trained_with_discriminator))

    def _generator_phase(self, batch: Batch) -> Scalars:
        latent = self.draw_latent(batch.noise, len(batch.real))
        fake = self._generate(latent)
        if self.matches_features:
            loss = self.feature_matching_loss(fake, batch)
        else:
            loss = self.generator_loss(fake, latent, batch)
        return self.backward("loss_g", loss, ("generator", *self.trained_with_generator))
