"""C_T by scipy's Mann-Whitney test, on copies and on other real samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, norm

from bench.datasets.arrays import DataArray
from bench.judging.bins import Bins
from bench.judging.extractors.images import DigitsGarments
from bench.judging.given_samples import GivenSamples
from bench.judging.held_out import held_out_statistics
from bench.judging.judge import Judge
from bench.judging.metrics.data_copying import CELLS, LEAST_IN_CELL, data_copying, nearer_or_farther
from bench.judging.reference import pairing_order, reference_statistics


def test_the_test_of_a_cell_is_scipys_without_its_corrections() -> None:
    rng = np.random.default_rng(0)
    generated, held_out = rng.gamma(2, size=60), rng.gamma(2.5, size=90)
    for alternative, side in (("less", norm.cdf), ("greater", norm.sf)):
        theirs = mannwhitneyu(
            generated, held_out, alternative=alternative, method="asymptotic", use_continuity=False
        )
        assert side(nearer_or_farther(generated, held_out)) == pytest.approx(theirs.pvalue)
    assert nearer_or_farther(np.zeros(9), np.zeros(4)) == 0.0


def test_the_definition_cell_by_cell(digit_features: tuple[np.ndarray, np.ndarray]) -> None:
    blurred, real = (part.astype(np.float64) for part in digit_features)
    training, held_out = real[:450].astype(np.float32), real[450:]
    cells = Bins.of(training, CELLS, LEAST_IN_CELL)
    assert len(cells.centres) == 2
    places = [cdist(part, cells.centres).argmin(axis=1) for part in (blurred, held_out, training)]
    total = 0.0
    for cell in range(2):
        some, others, known = (
            part[place == cell] for part, place in zip((blurred, held_out, training), places, strict=True)
        )
        u = mannwhitneyu(cdist(some, known).min(axis=1), cdist(others, known).min(axis=1)).statistic
        m, n = len(some), len(others)
        total += n / 250 * (u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)
    assert data_copying(blurred, held_out, training) == pytest.approx(total, rel=1e-9)


def test_copies_are_far_below_0_other_real_samples_near_it_and_blurred_ones_above(
    digit_features: tuple[np.ndarray, np.ndarray],
) -> None:
    blurred, real = (part.astype(np.float64) for part in digit_features)
    training, held_out, fresh = real[:400], real[400:550], real[550:]
    assert data_copying(training[:150], held_out, training) < -5
    jittered = training[:150] + 0.05 * training.std() * np.random.default_rng(0).normal(size=(150, 64))
    assert data_copying(jittered, held_out, training) < -3
    assert abs(data_copying(fresh, held_out, training)) < 2.5
    assert data_copying(blurred[:150], held_out, training) > 3


def test_cells_with_few_generated_samples_do_not_count() -> None:
    rng = np.random.default_rng(0)
    training = np.concatenate([rng.normal(size=(300, 2)), rng.normal(50, 1, size=(300, 2))])
    held_out = np.concatenate([rng.normal(size=(100, 2)), rng.normal(50, 1, size=(100, 2))])
    generated = np.concatenate([training[:80], training[300:310]])
    whole = data_copying(generated, held_out, training)
    assert whole == data_copying(generated[:80], held_out, training) < -5


def test_a_judge_with_held_out_samples_measures_it_on_request(
    shipped: DigitsGarments, some_digits: np.ndarray, tmp_path: Path
) -> None:
    order = np.random.default_rng(0).permutation(1000)
    training, outside = (
        DataArray(name, some_digits[rows], name, "")
        for name, rows in (("training", order[:700]), ("outside", order[700:]))
    )
    reference = reference_statistics(shipped, training.samples, training.hash, "training", tmp_path)
    held_out = held_out_statistics(shipped, reference, outside, tmp_path)
    judge = Judge(shipped, reference, 300, held_out=held_out)
    assert "c_t" in judge.on_request
    assert "c_t" not in Judge(shipped, reference, 300).on_request
    copies = training.samples[pairing_order(700)[400:]]  # none of those that are compared pairwise
    assert judge.measure(GivenSamples(copies), ["c_t"])["c_t"] < -5
    assert abs(judge.score_real(training.samples, names=["c_t"])["c_t"]) < 2.5
