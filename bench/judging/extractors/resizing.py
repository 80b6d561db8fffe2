"""Preparation of images for networks of photographs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def resized(images: Tensor, size: int) -> Tensor:
    """Resize images bicubically, with antialiasing and without rounding, as PIL does in mode ``F``.

    Parameters
    ----------
    images : Tensor
        uint8 (N, C, H, W), C 1 or 3; grey is repeated to 3 channels.
    size : int
        The new height and width.

    Returns
    -------
    Tensor
        float32 (N, 3, size, size) in [0, 255]; a cubic overshoots, and what leaves the range is cut off.
    """
    values = images.to(torch.float32)
    if values.shape[-2:] != (size, size):
        values = interpolate(values, size=(size, size), mode="bicubic", align_corners=False, antialias=True)
    return values.clamp(0, 255).expand(-1, 3, -1, -1)
