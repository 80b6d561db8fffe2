"""Passes over the real samples, from what a run's description says."""

from typing import Any

import pytest

from bench.comparing.epochs import epochs_per_step
from bench.configuration import resolve


def described(count: int, **given: Any) -> dict[str, Any]:
    configuration = resolve({"variant": "began", **given})
    return {"config": configuration.flat(), "data": {"count": count}}


@pytest.mark.parametrize("dataset", ["mnist-5k", "stacked-mnist", "ring-8", "folder:/no/longer/there"])
def test_a_step_is_the_share_of_its_batch_in_the_epoch(dataset: str) -> None:
    assert epochs_per_step(described(1000, dataset=dataset, batch_size=100)) == pytest.approx(1 / 10)


def test_a_short_last_batch_counts_where_it_is_kept() -> None:
    assert epochs_per_step(described(1050, batch_size=100, drop_last=True)) == pytest.approx(1 / 10)
    assert epochs_per_step(described(1050, batch_size=100, drop_last=False)) == pytest.approx(1 / 11)
