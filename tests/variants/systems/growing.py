"""Networks that grow from their smallest side to the whole one, each new layer faded in."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from variants.dcgan import Dcgan
from variants.modules.networks import halvings


class Growth(nn.Module):
    """How far a network has grown: layers below `stage` have weight 1, the layer of `stage` has `fade`."""

    stage: Tensor
    fade: Tensor

    def __init__(self, stages: int) -> None:
        super().__init__()
        self.stages = stages
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fade", torch.zeros(()))

    def follow(self, progress: float) -> None:
        """Grow for the first half of each stage; `progress` is from 0 to 1."""
        position = min(progress * (self.stages + 1), self.stages)
        self.stage.fill_(int(position))
        self.fade.fill_(min(1.0, 2 * (position - int(position))))

    def weight(self, layer: int) -> Tensor:
        """Return the weight of a layer, 0 to 1."""
        return torch.where(self.stage > layer, 1.0, torch.where(self.stage == layer, self.fade, 0.0))


class GrowingGenerator(nn.Module):
    def __init__(self, channels: int, size: int, filters: int, width: int) -> None:
        super().__init__()
        doublings = halvings(size)
        self.maps = (filters, size >> doublings, size >> doublings)
        self.growth = Growth(doublings)
        self.project = nn.Linear(width, filters * self.maps[1] ** 2)
        self.blocks = nn.ModuleList(nn.Conv2d(filters, filters, 3, padding=1) for _ in range(doublings))
        self.to_image = nn.ModuleList(nn.Conv2d(filters, channels, 1) for _ in range(doublings + 1))

    def forward(self, latent: Tensor) -> Tensor:
        maps = self.project(latent).unflatten(1, self.maps)
        image = self.to_image[0](maps)
        for layer, (block, to_image) in enumerate(zip(self.blocks, self.to_image[1:], strict=True)):
            maps = leaky_relu(block(interpolate(maps, scale_factor=2)), 0.2)
            image = interpolate(image, scale_factor=2)
            image = torch.lerp(image, to_image(maps), self.growth.weight(layer))
        return image.tanh()


class GrowingDiscriminator(nn.Module):
    def __init__(self, channels: int, size: int, filters: int) -> None:
        super().__init__()
        count = halvings(size)
        self.growth = Growth(count)
        self.from_image = nn.ModuleList(nn.Conv2d(channels, filters, 1) for _ in range(count + 1))
        self.blocks = nn.ModuleList(nn.Conv2d(filters, filters, 3, padding=1) for _ in range(count))
        self.score = nn.Linear(filters * (size >> count) ** 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.from_image[-1](images)
        for layer, block in reversed(list(enumerate(self.blocks))):
            images = avg_pool2d(images, 2)
            maps = avg_pool2d(leaky_relu(block(maps), 0.2), 2)
            maps = torch.lerp(self.from_image[layer](images), maps, self.growth.weight(layer))
        return self.score(maps.flatten(1)).squeeze(1)


class Growing(Dcgan):
    """Networks that grow with the progress of training (Karras et al. 2018), with DCGAN's losses."""

    name, title, source = "growing", "Growing GAN", "arXiv 1710.10196"
    sample_kinds = ("images",)

    def build_generator(self) -> GrowingGenerator:
        if len(self.sample_shape) == 1:
            raise ValueError(f"samples of shape {self.sample_shape} are points: only images can grow")
        channels, size, _ = self.sample_shape
        return GrowingGenerator(channels, size, self.hyperparameters.filters, self.latent_width)

    def build_discriminator(self) -> GrowingDiscriminator:
        channels, size, _ = self.sample_shape
        return GrowingDiscriminator(channels, size, self.hyperparameters.filters)

    def begin_step(self) -> None:
        for network in (self.generator, self.discriminator):
            network.growth.follow(self.progress)
