"""Build the discriminator and the generator of a named architecture, and initialise their weights."""

from typing import Literal

from torch import nn

from variants.base import Variant
from variants.modules.autoencoders import AutoEncoder, Decoder
from variants.modules.initialisation import initialise
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
from variants.modules.point_networks import (
    initialise_point_networks,
    makes_points,
    point_decoder,
    point_trunk,
)

Layers = Literal["published", "table3", "strided", "points"]
PublishedLayers = Literal["began", "constrained"]


def build_networks(
    discriminator: type[AutoEncoder],
    layers: Layers,
    published: PublishedLayers,
    sample_shape: tuple[int, ...],
    filters: int,
    latent_dim: int,
    activation: Activation,
    generator_norm: Literal["batch", "none"] = "batch",
) -> tuple[AutoEncoder, Decoder]:
    """Build the discriminator and the generator of a named architecture.

    Parameters
    ----------
    discriminator : type[AutoEncoder]
        Plain or variational autoencoder.
    layers : {"published", "table3", "strided", "points"}
        ``published`` is the variant's own architecture, ``table3`` another one of the v3 paper. ``strided``
        is small and DCGAN-like, with batch norm in encoder, decoder and generator and most of its work at
        low resolution: for runs of minutes on a CPU. ``points`` has linear layers, for points.
    published : {"began", "constrained"}
        Meaning of ``published``.
    sample_shape : tuple of int
        (C, S, S) for images, (N,) for points.
    filters, latent_dim : int
        Base width and size of the latent.
    activation : callable
        Returns a new activation module; for images only, since networks of points use ReLU.
    generator_norm : {"batch", "none"}
        ``none`` removes batch norm from a ``strided`` or ``points`` generator, and from no other part.

    Returns
    -------
    tuple of AutoEncoder and Decoder
        The discriminator and the generator.

    Raises
    ------
    ValueError
        If the architecture does not fit `sample_shape`, or `generator_norm` is ``none`` and the generator
        has no norm.
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


def initialise_weights(variant: Variant, layers: Layers) -> None:
    """Initialise networks of `build_networks`: Glorot uniform weights, zero biases; points have their own."""
    if layers == "points":
        assert isinstance(variant.generator, Decoder)
        initialise_point_networks(variant.generator, variant.discriminator)
    else:
        initialise(variant, nn.init.xavier_uniform_)
