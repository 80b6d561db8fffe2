"""A variant that differs from the registered ones in what the harness must not take for granted.

It has three networks, each with a rate of its own, a phase in every third step, and scalars that no other
variant has: one whose higher values are better, one that only some steps record, and one that never moves.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from variants.base import Batch, Network, Phase, Scalars
from variants.families.two_player import Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.scalars import Panel, Rise, Stuck, TrainingScalar

EVERY = 3  # steps from one penalty to the next


class TrioHyperparameters(TwoPlayerHyperparameters):
    """Hyperparameters of three networks."""

    lr_code: float = knob(1e-3, "learning rate of the code network", above=0)


class Trio(TwoPlayer):
    """A GAN whose third network guesses the latent from the discriminator's features."""

    name, title, source = "trio", "three networks", "these tests"
    Hyperparameters = TrioHyperparameters
    hyperparameters: TrioHyperparameters
    trained_with_generator = ("code",)
    scalars = (
        TrainingScalar("loss_d", "L_D"),
        TrainingScalar(
            "agreement",
            "likeness of guessed and true latents",
            better="higher",
            panel=Panel("agreement"),
            selects=True,
            in_progress=True,
        ),
        TrainingScalar(
            "penalty", "R1", better="lower", selects=True, alarms=(Rise("penalty-up", 1e-3, window=2),)
        ),
        TrainingScalar("setting", "a constant", alarms=(Stuck(2.5, 5),), stuck_at=(0.0, 2.5)),
    )

    def build_further_networks(self) -> None:
        self.code = nn.Linear(self.discriminator.trunk.features, self.hyperparameters.latent_dim)

    def networks(self) -> dict[str, Network]:
        code = Network(self.code, "lr_code", optimizer="sgd", averaged=True, label="code network")
        return super().networks() | {"code": code}

    def phases(self) -> tuple[Phase, ...]:
        discriminator, generator = super().phases()
        penalty = Phase(("discriminator",), self.penalty_phase, new_real_batch=False, every=EVERY)
        return discriminator, penalty, generator

    def penalty_phase(self, batch: Batch) -> Scalars:
        real = batch.real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminator(real).sum(), real, create_graph=True)
        return self.backward("penalty", slope.flatten(1).square().sum(1).mean(), ("discriminator",))

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake)).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        error = mse_loss(self.code(self.discriminator.trunk(fake)), latent)
        loss = softplus(-self.discriminator(fake)).mean() + error
        return loss, {"agreement": 1 / (1 + error), "setting": torch.tensor(2.5)}
