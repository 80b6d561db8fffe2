"""Losses and updates that every BEGAN shares: an equilibrium of L(x) and L(G(z)), controlled by k.

Berthelot, Schumm, Metz 2017 (arXiv 1703.10717), section 3:

    L_D = L(x) - k_t L(G(z_D))
    L_G = L(G(z_G))
    k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L(G(z_G))), 0, 1),  k_0 = 0
    M = L(x) + |gamma L(x) - L(G(z_G))|

k is updated in :meth:`BoundaryEquilibrium.update_state`. Variants add terms to L_D with
:meth:`BoundaryEquilibrium.regularise`.
"""

from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from variants.base import Batch, Phase, SampleKind, Scalars, Variant, VariantHyperparameters
from variants.families.boundary_equilibrium_scalars import SCALARS
from variants.families.boundary_equilibrium_terms import ForwardPass, Regularisers
from variants.knobs import LARGEST, Search, knob
from variants.modules.autoencoders import AutoEncoder, Encoding
from variants.modules.batch_normalisation import batch_norms, frozen_statistics
from variants.modules.losses import Norm, mean_loss
from variants.noise import Noise
from variants.parts.augmentation import Augmentation
from variants.parts.packing import Packing, pack
from variants.parts.seen import as_seen, packed, refuse_augmented_points
from variants.parts.spectral_norm import SpectralNorm, add_spectral_norm, iterate_spectral_norms
from variants.presets import Preset, Training
from variants.scalars import TrainingScalar

# Lower bound on the weight of L(G(z)) in L_D in the simultaneous form, which divides by that weight (k starts
# at 0). So small a weight changes D's gradient by less than the precision of float32.
MIN_FAKE_WEIGHT = 2.0**-27

# Small strided networks that learn the packaged digits in minutes on one CPU thread without collapsing to
# the digit 1; docs/quick-presets.md describes the search.
QUICK = Preset(
    {
        "layers": "strided",
        "filters": 16,
        "latent_dim": 16,
        "gamma": 1.0,
        "lambda_k": 0.1,
        "norm": "l2",
        "update": "simultaneous",
        "lr_g": 1e-3,
        "lr_d": 1e-3,
        "beta1": 0.5,
        "beta2": 0.9,
    },
    # faster for feature maps of this size
    Training(channels_last=False),
)

# Small networks that learn mixtures of points in the plane.
POINTS = Preset(
    {
        "layers": "points",
        "filters": 64,
        "latent_dim": 2,
        "generator_norm": "none",
        "gamma": 1.0,
        "lambda_k": 0.135,
        "norm": "l1",
        "update": "simultaneous",
        "lr_g": 2.7e-3,
        "lr_d": 4.4e-3,
        "beta1": 0.5,
        "beta2": 0.99,
    }
)

SMALL = Preset({"filters": 64})


class BoundaryEquilibriumHyperparameters(VariantHyperparameters, Packing, SpectralNorm, Augmentation):
    """Hyperparameters of the family."""

    gamma: float = knob(
        0.5, "diversity ratio L(G(z)) / L(x) at equilibrium", low=0, high=1, search=Search(0.3, 1.0)
    )
    lambda_k: float = knob(
        0.001,
        "proportional gain of k",
        unit="per step",
        above=0,
        high=LARGEST,
        search=Search(1e-4, 0.2, "log"),
    )
    norm: Norm = knob(
        "l1", "L(v): mean absolute error, mean squared error, or Frobenius norm of the batch over its size"
    )
    update: Literal["simultaneous", "alternating"] = knob(
        "simultaneous", "both networks from one forward pass, or D and then G against the new D"
    )
    fresh_latent: bool = knob(False, "alternating only: G's phase draws its own z instead of reusing D's")
    reevaluate: bool = knob(
        False,
        "k and M from L(x) and L(G(z)) computed again after both updates, as in the BEGAN-CS program",
    )
    prior: Literal["uniform", "normal"] = knob("uniform", "z ~ U[-1, 1] or N(0, I)")
    generator_norm: Literal["batch", "none"] = knob(
        "batch",
        "norm of the hidden layers of a generator of transposed convolutions (layers strided, and the "
        "ResNet-18 BEGAN's) or of points; the other layers never have one, and refuse 'none'",
    )


class BoundaryEquilibrium(Variant):
    """A GAN whose discriminator is an autoencoder and whose loss weight k is adapted in every step.

    Subclasses build `generator` and `discriminator` (an :class:`AutoEncoder`).
    """

    Hyperparameters: ClassVar[type[VariantHyperparameters]] = BoundaryEquilibriumHyperparameters
    scalars: ClassVar[tuple[TrainingScalar, ...]] = SCALARS
    sample_kinds: ClassVar[tuple[SampleKind, ...]] = ("images", "points")
    # weight of L(x) - k L(G(z)) in L_D
    reconstruction_weight: ClassVar[float] = 1.0
    # whether `regularise` returns a term of the fake samples' encodings
    regularises_fake: ClassVar[bool] = False

    hyperparameters: BoundaryEquilibriumHyperparameters
    discriminator: AutoEncoder
    k: Tensor

    def __init__(
        self,
        hyperparameters: BoundaryEquilibriumHyperparameters,
        sample_shape: tuple[int, ...],
        classes: int = 0,
    ) -> None:
        super().__init__(hyperparameters, sample_shape, classes)
        self.register_buffer("k", torch.zeros(()))
        refuse_augmented_points(hyperparameters, sample_shape)
        if hyperparameters.spectral_norm:
            add_spectral_norm(self.discriminator)

    def update_state(self, scalars: Scalars) -> Scalars:
        """Update k and return the balance gamma L(x) - L(G(z)), M and the new k."""
        loss_real, loss_fake = scalars["loss_real"], scalars["loss_fake"]
        balance = self.hyperparameters.gamma * loss_real - loss_fake
        self.k.add_(self.hyperparameters.lambda_k * balance).clamp_(0.0, 1.0)
        return {
            "balance": balance,
            "M": loss_real + balance.abs(),
            # a copy, since the next step updates k in place
            "k": self.k.clone(),
        }

    def phases(self) -> tuple[Phase, ...]:
        """Return one phase for both networks, or a phase for D and then one for G."""
        after = self._iterate_spectral_norms if self.hyperparameters.spectral_norm else None
        if self.hyperparameters.update == "simultaneous":
            return (Phase(("discriminator", "generator"), self._simultaneous_phase, after=after),)
        return (
            Phase(("discriminator",), self._discriminator_phase, after=after),
            Phase(("generator",), self._generator_phase, new_real_batch=False),
        )

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw z ~ U[-1, 1] or N(0, I), float32 (count, latent_dim)."""
        shape = (count, self.hyperparameters.latent_dim)
        if self.hyperparameters.prior == "uniform":
            return noise.uniform(purpose, shape, -1.0, 1.0)
        return noise.normal(purpose, shape)

    def encode(self, samples: Tensor) -> Tensor | None:
        """Return the codes of samples by D's encoder, (B, width); the mean of a variational encoder.

        None with packing: D then encodes packs only.
        """
        return None if packed(self.hyperparameters) > 1 else self.discriminator.encode(samples).mean

    def decode(self, code: Tensor) -> Tensor | None:
        """Return the samples of codes (B, width) by D's decoder; None with packing."""
        return None if packed(self.hyperparameters) > 1 else self.discriminator.decoder(code)

    def regularise(self, latent: Tensor, real: Encoding, fake: Encoding, fake_code: Tensor) -> Regularisers:
        """Return the terms of L_D beside the reconstruction losses; BEGAN itself has none.

        Parameters
        ----------
        latent : Tensor
            The z of the fake samples, (B, latent_dim); with packing, those of a pack joined, as all codes.
        real, fake : Encoding
            Outputs of D's encoder for the real and the fake samples.
        fake_code : Tensor
            Input of D's decoder for the fake samples, (B, latent_dim).
        """
        return Regularisers(None, None, {})

    def code(self, encoding: Encoding, noise: Noise, fake: bool) -> Tensor:
        """Return the input of D's decoder for an encoding, (B, latent_dim)."""
        return encoding.mean

    def scalars_after_phases(self, batch: Batch) -> Scalars:
        """Return L(x) and L(G(z)) of the updated networks if `reevaluate` is set."""
        if not self.hyperparameters.reevaluate:
            return {}
        with torch.no_grad(), frozen_statistics(self):
            fake = self.generator(batch.cache["latent"])
            losses = self._discriminate(
                batch, batch.cache["latent"], self._as_seen(batch.real, batch), self._as_seen(fake, batch)
            )
        return {"loss_real": losses.loss_real, "loss_fake": losses.loss_fake}

    def indivisible(self) -> str:
        """Return why gradient accumulation is unsupported: the Frobenius norm is not a mean over samples."""
        return "norm 'frobenius' is that of a whole batch" if self.hyperparameters.norm == "frobenius" else ""

    def compilable(self) -> list[nn.Module]:
        """Return the generator and the two halves of the discriminator."""
        return [self.generator, self.discriminator.trunk, self.discriminator.decoder]

    @cached_property
    def _has_batch_norm_in_discriminator(self) -> bool:
        return bool(batch_norms(self.discriminator))

    def _as_seen(self, samples: Tensor, batch: Batch) -> Tensor:
        return as_seen(samples, self.hyperparameters, batch.noise)

    def _iterate_spectral_norms(self) -> None:
        iterate_spectral_norms(self.discriminator)

    def _loss(self, samples: Tensor, reconstructed: Tensor) -> Tensor:
        return mean_loss(samples - reconstructed, self.hyperparameters.norm)

    def _discriminate(
        self, batch: Batch, latent: Tensor, real: Tensor, fake: Tensor, detach_fake_encoding: bool = False
    ) -> ForwardPass:
        """Compute the losses of real and fake samples as D sees them, (B, ...) each, in one pass of D.

        Real and fake samples are concatenated, with two exceptions: batch norm would mix their statistics,
        and the encoder needs separate passes if the fake samples have a backward pass of their own. With
        `detach_fake_encoding`, no gradient flows from the losses into the encoder of the fake samples.
        """
        latent = pack(latent, packed(self.hyperparameters))
        count = real.shape[0]
        outputs: list[Tensor] = []
        detached: list[Tensor] = []
        if self._has_batch_norm_in_discriminator or self.regularises_fake:
            encodings = self.discriminator.encode(real), self.discriminator.encode(fake)
        else:
            encoding = self.discriminator.encode(torch.cat((real, fake)))
            encodings = encoding.rows(0, count), encoding.rows(count, 2 * count)
        if detach_fake_encoding:
            outputs = [output for output in encodings[1] if output is not None]
            detached = [output.detach().requires_grad_() for output in outputs]
            encodings = encodings[0], Encoding(*detached)
        codes = (
            self.code(encodings[0], batch.noise, fake=False),
            self.code(encodings[1], batch.noise, fake=True),
        )
        if self._has_batch_norm_in_discriminator:
            decoded = tuple(self.discriminator.decoder(code) for code in codes)
        else:
            decoded = self.discriminator.decoder(torch.cat(codes)).split(count)
        return ForwardPass(
            self._loss(real, decoded[0]),
            self._loss(fake, decoded[1]),
            self.regularise(latent, *encodings, codes[1]),
            outputs,
            detached,
        )

    def _simultaneous_phase(self, batch: Batch) -> Scalars:
        """Compute the gradients of both networks in one forward pass of D over [x, G(z)] and one backward.

        The backward pass of L_D leaves -weight dL(G(z))/dG(z) at the fake samples. Divided by -weight, that
        is the gradient of L_G at the fake samples, which is then propagated through the generator. If L_D
        has a term of the fake samples' encodings, the backward pass stops at those encodings, and
        :meth:`_backward_fake_encoder` continues it.
        """
        latent = batch.cache["latent"] = self.draw_latent(batch.noise, batch.real.shape[0])
        real = self._as_seen(batch.real, batch)
        fake = self._as_seen(self.generator(latent), batch)
        detached_fake = fake.detach().requires_grad_()
        losses = self._discriminate(
            batch, latent, real, detached_fake, detach_fake_encoding=self.regularises_fake
        )
        terms = losses.regularisers

        fake_weight = self.k.clamp(min=MIN_FAKE_WEIGHT)
        objective = self.reconstruction_weight * (losses.loss_real - fake_weight * losses.loss_fake)
        if terms.real is not None:
            objective = objective + terms.real
        regulariser_gradients: tuple[Tensor, ...] = ()
        if terms.fake is not None:
            regulariser_gradients = torch.autograd.grad(
                terms.fake, losses.detached_outputs, retain_graph=True
            )
        torch.autograd.backward(
            objective,
            inputs=[*self.trainable_parameters("discriminator"), detached_fake, *losses.detached_outputs],
        )
        assert detached_fake.grad is not None
        if losses.detached_outputs:
            detached_fake.grad += self._backward_fake_encoder(losses, detached_fake, regulariser_gradients)
        fake.backward(
            detached_fake.grad / (-self.reconstruction_weight * fake_weight),
            inputs=self.trainable_parameters("generator"),
        )
        return self._scalars(losses) | {"loss_g": losses.loss_fake.detach()}

    def _backward_fake_encoder(
        self, losses: ForwardPass, fake: Tensor, regulariser_gradients: tuple[Tensor, ...]
    ) -> Tensor:
        """Run the backward pass of the encoder for the fake samples.

        The gradients of D's encoder include the regulariser. The returned gradient of the fake samples does
        not include it, so that the regulariser does not reach the generator.
        """
        # an encoder output that no loss depends on has no gradient
        upstream = [
            torch.zeros_like(output) if output.grad is None else output.grad
            for output in losses.detached_outputs
        ]
        (of_fake,) = torch.autograd.grad(losses.encoder_outputs, fake, upstream, retain_graph=True)
        if regulariser_gradients:
            pairs = zip(upstream, regulariser_gradients, strict=True)
            upstream = [gradient + regulariser for gradient, regulariser in pairs]
        torch.autograd.backward(
            losses.encoder_outputs, upstream, inputs=self.discriminator.encoder_parameters()
        )
        return of_fake

    def _discriminator_phase(self, batch: Batch) -> Scalars:
        latent = batch.cache["latent"] = self.draw_latent(batch.noise, batch.real.shape[0])
        if self.hyperparameters.fresh_latent:
            with torch.no_grad():
                fake = self.generator(latent)
        elif batch.may_cache_graphs:
            # the generator is unchanged until its own phase, which can reuse this graph
            fake = batch.cache["fake"] = self.generator(latent)
        else:
            with torch.no_grad(), frozen_statistics(self):
                fake = self.generator(latent)
        real, fake = self._as_seen(batch.real, batch), self._as_seen(fake.detach(), batch)
        losses = self._discriminate(batch, latent, real, fake)
        torch.autograd.backward(
            self._discriminator_loss(losses), inputs=self.trainable_parameters("discriminator")
        )
        # the generator's phase records L(G(z)), with which k and M compare L(x) of this phase
        scalars = self._scalars(losses)
        del scalars["loss_fake"]
        return scalars

    def _generator_phase(self, batch: Batch) -> Scalars:
        if self.hyperparameters.fresh_latent:
            latent = self.draw_latent(batch.noise, batch.real.shape[0], "generator latent")
            batch.cache["latent"] = latent
            fake = self.generator(latent)
        elif batch.may_cache_graphs:
            fake = batch.cache["fake"]
        else:
            fake = self.generator(batch.cache["latent"])
        fake = self._as_seen(fake, batch)
        encoding = self.discriminator.encode(fake)
        decoded = self.discriminator.decoder(self.code(encoding, batch.noise, fake=True))
        loss_fake = self._loss(fake, decoded)
        torch.autograd.backward(loss_fake, inputs=self.trainable_parameters("generator"))
        return {"loss_g": loss_fake.detach(), "loss_fake": loss_fake.detach()}

    def _discriminator_loss(self, losses: ForwardPass) -> Tensor:
        """Return L_D."""
        loss = self.reconstruction_weight * (losses.loss_real - self.k * losses.loss_fake)
        for term in (losses.regularisers.real, losses.regularisers.fake):
            if term is not None:
                loss = loss + term
        return loss

    def _scalars(self, losses: ForwardPass) -> Scalars:
        scalars = {
            "loss_real": losses.loss_real,
            "loss_fake": losses.loss_fake,
            "loss_d": self._discriminator_loss(losses),
            **losses.regularisers.scalars,
        }
        return {name: value.detach() for name, value in scalars.items()}
