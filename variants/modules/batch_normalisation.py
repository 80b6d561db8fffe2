"""Batch norm for images and for points."""

from types import TracebackType

from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def batch_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """Return the batch norms of a module, in order."""
    return [layer for layer in module.modules() if isinstance(layer, BATCH_NORMS)]


class frozen_statistics:  # in lower case like other context managers
    """Context manager that leaves the running statistics of batch norm unchanged; reusable.

    Batch norm still normalises by the statistics of each batch.

    Parameters
    ----------
    module : nn.Module
        Module whose batch norms are frozen.
    """

    def __init__(self, module: nn.Module) -> None:
        self._layers = batch_norms(module)
        self._saved: list[dict[str, Tensor]] = []

    def __enter__(self) -> None:
        self._saved = [dict(layer.named_buffers()) for layer in self._layers]
        for layer, buffers in zip(self._layers, self._saved, strict=True):
            for name, buffer in buffers.items():
                setattr(layer, name, buffer.clone())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for layer, buffers in zip(self._layers, self._saved, strict=True):
            for name, buffer in buffers.items():
                setattr(layer, name, buffer)
