"""Weight clipping: every parameter of the critic stays in an interval around 0 (Arjovsky et al. 2017)."""

import torch
from torch import nn

from variants.knobs import LARGEST, Knobs, Search, knob


class WeightClipping(Knobs):
    """Bound of the critic's parameters."""

    weight_clip: float = knob(
        0.0,
        "bound of D's parameters, clipped after each of D's updates; 0 for none",
        low=0,
        high=LARGEST,
        search=Search(0.003, 0.3, "log"),
        neutral=(0.0,),
    )


@torch.no_grad()
def clip_weights(module: nn.Module, bound: float) -> None:
    """Clip every trainable parameter to [-bound, bound] (Arjovsky 2017, algorithm 1, line 7)."""
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.clamp_(-bound, bound)
