"""Build and initialise the discriminator and the generator of a named architecture."""

from typing import Literal, Protocol

from torch import nn

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


class Architecture(Protocol):
    """Hyperparameters that determine the networks."""

    @property
    def layers(self) -> Layers:
        """Named layers.

        ``published`` is the variant's own architecture, ``table3`` another one of the v3 paper. ``strided``
        is small and DCGAN-like, with batch norm in encoder, decoder and generator and most of its work at
        low resolution: for runs of minutes on a CPU. ``points`` has linear layers, for points.
        """

    @property
    def filters(self) -> int:
        """Base width."""

    @property
    def latent_dim(self) -> int:
        """Size of the latent."""

    @property
    def packing(self) -> int:
        """Number of samples that the discriminator reconstructs at once, from as many codes."""

    @property
    def generator_norm(self) -> Literal["batch", "none"]:
        """``none`` removes batch norm from a ``strided`` or ``points`` generator, and from no other part."""


def build_networks(
    architecture: Architecture,
    sample_shape: tuple[int, ...],
    discriminator: type[AutoEncoder],
    published: PublishedLayers,
    activation: Activation,
) -> tuple[AutoEncoder, Decoder]:
    """Build the discriminator and the generator of an architecture, with initial weights.

    Weights are Glorot uniform and biases zero, except in networks for points.

    Parameters
    ----------
    architecture : Architecture
        Hyperparameters of the variant.
    sample_shape : tuple of int
        (C, S, S) for images, (N,) for points.
    discriminator : type[AutoEncoder]
        Plain or variational autoencoder.
    published : {"began", "constrained"}
        Meaning of the layers ``published``.
    activation : callable
        Returns a new activation module; for images only, since networks of points use ReLU.

    Returns
    -------
    tuple of AutoEncoder and Decoder
        The discriminator and the generator.

    Raises
    ------
    ValueError
        If the layers do not fit `sample_shape`, or `generator_norm` is ``none`` and the generator has no
        norm.
    """
    layers, filters, latent_dim = architecture.layers, architecture.filters, architecture.latent_dim
    packed, code = architecture.packing, architecture.packing * latent_dim
    normalise = architecture.generator_norm == "batch"
    if makes_points(layers, sample_shape):
        (dimensions,) = sample_shape
        trunk = point_trunk(packed * dimensions, filters, relu)
        decoder = point_decoder(packed * dimensions, filters, code, bounded=False, normalise=False)
        generator = point_decoder(dimensions, filters, latent_dim, normalise=normalise)
        networks = discriminator(trunk, code, decoder), generator
        initialise_point_networks(generator, networks[0])
        return networks
    channels, size, _ = sample_shape
    if not normalise and layers != "strided":
        raise ValueError(
            "generator_norm 'none' needs layers 'strided' or 'points': the others have no norm to leave out"
        )
    if layers == "strided":
        trunk = strided_trunk(packed * channels, size, filters, activation, normalise=True)
        decoder = transposed_decoder(packed * channels, size, filters, code, activation, bounded=False)
        generator = transposed_decoder(channels, size, filters, latent_dim, activation, normalise=normalise)
    else:
        build_trunk, build_decoder = {
            "began": (began_trunk, began_decoder),
            "constrained": (constrained_trunk, constrained_decoder),
            "table3": (table3_trunk, table3_decoder),
        }[published if layers == "published" else layers]
        trunk = build_trunk(packed * channels, size, filters, activation)
        decoder = build_decoder(packed * channels, size, filters, code, activation)
        generator = build_decoder(channels, size, filters, latent_dim, activation)
    networks = discriminator(trunk, code, decoder), generator
    for network in networks:
        initialise(network, nn.init.xavier_uniform_)
    return networks
