"""Numbers in different terms never stand in one column."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

from bench.comparing.comparable import comparison_key, data_label, differences, require_comparable
from bench.comparing.measured import to_cell as to_metrics_cell
from bench.comparing.scalars import to_cell
from bench.runs.description import MetricDeclaration
from bench.system.errors import RequestError
from variants.modules.losses import BATCH_SIZE_DEPENDENT_NORMS, mean_loss
from variants.scalars import SameKnob, TrainingScalar

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
        ({}, {"norm": "frobenius", "batch_size": 8}, "M_best", ["norm l1", "norm frobenius"]),
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


DEPTH = TrainingScalar(
    "depth",
    "a scalar of another package",
    better="higher",
    selects=True,
    depends_on=(SameKnob("image_size"), SameKnob("steps", when_knob="dataset", when_values=("cifar10",))),
)


@pytest.mark.parametrize(
    ("first", "second", "differ", "told"),
    [
        ({"norm": "l2"}, {"norm": "l1", "batch_size": 8, "steps": 9}, [], ""),
        (
            {},
            {"image_size": 64},
            ["image_size"],
            "image size: image size 28 (run-0); image size 64 (run-1); choose runs with --where "
            '"image_size == ..."',
        ),
        (
            {"dataset": "cifar10"},
            {"dataset": "cifar10", "steps": 9},
            ["steps"],
            'with --where "steps == ..."',
        ),
        ({}, {"image_size": None}, ["image_size"], "image size none (run-1)"),
    ],
)
def test_a_scalar_is_comparable_where_the_knobs_are_equal_that_its_variant_names(
    first: dict[str, Any], second: dict[str, Any], differ: list[str], told: str, runs: Runs
) -> None:
    frame = runs(first, second).assign(scalars=to_cell([DEPTH]), depth=1.0)
    assert differences(frame, "depth") == differ
    if not differ:
        require_comparable(frame, ["depth"])
        return
    with pytest.raises(RequestError, match="depth cannot be compared") as error:
        require_comparable(frame, ["depth"])
    assert told in str(error.value)


def test_a_scalar_that_two_variants_declare_with_other_directions_is_not_comparable(runs: Runs) -> None:
    frame = runs({}, {"variant": "other"}).assign(depth=1.0)
    frame["scalars"] = [
        to_cell([DEPTH]),
        to_cell([TrainingScalar("depth", "d", better="lower", selects=True)]),
    ]
    with pytest.raises(RequestError, match="runs differ in better.*choose runs with --variant"):
        require_comparable(frame, ["depth"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"better": "higher"}, "lower is better, k = 5 (run-0); higher is better, k = 5 (run-1)"),
        ({"settings": "k = 3"}, "lower is better, k = 5 (run-0); lower is better, k = 3 (run-1)"),
    ],
)
def test_a_metric_that_was_defined_otherwise_is_not_comparable(
    change: dict[str, Any], told: str, runs: Runs
) -> None:
    spread = MetricDeclaration(title="spread", better="lower", settings="k = 5")
    declared = [{"spread": spread}, {"spread": spread.model_copy(update=change)}, {"other": spread}]
    frame = runs({}, {}, {"protocol": "another"}).assign(metrics=[*map(to_metrics_cell, declared)])
    with pytest.raises(RequestError, match="spread cannot be compared, runs differ in definition") as error:
        require_comparable(frame.assign(spread=1.0), ["spread"])
    assert told in str(error.value)
    # a run that did not measure the metric has no value that could be compared
    require_comparable(frame[1:].assign(spread=1.0), ["spread"])


@pytest.mark.parametrize("size", [None, pd.NA, float("nan")])
def test_the_label_of_data_has_a_size_only_for_images(size: Any) -> None:
    assert data_label("mnist-5k", 28, "d" * 64) == "mnist-5k at 28 px @dddddddd"
    assert data_label("ring-8", size, "e" * 64) == "ring-8 @eeeeeeee"
