"""Images per second: batches of the harness / a loader that decodes each image with PIL."""

from typing import Any

import torch
from configurations import images_of, published
from interleaved import Side, compare
from plain import endless, loader_of
from tables import markdown, with_notes, with_quartiles

from bench import datasets
from bench.configuration import resolve
from bench.training.device import prepare
from sections import Request, measure_each

TITLE = "Data: images a second, batches of the harness / loader over PIL"
PAIRS = 7
BATCH_SIZE = 64
KINDS = {
    "mnist-5k, 1 x 28 x 28": {"dataset": "mnist-5k", "image_size": 28, "channels": 1},
    "random, 3 x 64 x 64": {"dataset": "random-colour", "image_size": 64, "channels": 3},
}


class HarnessBatches(Side):
    """Batches as the trainer gets them."""

    def __init__(self, array: datasets.DataArray) -> None:
        self._batches = datasets.Batches(
            array, batch_size=BATCH_SIZE, seed=0, device=torch.device("cpu"), drop_last=True
        )
        self._next = 0

    def advance(self, steps: int) -> None:
        """Get `steps` further batches."""
        for _ in range(steps):
            self._batches.get(self._next)
            self._next += 1


class LoaderBatches(Side):
    """Batches of a torch `DataLoader` in the same process."""

    def __init__(self, array: datasets.DataArray) -> None:
        self._batches = endless(loader_of(array, BATCH_SIZE))

    def advance(self, steps: int) -> None:
        """Get `steps` further batches."""
        for _ in range(steps):
            next(self._batches)


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Time both sides on the same images."""
    harness = resolve(published("began", request.threads, 16, 64, BATCH_SIZE) | KINDS[name]).harness
    prepare(harness)
    array = images_of(harness)
    sides = {"loader": LoaderBatches(array), "harness": HarnessBatches(array)}
    comparison = compare(sides, request.steps, request.pairs or PAIRS)
    described = comparison.describe()
    rates = {side: 1e3 * BATCH_SIZE / milliseconds for side, milliseconds in described["step_ms"].items()}
    return described | {"faster": comparison.ratio("loader", "harness"), "images_per_second": rates}


def measure(request: Request) -> dict[str, Any]:
    """Measure grey and coloured images."""
    return measure_each(list(KINDS), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per kind of images."""
    header = ["images", "harness / loader", "harness images/s", "loader images/s"]
    rows = []
    for name, row in result.items():
        if "error" not in row:
            rates = [f"{row['images_per_second'][side]:,.0f}" for side in ("harness", "loader")]
            rows.append([name, with_quartiles(row["faster"], 1), *rates])
    return with_notes(markdown(header, rows), [f"batches of {BATCH_SIZE}, one thread"], result)
