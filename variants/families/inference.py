"""GANs with an encoder of their own, which maps samples to latents of the generator."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from variants.base import Network
from variants.families.two_player import Discriminator, TwoPlayer
from variants.modules.autoencoders import Encoding
from variants.modules.encoders import Encoder, EncoderKind, JointDiscriminator
from variants.noise import Noise


class Inference(TwoPlayer):
    """A two-player GAN whose network `encoder` trains with the generator.

    Codes are latents: the generator is their decoder. The moving average covers the encoder too.
    """

    encoder: nn.Module
    trained_with_generator: tuple[str, ...] = ("encoder",)
    reconstruction: ClassVar[str] = "G(E(x))"

    @property
    def encoder_kind(self) -> EncoderKind:
        """Whether the encoder is a diagonal Gaussian or a function."""
        return "gaussian"

    def build_further_networks(self) -> None:
        """Build the encoder."""
        self.encoder = Encoder(self.build_trunk(), self.latent_width, self.encoder_kind)

    def networks(self) -> dict[str, Network]:
        """Return the networks; the moving average covers generator and encoder."""
        found = super().networks()
        if "encoder" in found:
            found["encoder"] = found["encoder"]._replace(averaged=True)
        return found

    def draw_code(self, encoding: Encoding, noise: Noise, purpose: str) -> Tensor:
        """Draw mu + sigma eps of a Gaussian encoding; tanh keeps codes of a uniform prior in its range."""
        code, log_variance = encoding
        if log_variance is not None:
            epsilon = noise.normal(purpose, tuple(code.shape))
            code = code + (0.5 * log_variance).exp() * epsilon
        return self.in_range(code)

    def in_range(self, code: Tensor) -> Tensor:
        """Map the outputs of an encoder into the range of the prior."""
        return torch.tanh(code) if self.hyperparameters.prior == "uniform" else code

    def encode(self, samples: Tensor) -> Tensor | None:
        """Return the mean codes of samples: latents of the generator."""
        encoding: Encoding = self.encoder(samples)
        return self.in_range(encoding.mean)

    def decode(self, code: Tensor) -> Tensor | None:
        """Return the generator's samples of codes."""
        sample: Tensor = self.generator(code)
        return sample


class JointInference(Inference):
    """A GAN with an encoder whose discriminator sees pairs of a sample and a latent."""

    def build_discriminator(self) -> nn.Module:
        """Build a network from samples (B, ...) and latents (B, latent_width) to scores (B,)."""
        if len(self.sample_shape) == 1:
            return Discriminator(self.build_trunk(self.latent_width))
        return JointDiscriminator(self.build_trunk(), self.latent_width, 8 * self.hyperparameters.filters)
