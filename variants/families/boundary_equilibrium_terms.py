"""What a forward pass of an autoencoder discriminator returns to the losses of the BEGAN family."""

from typing import NamedTuple

from torch import Tensor

from variants.base import Scalars


class Regularisers(NamedTuple):
    """Terms of L_D beside the reconstruction losses, each a 0-d tensor or None.

    Attributes
    ----------
    real : Tensor or None
        Term of the encodings of real samples.
    fake : Tensor or None
        Term of the encodings of fake samples. Its gradient reaches D's encoder only, never the generator.
    scalars : dict of str to Tensor
        Scalars to log.
    """

    real: Tensor | None
    fake: Tensor | None
    scalars: Scalars


class ForwardPass(NamedTuple):
    """Losses of one forward pass of D over a real and a fake batch.

    Attributes
    ----------
    loss_real, loss_fake : Tensor
        L(x) and L(G(z)), 0-d.
    regularisers : Regularisers
        Further terms of L_D.
    encoder_outputs : list of Tensor
        Outputs of the encoder for the fake samples; empty unless the graph is detached there.
    detached_outputs : list of Tensor
        Detached leaf copies of `encoder_outputs`, from which the losses are computed.
    """

    loss_real: Tensor
    loss_fake: Tensor
    regularisers: Regularisers
    encoder_outputs: list[Tensor]
    detached_outputs: list[Tensor]
