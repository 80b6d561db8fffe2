"""Latents that sweep a code which a variant declares: the grids that show what a code means."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.runs.class_rows import COLUMNS, classes_shown
from bench.runs.generator import TrainedGenerator
from bench.system.errors import RequestError, unknown
from variants.latent_codes import LatentCode

ROWS = 10  # latents of a sweep of a continuous code, where there are no categories


@dataclass(frozen=True)
class CodeSweep:
    """Samples of a grid that sweeps a code.

    Attributes
    ----------
    samples : Tensor
        float32 (rows, columns, ...).
    row_labels : tuple of str
        A text for each row; empty for rows that differ in the noise only.
    caption : str
        What rows and columns show.
    """

    samples: Tensor
    row_labels: tuple[str, ...]
    caption: str


def code_named(trained: TrainedGenerator, name: str) -> LatentCode:
    """Return the code of a name.

    Raises
    ------
    RequestError
        If the variant declares no such code.
    """
    codes = {code.name: code for code in trained.codes}
    if not codes:
        raise RequestError(f"code {name}: {trained.variant.name} declares no codes of its latents")
    if name not in codes:
        raise unknown("code", name, list(codes))
    return codes[name]


def sweep(trained: TrainedGenerator, code: LatentCode, columns: int = COLUMNS, seed: int = 0) -> CodeSweep:
    """Generate the samples of a grid that sweeps a code.

    A categorical code has a row for each category, and the same latents otherwise in every row. A continuous
    code rises along each row; the rows show the categories of the first categorical code, or the classes of a
    conditional run, or else different latents. All rows have the same values of the other codes and the same
    z where rows are categories or classes.

    Parameters
    ----------
    trained : TrainedGenerator
        The networks.
    code : LatentCode
        A code that the variant declares.
    columns : int
        Samples per row, at least 2 of a continuous code.
    seed : int
        Seed of the latents.
    """
    if code.kind == "categorical":
        latents = trained.latents(columns, seed)
        rows = [code.replaced_in(latents, value) for value in code.values(columns)[classes_shown(code.width)]]
        caption = f"G([z, c]), a category of the code {code.name} in each row"
        return CodeSweep(_generated(trained, rows), _labels(code), caption)
    starts, labels = _starts(trained, seed)
    rows = [code.replaced_in(start.repeat(columns, 1), code.values(columns)) for start in starts]
    caption = f"G([z, c]), the code {code.name} from {code.low:g} (left) to {code.high:g} (right)"
    return CodeSweep(_generated(trained, rows), labels, caption)


def _starts(trained: TrainedGenerator, seed: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return the latents whose continuous code is swept, a row each, and the labels of the rows."""
    categorical = next((code for code in trained.codes if code.kind == "categorical"), None)
    if categorical is not None:
        values = categorical.values(0)[classes_shown(categorical.width)]
        start = trained.latents(1, seed).repeat(len(values), 1)
        return categorical.replaced_in(start, values), _labels(categorical)
    if names := trained.class_names:
        shown = classes_shown(len(names))
        start = trained.latents(1, seed).repeat(len(shown), 1)
        return trained.variant.with_class(start, torch.tensor(shown)), tuple(names[label] for label in shown)
    return trained.latents(ROWS, seed), ()


def _labels(code: LatentCode) -> tuple[str, ...]:
    return tuple(f"{code.name} {number}" for number in classes_shown(code.width))


def _generated(trained: TrainedGenerator, rows: list[Tensor]) -> Tensor:
    latents = torch.stack(rows)
    return trained.generate(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
