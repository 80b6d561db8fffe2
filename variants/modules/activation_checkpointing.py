"""Activation checkpointing: activations are computed again in the backward pass instead of being stored."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from variants.modules.batch_normalisation import BATCH_NORMS, frozen_statistics
from variants.modules.initialisation import layers_with_weights


class CheckpointedModule(nn.Module):
    """A network that can use activation checkpointing in its layers.

    Attributes
    ----------
    checkpoints_activations : bool
        Whether it does. The gradients are the same; most layers are computed twice.
    """

    checkpoints_activations: bool = False

    def run_layers(self, layers: nn.Module, inputs: Tensor) -> Tensor:
        """Return `layers(inputs)`, with activation checkpointing if it is switched on."""
        if not (
            self.checkpoints_activations and torch.is_grad_enabled() and isinstance(layers, nn.Sequential)
        ):
            return layers(inputs)
        for part in segments(layers):
            # an in-place activation as first layer would overwrite the stored input
            if isinstance(part[0], BATCH_NORMS) or _has_weights(part[0]):
                inputs = checkpoint(
                    part,
                    inputs,
                    use_reentrant=False,
                    preserve_rng_state=False,
                    context_fn=partial(_contexts, part),
                )
            else:
                inputs = part(inputs)
        return inputs


def _contexts(part: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of the first and the repeated pass; the latter must not update batch norm again."""
    return nullcontext(), frozen_statistics(part)


def segments(layers: nn.Sequential) -> Iterator[nn.Sequential]:
    """Split layers into about sqrt(number of blocks) parts, which minimises the memory in use at any time.

    A block starts at a layer with weights, or at a batch norm before such a layer. Layers before the first
    block form a part of their own.
    """
    blocks: list[list[nn.Module]] = []
    for layer in layers:
        starts = isinstance(layer, BATCH_NORMS) or (_has_weights(layer) and not _lacks_weights(blocks))
        if starts or not blocks:
            blocks.append([])
        blocks[-1].append(layer)
    if not any(isinstance(layer, BATCH_NORMS) or _has_weights(layer) for layer in blocks[0]):
        yield nn.Sequential(*blocks.pop(0))
    size = max(1, math.isqrt(len(blocks)))
    for start in range(0, len(blocks), size):
        yield nn.Sequential(*(layer for block in blocks[start : start + size] for layer in block))


def _has_weights(layer: nn.Module) -> bool:
    return next(layers_with_weights(layer), None) is not None


def _lacks_weights(blocks: list[list[nn.Module]]) -> bool:
    """Return whether the last block starts with a batch norm and has no layer with weights yet."""
    return bool(blocks) and isinstance(blocks[-1][0], BATCH_NORMS) and not any(map(_has_weights, blocks[-1]))
