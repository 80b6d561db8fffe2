"""Pictures of a run: grids of images, and M and k by step."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

MARGIN = 2  # pixels between the images of a grid
DOTS_PER_INCH = 150
# Okabe and Ito's blue and vermilion: told apart by colour-blind eyes, and of different lightness in grey
BLUE, VERMILION = "#0072B2", "#D55E00"


def save_grid(images: Tensor, path: Path, columns: int = 10, scale: int = 2) -> None:
    """Save images as one PNG, row by row.

    Parameters
    ----------
    images : Tensor
        float32 (N, C, H, W) in [-1, 1], C 1 or 3.
    path : Path
        The PNG file.
    columns : int
        Images in a row.
    scale : int
        Each pixel becomes scale x scale.
    """
    from PIL import Image

    bytes_ = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()
    count, channels, height, width = bytes_.shape
    rows = -(-count // columns)
    high, wide = height + MARGIN, width + MARGIN
    sheet = torch.full((channels, rows * high + MARGIN, columns * wide + MARGIN), 255, dtype=torch.uint8)
    for place in range(count):
        top, left = place // columns * high + MARGIN, place % columns * wide + MARGIN
        sheet[:, top : top + height, left : left + width] = bytes_[place]
    array = sheet.permute(1, 2, 0).numpy()
    image = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path)


def save_trajectories(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """Draw M above k by step into a PNG and an SVG beside it; the losses where a variant has neither.

    Parameters
    ----------
    rows : list of dict
        The record's step rows.
    title : str
        Title of the figure.
    path : Path
        File without suffix.
    """
    if not rows:
        return
    names: list[str] = [name for name in ("M", "k") if name in rows[0]] or ["loss_d", "loss_g"]
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = np.array([row["step"] for row in rows])
    figure, axes = pyplot.subplots(
        len(names), 1, sharex=True, figsize=(7, 2.2 * len(names) + 0.6), squeeze=False, layout="constrained"
    )
    labels = {
        "M": "M (convergence measure)",
        "k": "k (weight of L(G(z)))",
        "loss_d": "loss of D",
        "loss_g": "loss of G",
    }
    window = max(1, len(rows) // 100)
    for axis, name, colour in zip(axes[:, 0], names, (BLUE, VERMILION), strict=False):
        values = np.array([row[name] for row in rows])
        axis.plot(steps, values, color=colour, alpha=0.25, linewidth=0.6, label="every step")
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axis.plot(steps[window - 1 :], smooth, color=colour, linewidth=1.6, label=f"mean over {window} steps")
        axis.set_ylabel(labels[name])
        if name == "M":
            # it falls by orders of magnitude in the first steps
            axis.set_yscale("log")
        axis.grid(alpha=0.3)
        axis.legend(loc="upper right", frameon=False, fontsize=8)
    axes[-1, 0].set_xlabel("step")
    figure.suptitle(title, fontsize=10)
    for suffix in (".png", ".svg"):
        figure.savefig(path.with_suffix(suffix), dpi=DOTS_PER_INCH)
    pyplot.close(figure)
