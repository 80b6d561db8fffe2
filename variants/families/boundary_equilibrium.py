"""The rules that every BEGAN shares: equilibrium between L(x) and L(G(z)), kept by k.

Berthelot, Schumm, Metz 2017 (arXiv 1703.10717), section 3:

    L_D = L(x) - k_t L(G(z_D))
    L_G = L(G(z_G))
    k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L(G(z_G))), 0, 1),  k_0 = 0
    M = L(x) + |gamma L(x) - L(G(z_G))|

Variants add terms to L_D through :meth:`BoundaryEquilibrium.regularise`.
"""

from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from variants.base import POINTS, Batch, Phase, Scalars, Variant, VariantHyperparameters, mean_loss
from variants.knobs import LARGEST, Search, knob
from variants.modules.autoencoders import AutoEncoder, Encoding
from variants.modules.batch_normalisation import batch_norms, statistics_kept
from variants.noise import Noise

# The simultaneous form divides by the weight of L(G(z)) in L_D, and k starts at 0: below this the
# weight adds less to D's gradient than float32 can hold.
SMALLEST_PULL = 2.0**-27

# Settings of the small strided networks with which the family learns packaged digits in minutes on
# one CPU thread without falling onto the digit 1; docs/quick-presets.md says how they were found.
QUICK: dict[str, Any] = {
    "extractor": "shipped",
    "threads": 1,
    "steps": 4000,
    "layers": "strided",
    # maps so small lie better channel by channel
    "channels_last": False,
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
    "eval_samples": 2000,
}

# Settings with which the family learns mixtures of points.
POINTS_QUICK: dict[str, Any] = POINTS | {
    "steps": 4000,
    "batch_size": 256,
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
    "lr_rule": "halve_every",
    "lr_window": 1000,
    "ema_decay": 0.99,
}


class BoundaryEquilibriumHyperparameters(VariantHyperparameters):
    """Knobs of the family."""

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
    norm: Literal["l1", "l2", "frobenius"] = knob(
        "l1", "L(v): mean absolute error, mean squared error, or Frobenius norm of the batch over its size"
    )
    update: Literal["simultaneous", "alternating"] = knob(
        "simultaneous", "both networks from one forward pass, or D and then G against the new D"
    )
    fresh_latent: bool = knob(False, "alternating only: G's phase draws its own z instead of reusing D's")
    reevaluate: bool = knob(
        False,
        "k and M from L(x) and L(G(z)) computed again after both updates, as the BEGAN-CS program has it",
    )
    prior: Literal["uniform", "normal"] = knob("uniform", "z ~ U[-1, 1] or N(0, I)")
    generator_norm: Literal["batch", "none"] = knob(
        "batch",
        "norm of the hidden layers of a generator of transposed convolutions (layers strided, and the "
        "ResNet-18 BEGAN's) or of points; the other layers never have one, and refuse 'none'",
    )


class Regularisers(NamedTuple):
    """Further terms of L_D, None where there are none.

    Attributes
    ----------
    real : Tensor or None
        A term of the real half's encoding.
    fake : Tensor or None
        A term of the fake half's encoding. It reaches the encoder only, never the generator.
    scalars : dict
        What to log of them.
    """

    real: Tensor | None
    fake: Tensor | None
    scalars: Scalars


class Reconstructions(NamedTuple):
    """One forward pass of D over a real and a fake batch."""

    loss_real: Tensor
    loss_fake: Tensor
    regularisers: Regularisers
    # the encoder's outputs of the fake half, and the leaves that stand for them beyond a cut
    outputs: list[Tensor]
    leaves: list[Tensor]


class BoundaryEquilibrium(Variant):
    """A GAN whose discriminator is an autoencoder and whose balance is kept by k.

    Subclasses build `generator` and `discriminator` (an :class:`AutoEncoder`).
    """

    Hyperparameters: ClassVar[type[VariantHyperparameters]] = BoundaryEquilibriumHyperparameters
    measures_convergence: ClassVar[bool] = True
    # weight of L(x) - k L(G(z)) in L_D
    reconstruction_weight: ClassVar[float] = 1.0
    # whether L_D has a term of the fake half's encoding
    regularises_fake: ClassVar[bool] = False

    discriminator: AutoEncoder
    k: Tensor

    def __init__(
        self, hyperparameters: BoundaryEquilibriumHyperparameters, sample_shape: tuple[int, ...]
    ) -> None:
        super().__init__(hyperparameters, sample_shape)
        self.hyperparameters = hyperparameters
        self.register_buffer("k", torch.zeros(()))

    def phases(self) -> tuple[Phase, ...]:
        """One phase for both networks, or D's and then G's."""
        if self.hyperparameters.update == "simultaneous":
            return (Phase(("discriminator", "generator"), self._simultaneous_phase),)
        return (
            Phase(("discriminator",), self._discriminator_phase),
            Phase(("generator",), self._generator_phase, new_real=False),
        )

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """z ~ U[-1, 1] or N(0, I), float32 (count, latent_dim)."""
        shape = (count, self.hyperparameters.latent_dim)
        if self.hyperparameters.prior == "uniform":
            return noise.uniform(purpose, shape, -1.0, 1.0)
        return noise.normal(purpose, shape)

    def encode(self, samples: Tensor) -> Tensor:
        """The code of samples by D's encoder, (B, width): the mean where it is variational."""
        return self.discriminator.encode(samples).mean

    def decode(self, code: Tensor) -> Tensor:
        """The samples of codes by D's decoder."""
        return self.discriminator.decoder(code)

    def regularise(self, latent: Tensor, real: Encoding, fake: Encoding, fake_code: Tensor) -> Regularisers:
        """Terms of L_D beside the reconstruction losses; none in BEGAN itself.

        Parameters
        ----------
        latent : Tensor
            The z of the fake images, (B, latent_dim).
        real, fake : Encoding
            What D's encoder says of each half.
        fake_code : Tensor
            The code that D's decoder gets of the fake half, (B, latent_dim).
        """
        return Regularisers(None, None, {})

    def code(self, encoding: Encoding, noise: Noise, fake: bool) -> Tensor:
        """The latent that D's decoder gets of an encoding, (B, latent_dim)."""
        return encoding.mean

    def measure(self, batch: Batch) -> Scalars:
        """L(x) and L(G(z)) again, of the networks as they are now, where an option says so."""
        if not self.hyperparameters.reevaluate:
            return {}
        with torch.no_grad(), statistics_kept(self):
            fake = self.generator(batch.kept["latent"])
            passed = self._compare(batch, batch.kept["latent"], batch.real, fake)
        return {"loss_real": passed.loss_real, "loss_fake": passed.loss_fake}

    def indivisible(self) -> str:
        """The Frobenius norm is of a whole batch."""
        return "norm 'frobenius' is that of a whole batch" if self.hyperparameters.norm == "frobenius" else ""

    def compilable(self) -> list[nn.Module]:
        """The generator, and the discriminator's two halves."""
        return [self.generator, self.discriminator.trunk, self.discriminator.decoder]

    def update_state(self, scalars: Scalars) -> Scalars:
        """Move k and measure M."""
        loss_real, loss_fake = scalars["loss_real"], scalars["loss_fake"]
        balance = self.hyperparameters.gamma * loss_real - loss_fake
        self.k.add_(self.hyperparameters.lambda_k * balance).clamp_(0.0, 1.0)
        return {
            "balance": balance,
            "M": loss_real + balance.abs(),
            # a copy: the next step moves k in place
            "k": self.k.clone(),
        }

    @cached_property
    def _normalises(self) -> bool:
        return bool(batch_norms(self.discriminator))

    def _loss(self, samples: Tensor, reconstructed: Tensor) -> Tensor:
        return mean_loss(samples - reconstructed, self.hyperparameters.norm)

    def _compare(
        self, batch: Batch, latent: Tensor, real: Tensor, fake: Tensor, cut: bool = False
    ) -> Reconstructions:
        """Pass real and fake samples, (B, ...) each, through D once.

        Both go as one batch, but not where batch norm would mix their statistics, and not through
        the encoder where the fake half is to be passed backward alone. With `cut`, gradients stop at
        the fake half's encoding.
        """
        count = real.shape[0]
        outputs: list[Tensor] = []
        leaves: list[Tensor] = []
        if self._normalises or self.regularises_fake:
            encoded = self.discriminator.encode(real), self.discriminator.encode(fake)
        else:
            encoding = self.discriminator.encode(torch.cat((real, fake)))
            encoded = encoding.half(0, count), encoding.half(count, 2 * count)
        if cut:
            outputs = [output for output in encoded[1] if output is not None]
            leaves = [output.detach().requires_grad_() for output in outputs]
            encoded = encoded[0], Encoding(*leaves)
        codes = self.code(encoded[0], batch.noise, fake=False), self.code(encoded[1], batch.noise, fake=True)
        if self._normalises:
            decoded = tuple(self.discriminator.decoder(code) for code in codes)
        else:
            decoded = self.discriminator.decoder(torch.cat(codes)).split(count)
        return Reconstructions(
            self._loss(real, decoded[0]),
            self._loss(fake, decoded[1]),
            self.regularise(latent, *encoded, codes[1]),
            outputs,
            leaves,
        )

    def _simultaneous_phase(self, batch: Batch) -> Scalars:
        """Both networks' gradients from one forward of D over [x, G(z)] and one backward.

        That backward leaves -weight dL(G(z))/dG(z) at the fake images; divided by -weight it is the
        generator's. Where the fake half's encoding has a term of its own, the backward is cut there.
        """
        latent = batch.kept["latent"] = self.draw_latent(batch.noise, batch.real.shape[0])
        fake = self.generator(latent)
        images = fake.detach().requires_grad_()
        passed = self._compare(batch, latent, batch.real, images, cut=self.regularises_fake)
        loss_real, loss_fake, terms = passed.loss_real, passed.loss_fake, passed.regularisers

        pull = self.k.clamp(min=SMALLEST_PULL)
        objective = self.reconstruction_weight * (loss_real - pull * loss_fake)
        if terms.real is not None:
            objective = objective + terms.real
        extra: tuple[Tensor, ...] = ()
        if terms.fake is not None:
            extra = torch.autograd.grad(terms.fake, passed.leaves, retain_graph=True)
        torch.autograd.backward(objective, inputs=[*self.trainable("discriminator"), images, *passed.leaves])
        assert images.grad is not None
        if passed.leaves:
            images.grad += self._pass_fake_encoder(passed, images, extra)
        fake.backward(images.grad / (-self.reconstruction_weight * pull), inputs=self.trainable("generator"))
        return self._scalars(loss_real, loss_fake, terms) | {"loss_g": loss_fake.detach()}

    def _pass_fake_encoder(
        self, passed: Reconstructions, images: Tensor, extra: tuple[Tensor, ...]
    ) -> Tensor:
        """Pass the fake half's encoder backward: D's gradients have the extra term, the images' have not.

        Returns the images' gradient by way of the encoder.
        """
        # an output that no loss is made of has no gradient
        pulls = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in passed.leaves]
        (of_images,) = torch.autograd.grad(passed.outputs, images, pulls, retain_graph=True)
        both = [pull + more for pull, more in zip(pulls, extra, strict=True)] if extra else pulls
        torch.autograd.backward(passed.outputs, both, inputs=self.discriminator.encoder_parameters())
        return of_images

    def _discriminator_phase(self, batch: Batch) -> Scalars:
        latent = batch.kept["latent"] = self.draw_latent(batch.noise, batch.real.shape[0])
        if self.hyperparameters.fresh_latent:
            with torch.no_grad():
                fake = self.generator(latent)
        elif batch.keeps_graphs:
            # G does not move before its own phase, so its graph serves there too
            fake = batch.kept["fake"] = self.generator(latent)
        else:
            with torch.no_grad(), statistics_kept(self):
                fake = self.generator(latent)
        passed = self._compare(batch, latent, batch.real, fake.detach())
        loss_real, loss_fake, terms = passed.loss_real, passed.loss_fake, passed.regularisers
        objective = self.reconstruction_weight * (loss_real - self.k * loss_fake)
        for term in (terms.real, terms.fake):
            if term is not None:
                objective = objective + term
        torch.autograd.backward(objective, inputs=self.trainable("discriminator"))
        return self._scalars(loss_real, loss_fake, terms)

    def _generator_phase(self, batch: Batch) -> Scalars:
        if self.hyperparameters.fresh_latent:
            latent = self.draw_latent(batch.noise, batch.real.shape[0], "generator latent")
            batch.kept["latent"] = latent
            fake = self.generator(latent)
        elif batch.keeps_graphs:
            fake = batch.kept["fake"]
        else:
            fake = self.generator(batch.kept["latent"])
        encoding = self.discriminator.encode(fake)
        decoded = self.discriminator.decoder(self.code(encoding, batch.noise, fake=True))
        loss_fake = self._loss(fake, decoded)
        torch.autograd.backward(loss_fake, inputs=self.trainable("generator"))
        # with L(x) from D's phase, this L(G(z)) is what k and M compare
        return {"loss_g": loss_fake.detach(), "loss_fake": loss_fake.detach()}

    def _scalars(self, loss_real: Tensor, loss_fake: Tensor, terms: Regularisers) -> Scalars:
        loss_d = self.reconstruction_weight * (loss_real - self.k * loss_fake)
        for term in (terms.real, terms.fake):
            if term is not None:
                loss_d = loss_d + term
        scalars = {"loss_real": loss_real, "loss_fake": loss_fake, "loss_d": loss_d, **terms.scalars}
        return {name: value.detach() for name, value in scalars.items()}
