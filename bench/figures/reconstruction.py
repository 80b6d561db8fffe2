"""Real images, their reconstructions, and generated images, side by side."""

from typing import TYPE_CHECKING

from torch import Tensor

from bench.figures.grid import tiled, to_bytes
from bench.figures.panels import draw_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_triptych(
    real: Tensor,
    reconstructed: Tensor | None,
    generated: Tensor,
    title: str,
    columns: int = 5,
    reconstruction: str = "D(x)",
) -> "Figure":
    """Draw three panels: real, reconstructed, generated.

    Parameters
    ----------
    real, reconstructed, generated : Tensor
        float32 (N, C, H, W) in [-1, 1]; `reconstructed` is None for a variant that reconstructs
        nothing, and then there are two panels.
    title : str
        Title of the figure.
    columns : int
        Images per row of a panel.
    reconstruction : str
        How a reconstruction is written.
    """
    parts = {"real": real, f"reconstructed, {reconstruction}": reconstructed, "generated": generated}
    shown = {name: tiled(to_bytes(images), columns) for name, images in parts.items() if images is not None}
    return draw_panels([list(shown.values())], title, list(shown))
