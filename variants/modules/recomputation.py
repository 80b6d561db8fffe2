"""Activation checkpointing: layers whose activations are computed again for the gradient, not kept."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from variants.base import layers_with_weights
from variants.modules.batch_normalisation import BATCH_NORMS, statistics_kept


class Recomputed(nn.Module):
    """A network that may keep, of its layers' activations, only a few for the gradient.

    Attributes
    ----------
    recomputes : bool
        Whether it does. Gradients are the same; each layer is computed twice.
    """

    recomputes: bool = False

    def through(self, layers: nn.Module, inputs: Tensor) -> Tensor:
        """Pass inputs through layers."""
        if not (self.recomputes and torch.is_grad_enabled() and isinstance(layers, nn.Sequential)):
            return layers(inputs)
        for part in segments(layers):
            # an activation that comes first would overwrite what is kept
            if isinstance(part[0], BATCH_NORMS) or _has_weights(part[0]):
                contexts = _Contexts(part)
                inputs = checkpoint(
                    part, inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
                )
            else:
                inputs = part(inputs)
        return inputs


class _Contexts:
    """Contexts of the first pass and of the repeated one, which keeps batch norm's statistics."""

    def __init__(self, part: nn.Module) -> None:
        self._part = part

    def __call__(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), statistics_kept(self._part)


def segments(layers: nn.Sequential) -> Iterator[nn.Sequential]:
    """Split layers into about as many parts as each has blocks, so that the least is kept at any time.

    A block begins at a layer with weights or at the batch norm before one; what comes before the first is a
    part of its own.
    """
    blocks: list[list[nn.Module]] = []
    for layer in layers:
        begins = isinstance(layer, BATCH_NORMS) or (_has_weights(layer) and not _waits(blocks))
        if begins or not blocks:
            blocks.append([])
        blocks[-1].append(layer)
    if not any(isinstance(layer, BATCH_NORMS) or _has_weights(layer) for layer in blocks[0]):
        yield nn.Sequential(*blocks.pop(0))
    size = max(1, math.isqrt(len(blocks)))
    for start in range(0, len(blocks), size):
        yield nn.Sequential(*(layer for block in blocks[start : start + size] for layer in block))


def _has_weights(layer: nn.Module) -> bool:
    return next(layers_with_weights(layer), None) is not None


def _waits(blocks: list[list[nn.Module]]) -> bool:
    """Whether the last block began with a batch norm and has no layer with weights yet."""
    return bool(blocks) and isinstance(blocks[-1][0], BATCH_NORMS) and not any(map(_has_weights, blocks[-1]))
