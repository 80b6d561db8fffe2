"""Print what each extractor costs: processor seconds of an image on one thread.

``python benchmarks/extractor_cost.py [--images N] [--extractor NAME]...`` extracts from random colour
images of 32 x 32 (grey ones where an extractor takes no others). A vision transformer has random weights,
which cost the same as trained ones. An extractor whose packages are missing is left out with a line.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import torch
from safetensors.torch import save_file
from tables import markdown

from bench.judging.extractors.registry import EXTRACTORS, ImageExtractor
from bench.judging.extractors.vision_transformers import VisionTransformer
from bench.system import paths
from bench.system.errors import RequestError, WorkError
from bench.training.device import keep_freed_memory

SIDE = 32
ROUNDS = 3


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--images", default=32, show_default=True, help="Images of a round; the median of 3 is printed."
)
@click.option(
    "--extractor", "names", multiple=True, help="Measure this extractor; repeatable. [default: all]"
)
def main(images: int, names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()  # as runs do
    known = EXTRACTORS.entries()
    rows = []
    for name in names or known:
        kind = known[name]
        # one name for two networks
        for channels in (1, 3) if name == "shipped" else (kind.channels[-1],):
            try:
                extractor = built(kind, channels)
            except (RequestError, WorkError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            seconds = cost(extractor, channels, images)
            rows.append([f"`{extractor.name}`", f"{extractor.width:,}", f"{1000 * seconds:.3g} ms"])
    print(markdown(["extractor", "features", "an image on one thread"], rows))


def built(kind: type[ImageExtractor], channels: int) -> ImageExtractor:
    """Return an extractor; a vision transformer with random weights."""
    if missing := kind.missing():
        raise RequestError(missing)
    if not issubclass(kind, VisionTransformer):
        return kind.create(channels, paths.cache())
    with TemporaryDirectory() as folder:
        path = Path(folder) / kind.files[0]
        save_file(kind.bare().state_dict(), path)
        return kind(path)


def cost(extractor: ImageExtractor, channels: int, count: int) -> float:
    """Return the median processor seconds of an image."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, SIDE, SIDE), dtype=torch.uint8, generator=draws)
    extractor(images[:1])
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        extractor(images)
        found.append((time.process_time() - began) / count)
    return median(found)


if __name__ == "__main__":
    main()
