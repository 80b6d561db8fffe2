"""Runs on several data sets are compared data set by data set."""

from collections.abc import Callable

import pandas as pd
import pytest

from bench.comparing.sections import by_data, summarise_by_data
from bench.system.errors import RequestError

Runs = Callable[..., pd.DataFrame]

DIGITS = {"data_hash": "d" * 64}
LARGER = {"data_hash": "e" * 64, "image_size": 32}
POINTS = {"dataset": "ring-8", "data_hash": "f" * 64, "image_size": None}


def test_data_sets_come_in_the_order_asked_for_or_by_name(runs: Runs) -> None:
    frame = runs(POINTS, DIGITS, {"seed": 1} | POINTS)
    assert [part.heading for part in by_data(frame, frame)] == ["mnist-5k", "ring-8"]
    parts = by_data(frame, frame, ["ring-8", "mnist-5k"])
    assert [(part.heading, len(part.selected)) for part in parts] == [("ring-8", 2), ("mnist-5k", 1)]


def test_headings_tell_the_data_apart(runs: Runs) -> None:
    frame = runs(DIGITS, LARGER, POINTS).astype({"image_size": "Int64"})
    assert [part.heading for part in by_data(frame, frame)] == [
        "mnist-5k at 28 px",
        "mnist-5k at 32 px",
        "ring-8",
    ]
    frame = runs(DIGITS, DIGITS | {"data_hash": "a" * 64}, POINTS, POINTS | {"data_hash": "b" * 64})
    assert {part.heading for part in by_data(frame, frame)} == {
        *(f"mnist-5k at 28 px @{digit * 8}" for digit in "da"),
        *(f"ring-8 @{digit * 8}" for digit in "fb"),
    }


def test_each_data_set_has_the_metrics_and_the_baseline_that_it_has(runs: Runs) -> None:
    points = POINTS | {"classes_covered": None}
    frame = runs(DIGITS, DIGITS | {"variant": "v3"}, points, points | {"seed": 1})
    digits, ring = summarise_by_data(by_data(frame, frame), ["fd_x", "classes_covered"], "v3")
    assert digits.summary.metrics == ["fd_x", "classes_covered"]
    assert digits.summary.baseline == "v3"
    assert ring.summary.metrics == ["fd_x"]
    assert ring.summary.baseline is None
    assert "Not measured: classes_covered." in ring.summary.notes


def test_values_under_different_norms_are_fine_on_different_data(runs: Runs) -> None:
    frame = runs(DIGITS, POINTS | {"norm": "l2"})
    assert len(summarise_by_data(by_data(frame, frame), ["M"])) == 2
    same = runs(DIGITS, DIGITS | {"norm": "l2"})
    with pytest.raises(RequestError, match="M cannot be compared, runs differ in norm"):
        summarise_by_data(by_data(same, same), ["M"])


@pytest.mark.parametrize(
    ("rows", "metrics", "baseline", "message"),
    [
        ([], ["fd_x"], None, "no run meets"),
        ([{"status": "RUNNING"}], ["fd_x"], None, r"no finished run to compare: run-0 \(RUNNING\)"),
        ([{}, POINTS], ["fd_y"], None, "unknown metric 'fd_y'.*did you mean 'fd_x'"),
        ([{}, POINTS], ["fd_x"], "bgan", "unknown baseline 'bgan'.*did you mean 'began'"),
    ],
)
def test_a_wrong_request_is_refused(
    rows: list[dict[str, object]], metrics: list[str], baseline: str | None, message: str, runs: Runs
) -> None:
    frame = runs(*rows) if rows else runs({}).iloc[:0]
    with pytest.raises(RequestError, match=message):
        summarise_by_data(by_data(frame, frame), metrics, baseline)
