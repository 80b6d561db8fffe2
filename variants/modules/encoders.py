"""Encoders that stand on their own, and discriminators of pairs of a sample and a latent."""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from variants.modules.autoencoders import LOG_VARIANCE_LIMIT, Encoding, Trunk, in_float32
from variants.modules.networks import leaky_relu
from variants.noise import Noise

EncoderKind = Literal["gaussian", "deterministic"]


class Encoder(nn.Module):
    """Map samples to a latent, or to the mean and the log variance of a diagonal Gaussian.

    Parameters
    ----------
    trunk : Trunk
        Maps samples to features.
    width : int
        Size of the latent.
    kind : {"gaussian", "deterministic"}
        Whether the encoder has a log variance, clamped to +- `LOG_VARIANCE_LIMIT`.
    """

    def __init__(self, trunk: Trunk, width: int, kind: EncoderKind) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = nn.Linear(trunk.features, width)
        self.log_variance = nn.Linear(trunk.features, width) if kind == "gaussian" else None

    def forward(self, samples: Tensor) -> Encoding:
        """Map samples (B, ...) to latents (B, width)."""
        features = self.trunk(samples)
        mean = in_float32(self.mean(features))
        if self.log_variance is None:
            return Encoding(mean)
        log_variance = in_float32(self.log_variance(features))
        return Encoding(mean, log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))


class Posterior(NamedTuple):
    """The parts of q(z|x) that depend on x: z = centre + sum over i of weights_i v_i.

    Attributes
    ----------
    centre : Tensor
        (B, width).
    weights : Tensor
        Of the functions v_i, (B, functions, width), positive.
    """

    centre: Tensor
    weights: Tensor


class NoiseBasisEncoder(nn.Module):
    """A sampler of q(z|x) without a density, but with known mean and variance (Mescheder et al. 2017).

        z = z0(x) + sum over i of a_i(x) v_i(eps_i),   eps_i ~ N(0, I) independent

    Mean and variance of z given x follow from those of the functions v_i, which do not depend on x. They are
    taken over fixed draws of eps, so that no sample depends on the rest of its batch.

    Parameters
    ----------
    trunk : Trunk
        Maps samples to features.
    width : int
        Size of the latent.
    functions : int
        Number of functions v_i, small networks.
    """

    # sizes of one eps_i and of the hidden layers of a v_i, and number of fixed draws
    NOISE, HIDDEN, DRAWS = 16, 32, 256
    draws: Tensor

    def __init__(self, trunk: Trunk, width: int, functions: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.centre = nn.Linear(trunk.features, width)
        self.weights = nn.Linear(trunk.features, functions * width)
        sizes = (self.NOISE, self.HIDDEN, self.HIDDEN, width)
        # the functions side by side: one batched product for each layer
        self.layers = nn.ParameterList(
            torch.randn(functions, inputs, outputs) / math.sqrt(inputs)
            for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.register_buffer("draws", torch.randn(self.DRAWS, functions, self.NOISE))

    def forward(self, samples: Tensor) -> Posterior:
        """Map samples (B, ...) to the parts of q(z|x) that depend on them."""
        features = self.trunk(samples)
        weights = in_float32(self.weights(features)).unflatten(1, (self.draws.shape[1], -1))
        # positive, and small at first: q starts close to a point
        return Posterior(in_float32(self.centre(features)), nn.functional.elu(weights - 5.0) + 1.0)

    def functions(self, noise: Tensor) -> Tensor:
        """Map eps (B, functions, NOISE) to v (B, functions, width)."""
        first, *others = self.layers
        values = torch.bmm(noise.transpose(0, 1), first)
        for layer in others:
            values = torch.bmm(nn.functional.elu(values), layer)
        return in_float32(values.transpose(0, 1))

    def draw(self, posterior: Posterior, noise: Noise, purpose: str) -> Tensor:
        """Draw latents (B, width)."""
        epsilon = noise.normal(purpose, (len(posterior.centre), *self.draws.shape[1:]))
        return posterior.centre + (posterior.weights * self.functions(epsilon)).sum(1)

    def moments(self, posterior: Posterior) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the latents, (B, width) each."""
        variance, mean = torch.var_mean(self.functions(self.draws), dim=0)
        return (
            posterior.centre + (posterior.weights * mean).sum(1),
            (posterior.weights.square() * variance).sum(1),
        )


class JointDiscriminator(nn.Module):
    """Map pairs of an image and a latent to one score each.

    Parameters
    ----------
    trunk : Trunk
        Maps images to features.
    width : int
        Size of the latent.
    hidden : int
        Width of the layers of the latent, and of the layer that joins both.
    """

    def __init__(self, trunk: Trunk, width: int, hidden: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.latent = nn.Sequential(
            nn.Linear(width, hidden), leaky_relu(), nn.Linear(hidden, hidden), leaky_relu()
        )
        self.joint = nn.Sequential(nn.Linear(trunk.features + hidden, hidden), leaky_relu())
        self.score = nn.Linear(hidden, 1)

    def forward(self, samples: Tensor, latents: Tensor) -> Tensor:
        """Map images (B, C, S, S) and latents (B, width) to scores (B,)."""
        both = torch.cat((self.trunk(samples), self.latent(latents)), dim=1)
        return in_float32(self.score(self.joint(both))).squeeze(1)
