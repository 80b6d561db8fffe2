"""C_T: a test for copies of training samples that compares with held-out ones.

Meehan, Chaudhuri and Dasgupta 2020, "A non-parametric test to detect data-copying in generative models": if
generated samples lie systematically nearer to the training samples than held-out real samples do, they are
copies. The space is cut into cells by k-means of training samples. In each cell the distances to the nearest
training sample of the cell are compared by the Mann-Whitney test; C_T is the mean of the z of the cells, each
weighted by its held-out samples. The authors' program adds 0.5 to the statistic of each test; this does not.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from bench.judging.bins import Bins
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric
from bench.judging.training_features import TrainingFeatures

CELLS = 10
LEAST_IN_CELL = 200  # training samples, in the mean
LEAST_GENERATED = 20  # in a cell: with fewer the cell does not count
_FIRST = 5000  # training samples of which the cells are made
_ROWS = 5000  # training samples at a time: bounds memory


@metric(
    "c_t",
    "test for copies: z by which samples lie farther from training samples than held-out ones do",
    better="higher",
    needs="held-out",
    settings=f"{CELLS} cells, fewer of less than {LEAST_IN_CELL} samples each",
    on_request=True,
)
def of_samples(inputs: MetricInputs) -> float:
    """Far below 0 for copies, about 0 for other real samples, above 0 for samples worse than real ones."""
    return data_copying(
        inputs.generated_features.values,
        inputs.held_out.features.astype(np.float64),
        inputs.training_features.searched,
    )


def data_copying(generated: np.ndarray, held_out: np.ndarray, training: np.ndarray) -> float:
    """C_T of generated samples.

    Parameters
    ----------
    generated, held_out : ndarray
        Features, float64 (G, width) and (N, width), G and N at least 1.
    training : ndarray
        Features, float32 (L, width), L at least 2; they may be mapped from a file.

    Returns
    -------
    float
        In standard errors, and so the larger the more samples there are; 0 where no cell has enough samples.
    """
    cells = Bins.of(training[:_FIRST].astype(np.float64), CELLS, LEAST_IN_CELL)
    parts = range(0, len(training), _ROWS)
    known = [cells.assign(training[start : start + _ROWS].astype(np.float64)) for start in parts]
    of_training, of_held_out, of_generated = (
        np.concatenate(known),
        cells.assign(held_out),
        cells.assign(generated),
    )
    weights, scores = [], []
    for cell in range(len(cells.centres)):
        some, others = generated[of_generated == cell], held_out[of_held_out == cell]
        rows = np.flatnonzero(of_training == cell)
        if len(some) < LEAST_GENERATED or not len(others) or not len(rows):
            continue
        search = TrainingFeatures(training[rows], cells.centres[cell])
        scores.append(nearer_or_farther(search.nearest(some).squared, search.nearest(others).squared))
        weights.append(len(others))
    return float(np.average(scores, weights=weights)) if scores else 0.0


def nearer_or_farther(generated: np.ndarray, held_out: np.ndarray) -> float:
    """z of the Mann-Whitney test that generated samples lie as far as held-out ones; below 0 if nearer.

    Parameters
    ----------
    generated, held_out : ndarray
        Distances (G,) and (N,), G and N at least 1; equal ones count half.
    """
    some, others = len(generated), len(held_out)
    ranks = rankdata(np.concatenate([generated, held_out]))
    farther = ranks[:some].sum() - some * (some + 1) / 2
    error = math.sqrt(some * others * (some + others + 1) / 12)
    return float((farther - some * others / 2) / error)
