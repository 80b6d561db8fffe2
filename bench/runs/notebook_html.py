"""HTML of results in notebooks: tables of facts and pictures, without scripts or files beside them."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = 8  # images in a row
SIDE = 500  # pixels of a picture on the page, at most


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Return a table; the first cell of each row is its heading, numbers have four digits."""
    head = "".join(f'<th style="text-align: left">{escape(name)}</th>' for name in header)
    lines = [f"<tr>{head}</tr>"] if header else []
    for name, *values in rows:
        cells = "".join(f'<td style="text-align: left">{escape(_cell(value))}</td>' for value in values)
        lines.append(f'<tr><th style="text-align: left">{escape(str(name))}</th>{cells}</tr>')
    return f"<table>{''.join(lines)}</table>"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def picture(png: bytes, title: str) -> str:
    """Return a picture that lies within the page, with its title below."""
    data = base64.b64encode(png).decode()
    style = f"max-width: {SIDE}px; width: 100%; image-rendering: pixelated"
    caption = f"<figcaption>{escape(title)}</figcaption>"
    return (
        f'<figure style="margin: 0.5em 0"><img style="{style}" alt="{escape(title)}" '
        f'src="data:image/png;base64,{data}">{caption}</figure>'
    )


def picture_of_file(path: Path, title: str) -> str:
    """Return the picture in a PNG file; empty if the file is gone."""
    try:
        return picture(path.read_bytes(), title)
    except OSError:
        return ""


def picture_of_samples(samples: "Tensor", title: str) -> str:
    """Return a grid of images, float32 (N, C, H, W) in [-1, 1], or the density of points (N, 2)."""
    import torch
    from PIL import Image
    from torchvision.utils import make_grid

    if samples.dim() == 2:
        inside = samples[(samples.abs() <= 1.5).all(dim=1)].double()
        counts = torch.histogramdd(inside, bins=[96, 96], range=[-1.5, 1.5, -1.5, 1.5]).hist
        # the second coordinate points upwards
        grid = 1 - (counts.T.flip(0) / counts.max().clamp_min(1)).sqrt()[None]
    else:
        grid = make_grid((samples + 1) / 2, nrow=COLUMNS, padding=2, pad_value=1.0)
    pixels = (grid.clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    scale = max(1, SIDE // pixels.shape[1])
    image = Image.fromarray(pixels.squeeze(2).numpy())
    file = BytesIO()
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(file, "PNG")
    return picture(file.getvalue(), title)
