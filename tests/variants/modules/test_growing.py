"""Growing networks: what is there when, fading in, and both modes of a network alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from variants.modules.growing import GrowingDiscriminator, GrowingGenerator, Growth, PixelNorm
from variants.modules.initialisation import initialise

# of a network of two blocks, whose time of growth has four spans: share -> blocks and weight of the last one
GROWTH = {
    0.0: (0, 1.0), 0.24: (0, 1.0), 0.3: (1, 0.2), 0.375: (1, 0.5), 0.5: (1, 1.0), 0.74: (1, 1.0),
    0.8: (2, 0.2), 0.99: (2, 0.96), 1.0: (2, 1.0), 3.0: (2, 1.0),
}  # fmt: skip


def networks(size: int = 16, channels: int = 1) -> tuple[GrowingGenerator, GrowingDiscriminator]:
    torch.manual_seed(0)
    made = GrowingGenerator(channels, size, 4, 6), GrowingDiscriminator(channels, size, 4)
    for network in made:
        initialise(network, nn.init.normal_)
    return made


@pytest.mark.parametrize("share", GROWTH)
def test_a_side_trains_for_a_span_and_the_next_block_fades_in_during_another(share: float) -> None:
    growth = Growth(2)
    growth.follow(share)
    blocks, fade = GROWTH[share]
    assert (growth.count, growth.blocks.item()) == (blocks, blocks)
    assert growth.fade.item() == pytest.approx(fade)
    assert growth.blocks.dtype == torch.int64
    weights = [growth.weight(block).item() for block in range(2)]
    assert weights == pytest.approx([*[1.0] * (blocks - 1), *[fade] * (blocks > 0), *[0.0] * (2 - blocks)])


@pytest.mark.parametrize("share", GROWTH)
def test_the_generator_makes_the_same_images_in_training_and_in_eval_mode(share: float) -> None:
    generator, _ = networks()
    generator.growth.follow(share)
    latent = torch.randn(3, 6)
    training = generator.train()(latent)
    assert training.shape == (3, 1, 16, 16)
    torch.testing.assert_close(generator.eval()(latent), training)


@pytest.mark.parametrize("mode", [True, False])
def test_images_are_squares_of_equal_pixels_until_the_last_block_comes(mode: bool) -> None:
    generator, _ = networks()
    generator.train(mode)
    for share, square in ((0.0, 4), (0.3, 2), (0.7, 2), (1.0, 1)):
        generator.growth.follow(share)
        image = generator(torch.randn(1, 6))[0, 0]
        side = 16 // square
        squares = image.reshape(side, square, side, square).permute(0, 2, 1, 3).flatten(2)
        assert torch.equal(squares, squares[..., :1].expand_as(squares))
        assert square == 1 or not torch.equal(squares[0, 0], squares[1, 1])


def test_a_block_fades_in_between_the_enlarged_coarse_image_and_the_fine_one() -> None:
    generator, _ = networks()
    latent, made = torch.randn(2, 6), {}
    for share in (0.2, 0.3, 0.5):
        generator.growth.follow(share)
        made[share] = generator(latent)
    torch.testing.assert_close(made[0.3], 0.8 * made[0.2] + 0.2 * made[0.5])


def score(discriminator: GrowingDiscriminator, images: Tensor, blocks: int, fade: float) -> Tensor:
    """D's score by the paper's figure: 1x1 convolutions of images, then blocks down to the least side."""
    fine = discriminator.blocks[blocks - 1](discriminator.from_image[blocks](images))
    coarse = discriminator.from_image[blocks - 1](nn.functional.avg_pool2d(images, 2))
    maps = fade * fine + (1 - fade) * coarse
    for block in reversed(list(discriminator.blocks)[: blocks - 1]):
        maps = block(maps)
    return discriminator.last(maps)[:, 0]


@pytest.mark.parametrize(
    ("share", "blocks", "fade"), [(0.3, 1, 0.2), (0.6, 1, 1.0), (0.875, 2, 0.5), (1.0, 2, 1.0)]
)
def test_the_discriminator_sees_images_of_its_side_and_fades_its_block_in(
    share: float, blocks: int, fade: float
) -> None:
    _, discriminator = networks()
    discriminator.growth.follow(share)
    images = torch.randn(3, 1, 16, 16)
    small = nn.functional.interpolate(images, size=4 << blocks, mode="area")
    torch.testing.assert_close(discriminator.reduced(images), small)
    torch.testing.assert_close(discriminator(images), score(discriminator, small, blocks, fade))
    torch.testing.assert_close(discriminator(small), discriminator(images))
    coarse = nn.functional.interpolate(
        nn.functional.interpolate(images, size=2 << blocks, mode="area"), size=4 << blocks
    )
    torch.testing.assert_close(discriminator.faded(images), fade * small + (1 - fade) * coarse)


def test_blocks_that_are_not_there_get_no_gradient_and_those_that_are_do() -> None:
    generator, discriminator = networks()
    for network in (generator, discriminator):
        network.growth.follow(0.5)
    discriminator(generator(torch.randn(2, 6))).sum().backward()
    for network in (generator, discriminator):
        there, later = (list(block.parameters()) for block in network.blocks)
        assert all(parameter.grad is not None for parameter in there)
        assert all(parameter.grad is None for parameter in later)


@pytest.mark.parametrize(
    ("size", "filters", "sides", "widths"),
    [
        (28, 16, [7, 14, 28], [64, 32, 16]),
        (32, 8, [4, 8, 16, 32], [64, 32, 16, 8]),
        (128, 128, [4, 8, 16, 32, 64, 128], [512, 512, 512, 512, 256, 128]),
    ],
)
def test_sides_double_from_the_least_one_and_widths_halve_below_512(
    size: int, filters: int, sides: list[int], widths: list[int]
) -> None:
    network = GrowingDiscriminator(1, size, filters)
    assert network.sides == sides
    assert network.widths == widths


def test_pixel_norm_gives_the_features_of_each_pixel_a_mean_square_of_1() -> None:
    maps = PixelNorm()(torch.randn(2, 8, 3, 3) * 5)
    torch.testing.assert_close(maps.square().mean(dim=1), torch.ones(2, 3, 3), rtol=1e-5, atol=1e-5)
    assert PixelNorm()(torch.randn(2, 8)).square().sum().item() == pytest.approx(16.0, rel=1e-5)
