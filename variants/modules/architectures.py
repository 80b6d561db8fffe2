"""Discriminator and generator of a named arrangement of layers, and their first weights."""

from torch import nn

from variants.base import Variant, initialise
from variants.modules.autoencoders import AutoEncoder, Decoder
from variants.modules.networks import (
    Activation,
    began_decoder,
    began_trunk,
    constrained_decoder,
    constrained_trunk,
    relu,
    strided_trunk,
    table3_decoder,
    table3_trunk,
    transposed_decoder,
)
from variants.modules.point_networks import initialise_points, makes_points, point_decoder, point_trunk


def arrange(
    discriminator: type[AutoEncoder],
    layers: str,
    published: str,
    sample_shape: tuple[int, ...],
    filters: int,
    latent_dim: int,
    activation: Activation,
    generator_norm: str = "batch",
) -> tuple[AutoEncoder, Decoder]:
    """Build the discriminator and the generator of a named arrangement of layers.

    Parameters
    ----------
    discriminator : type[AutoEncoder]
        Plain or variational.
    layers : str
        ``published`` is the variant's own, ``table3`` another of the v3 paper; ``strided`` is a small one of
        DCGAN's kind, with batch norm in encoder, decoder and generator, whose work sits at low
        resolution: for runs of minutes on a CPU. ``points`` is of linear layers, for points.
    published : {"began", "constrained"}
        What ``published`` stands for.
    sample_shape : tuple of int
        (C, S, S) of images, (N,) of points.
    filters, latent_dim : int
        Base width and size of the latent.
    activation : callable
        Makes the activation modules of images; those of points are ReLU.
    generator_norm : {"batch", "none"}
        ``none`` leaves the batch norm out of the ``strided`` or ``points`` generator, and of no other part.

    Returns
    -------
    tuple
        The discriminator and the generator.

    Raises
    ------
    ValueError
        If the layers do not make such samples, or the norm is to be left out of layers that have none.
    """
    normalise = generator_norm == "batch"
    if makes_points(layers, sample_shape):
        (dimensions,) = sample_shape
        trunk = point_trunk(dimensions, filters, relu)
        decoder = point_decoder(dimensions, filters, latent_dim, bounded=False, normalise=False)
        generator = point_decoder(dimensions, filters, latent_dim, normalise=normalise)
        return discriminator(trunk, latent_dim, decoder), generator
    channels, size, _ = sample_shape
    if not normalise and layers != "strided":
        raise ValueError(
            "generator_norm 'none' needs layers 'strided' or 'points': the others have no norm to leave out"
        )
    if layers == "strided":
        trunk = strided_trunk(channels, size, filters, activation, normalise=True)
        decoder = transposed_decoder(channels, size, filters, latent_dim, activation, bounded=False)
        generator = transposed_decoder(channels, size, filters, latent_dim, activation, normalise=normalise)
    else:
        build_trunk, build_decoder = {
            "began": (began_trunk, began_decoder),
            "constrained": (constrained_trunk, constrained_decoder),
            "table3": (table3_trunk, table3_decoder),
        }[published if layers == "published" else layers]
        trunk = build_trunk(channels, size, filters, activation)
        decoder, generator = (
            build_decoder(channels, size, filters, latent_dim, activation) for _ in range(2)
        )
    return discriminator(trunk, latent_dim, decoder), generator


def start(variant: Variant, layers: str) -> None:
    """Draw the first weights of what `arrange` built: Glorot uniform, zero biases; points have their own."""
    if layers == "points":
        assert isinstance(variant.generator, Decoder)
        initialise_points(variant.generator, variant.discriminator)
    else:
        initialise(variant, nn.init.xavier_uniform_)
