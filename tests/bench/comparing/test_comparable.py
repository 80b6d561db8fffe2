"""Numbers in different terms never stand in one column."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

from bench.comparing.comparable import comparison_key, data_label, require_comparable
from bench.system.errors import RequestError
from variants.modules.losses import BATCH_SIZE_DEPENDENT_NORMS, mean_loss

Runs = Callable[..., pd.DataFrame]

OTHER_DATA = {"dataset": "cifar10", "data_hash": "e" * 64}


@pytest.mark.parametrize(
    ("difference", "metric"),
    [
        ({"seed": 5}, "fd_x"),
        ({"norm": "l2"}, "fd_x"),
        ({"batch_size": 8}, "M"),
        ({"protocol": "another; generator raw"}, "M"),
        ({"variant": "wgan-gp", "norm": None, "M": None}, "M"),
    ],
)
def test_facts_that_do_not_change_a_number_do_not_matter(
    difference: dict[str, Any], metric: str, runs: Runs
) -> None:
    require_comparable(runs({}, difference), [metric])


@pytest.mark.parametrize(
    ("first", "second", "metric", "words"),
    [
        (
            {},
            {"protocol": "net@1; 5000 samples; generator raw"},
            "fd_x",
            ["protocol", "2000 samples (run-0)", "5000 samples (run-1)", "--where"],
        ),
        ({}, OTHER_DATA, "classes_covered", ["data", "mnist-5k at 28 px @dddddddd", "cifar10", "--dataset"]),
        ({}, OTHER_DATA, "M", ["data"]),
        ({}, {"norm": "l2"}, "M", ["norm", "norm l1 (run-0)", "norm l2 (run-1)", "--metric", "--where"]),
        (
            {"norm": "frobenius"},
            {"norm": "frobenius", "batch_size": 8},
            "M",
            ["batch size 64", "batch size 8"],
        ),
        ({}, {"norm": "frobenius", "batch_size": 8}, "loss_real", ["norm l1", "norm frobenius"]),
    ],
)
def test_a_refusal_names_the_difference_the_runs_and_how_to_choose(
    first: dict[str, Any], second: dict[str, Any], metric: str, words: list[str], runs: Runs
) -> None:
    with pytest.raises(RequestError) as error:
        require_comparable(runs(first, second), [metric])
    message = str(error.value)
    assert message.startswith(f"{metric} cannot be compared")
    assert "\n" not in message
    for word in words:
        assert word in message
    assert "generator raw" not in message  # both have it


def test_a_refusal_names_a_few_runs_of_many(runs: Runs) -> None:
    with pytest.raises(RequestError) as error:
        require_comparable(runs(*[{}] * 40, *[{"norm": "l2"}] * 3), ["fd_x", "M"])
    assert "(run-0, run-1 and 38 more)" in str(error.value)
    assert len(str(error.value)) < 300


def test_only_one_norm_has_the_batch_size_in_its_key(runs: Runs) -> None:
    for norm in ("l1", "l2", "frobenius"):
        small, large = (mean_loss(torch.ones(count, 3, 4, 4), norm) for count in (4, 16))
        depends = not torch.isclose(small, large)
        assert depends == (norm in BATCH_SIZE_DEPENDENT_NORMS)
        assert depends == ("batch_size" in comparison_key(runs({"norm": norm}).iloc[0], "M"))
        if depends:
            assert torch.isclose(small / large, torch.tensor(2.0))  # 1/sqrt(B)


@pytest.mark.parametrize("size", [None, pd.NA, float("nan")])
def test_the_label_of_data_has_a_size_only_for_images(size: Any) -> None:
    assert data_label("mnist-5k", 28, "d" * 64) == "mnist-5k at 28 px @dddddddd"
    assert data_label("ring-8", size, "e" * 64) == "ring-8 @eeeeeeee"
