"""Parts of a set of samples are cut by the samples' positions, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.judging.class_splits import SPLITS, ClassSplits


@pytest.mark.parametrize("total", [7, 10, 12, 697])
@pytest.mark.parametrize("batch", [1, 5, 250])
def test_each_part_has_the_samples_between_its_bounds(total: int, batch: int) -> None:
    rows = torch.from_numpy(np.random.default_rng(total).dirichlet(np.ones(4), total))
    splits = ClassSplits(total)
    for part in rows.split(batch):
        splits.update(part)
    for place in range(SPLITS):
        members = rows[place * total // SPLITS : (place + 1) * total // SPLITS].numpy()
        assert splits.counts[place] == len(members)
        np.testing.assert_allclose(splits.probability_sums[place], members.sum(axis=0), rtol=1e-12)
        entropy = -(members * np.log(members)).sum()
        assert splits.entropy_sums[place] == pytest.approx(entropy, rel=1e-12)


def test_a_set_that_is_not_cut_keeps_nothing() -> None:
    splits = ClassSplits(0)
    splits.update(torch.full((5, 2), 0.5))
    assert splits.counts.sum() == splits.probability_sums.size == 0
