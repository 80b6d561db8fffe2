"""Lazy regularisation: a phase of its own that takes place in every fourth step."""

import torch

from variants.base import Batch, Phase, Scalars
from variants.dcgan import Dcgan

INTERVAL = 4


class Lazy(Dcgan):
    """DCGAN with R1 (Mescheder et al. 2018), lazily (Karras et al. 2020): gamma 10, every 4 steps."""

    name, title, source = "lazy", "DCGAN with lazy R1", "arXiv 1801.04406, arXiv 1912.04958"

    def phases(self) -> tuple[Phase, ...]:
        discriminator, generator = super().phases()
        penalty = Phase(("discriminator",), self.penalty_phase, new_real_batch=False, every=INTERVAL)
        return discriminator, penalty, generator

    def penalty_phase(self, batch: Batch) -> Scalars:
        real = batch.real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminator(real).sum(), real, create_graph=True)
        penalty = slope.flatten(1).square().sum(1).mean()
        return self.backward("loss_r1", INTERVAL * 5.0 * penalty, ("discriminator",))
