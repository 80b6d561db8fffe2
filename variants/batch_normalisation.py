"""Batch norm, of images and of points alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def batch_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """The batch norms within a module, in order."""
    return [layer for layer in module.modules() if isinstance(layer, BATCH_NORMS)]


@contextmanager
def statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch norm use each batch's statistics without moving its running ones."""
    layers = batch_norms(module)
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
