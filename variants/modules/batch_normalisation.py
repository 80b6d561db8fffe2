"""Batch norm, of images and of points alike."""

from types import TracebackType

from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def batch_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """The batch norms within a module, in order."""
    return [layer for layer in module.modules() if isinstance(layer, BATCH_NORMS)]


class statistics_kept:  # named as a function is: it is used like one
    """Let batch norm use each batch's statistics without moving its running ones; can be entered again.

    Parameters
    ----------
    module : nn.Module
        Whose batch norms they are.
    """

    def __init__(self, module: nn.Module) -> None:
        self._layers = batch_norms(module)
        self._kept: list[dict[str, Tensor]] = []

    def __enter__(self) -> None:
        self._kept = [dict(layer.named_buffers()) for layer in self._layers]
        for layer, buffers in zip(self._layers, self._kept, strict=True):
            for name, buffer in buffers.items():
                setattr(layer, name, buffer.clone())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for layer, buffers in zip(self._layers, self._kept, strict=True):
            for name, buffer in buffers.items():
                setattr(layer, name, buffer)
