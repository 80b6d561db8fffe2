"""Changes of samples: noise, shifts and turns; and the conversion of stored samples."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

Random = np.random.Generator

# Deviation of the noise of jittered samples, in the unit of [-1, 1]. For points, a quarter of a mode's
# deviation at most, since more would spread them over the whole mode.
JITTER, JITTER_OF_POINTS = 0.05, 0.002


def as_generated(samples: np.ndarray) -> Tensor:
    """Return stored samples as a generator's output, float32 in [-1, 1]."""
    stored = torch.from_numpy(np.array(samples))
    return stored if stored.dtype == torch.float32 else stored.float() / 127.5 - 1


def repeated(samples: Tensor, count: int) -> Tensor:
    """Return so many samples, all of `samples` in turn."""
    return samples[torch.arange(count) % len(samples)]


def noisy(samples: Tensor, deviation: float, random: Random) -> Tensor:
    """Return samples with noise, clamped to [-1, 1]."""
    noise = torch.from_numpy(random.normal(0, deviation, samples.shape)).float()
    return (samples + noise).clamp(-1, 1)


def jittered(samples: Tensor, random: Random) -> Tensor:
    """Return samples with noise; images are also shifted by up to a pixel in each direction."""
    if samples.dim() == 2:
        return noisy(samples, JITTER_OF_POINTS, random)
    return noisy(turned(samples, 0, 1, random), JITTER, random)


def turned(images: Tensor, degrees: float, pixels: int, random: Random) -> Tensor:
    """Return images, each turned about its centre by a random angle and shifted by random whole pixels."""
    count, side = len(images), images.shape[-1]
    angle = torch.from_numpy(random.uniform(-degrees, degrees, count)).float().deg2rad()
    moves = torch.from_numpy(random.integers(-pixels, pixels + 1, (2, count))).float() * 2 / side
    rows = (
        torch.stack((angle.cos(), -angle.sin(), moves[0])),
        torch.stack((angle.sin(), angle.cos(), moves[1])),
    )
    grid = nn.functional.affine_grid(torch.stack(rows).permute(2, 0, 1), list(images.shape), False)
    return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def compressed(images: Tensor, quality: int) -> Tensor:
    """Return images as JPEG files of this quality hold them."""
    stored = ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    decoded = []
    for pixels in stored:
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)).reshape(pixels.shape))
    return as_generated(np.stack(decoded)).permute(0, 3, 1, 2)
