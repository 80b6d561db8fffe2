"""A paper's table beside our runs."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.comparing.defaults import FORMATS
from bench.comparing.frame import results
from bench.comparing.published import side_by_side, table_named
from bench.comparing.rendering import render
from bench.runs import record
from bench.runs.run_folder import all_runs
from bench.system.errors import RequestError
from variants.published_tables import PublishedRow, PublishedTable

Runs = Callable[..., pd.DataFrame]

PLAIN, L2, L2_128 = (
    {"norm": norm, "batch_size": size} for norm, size in (("l1", 8), ("frobenius", 8), ("frobenius", 128))
)
PAPER = PublishedTable(
    name="tiny",
    title="Two models",
    source="Nobody 2020, Table 1",
    scalar="M",
    dataset="mnist-5k",
    image_size=28,
    images=5000,
    epochs=9 / 625,
    hardware="a calculator",
    rows=(
        PublishedRow("Plain", {"variant": "began", "norm": "l1"}, 1.5, 20_000, "1 day", "9 epochs", PLAIN),
        PublishedRow("Absent", {"variant": "began", "norm": "frobenius"}, 1.0, 1, "1 h", "-", L2),
        PublishedRow("Varied", {"variant": "began-v3"}, 0.08, 10_000, "2 days", "-", L2_128),
    ),
)


def test_real_runs_are_set_beside_the_papers_rows(home: Path) -> None:
    tables = side_by_side(PAPER, results())
    plain = tables.frame.set_index("row").loc["Plain"]
    chosen = [
        run
        for run in all_runs()
        if run.describe().config.variant == "began" and run.describe().config.flat()["norm"] == "l1"
    ]
    ends = [end for run in chosen if (end := record.read(run.record_path).end)]
    lowest = [end.best["M_best"] for end in ends]
    assert plain["runs"] == 2
    assert plain["M_paper"] == 1.5
    assert plain["M"] == pytest.approx(sum(lowest) / 2)
    assert (plain["M_low"], plain["M_high"]) == (min(lowest), max(lowest))
    assert plain["parameters"] == chosen[0].describe().parameters
    seconds = [record.read(run.record_path).checkpoints[-1].train_seconds for run in chosen]
    assert plain["train_seconds"] == pytest.approx(sum(seconds) / 2)
    collapsed = [end for end in ends if end.health.startswith("collapsed@")]
    assert plain["collapsed"] == len(collapsed)
    epochs = sorted(int(end.health.partition("@")[2]) / 625 for end in collapsed)
    assert plain["collapsed_at_epochs"] == ", ".join(f"{epoch:.3g}" for epoch in epochs)
    cells = tables.texts[0].rows[0]
    assert cells[:2] == ("Plain", "1.50")
    assert cells[3:5] == ("20,000", f"{plain['parameters']:,}")
    assert cells[8].startswith(f"{len(collapsed)} of 2 runs, at epochs 0.0064")


def test_a_measurement_under_another_norm_is_called_not_comparable_in_its_own_cell(home: Path) -> None:
    tables = side_by_side(PAPER, results())
    assert "not comparable" not in tables.texts[0].rows[0][2]
    told = "not comparable: norm l2, the paper's frobenius; batch size 8, the paper's 128"
    assert tables.texts[0].rows[2][2].endswith(f"; {told}")
    varied = tables.frame.set_index("row").loc["Varied"]
    assert (varied["norm"], varied["norm_paper"]) == ("l2", "frobenius")
    assert (varied["batch_size"], varied["batch_size_paper"]) == (8, 128)
    assert varied["M_differs"] == told
    assert tables.frame.set_index("row").loc[["Plain", "Absent"], "M_differs"].isna().all()


@pytest.mark.parametrize(
    ("norm", "batch", "told"),
    [
        ("frobenius", 128, None),
        ("frobenius", 64, "not comparable: batch size 64, the paper's 128, on which M under norm frobenius"),
        ("l2", 128, "not comparable: norm l2, the paper's frobenius"),
        ("l2", 64, "not comparable: norm l2, the paper's frobenius; batch size 64, the paper's 128"),
    ],
)
def test_the_v3_papers_l2_loss_is_the_norm_frobenius_at_batch_128(
    norm: str, batch: int, told: str | None, runs: Runs, home: Path
) -> None:
    (run_id, *_) = results(variant="began-v3")["run_id"]
    frame = runs({"run_id": run_id, "variant": "began-v3", "norm": norm, "batch_size": batch})
    cell = side_by_side(table_named("table3"), frame).texts[0].rows[1][2]
    assert cell.startswith("0.100")
    assert (told in cell) if told else ("paper" not in cell)


def test_l1_at_another_batch_size_is_stated_and_comparable(runs: Runs, home: Path) -> None:
    (run_id, *_) = results(variant="began-v3")["run_id"]
    frame = runs({"run_id": run_id, "variant": "began-v3", "norm": "l1", "batch_size": 64})
    assert (
        side_by_side(table_named("table3"), frame).texts[0].rows[2][2]
        == "0.100; batch size 64, the paper's 128"
    )


def test_a_row_without_runs_has_no_runs_in_every_cell(home: Path) -> None:
    tables = side_by_side(PAPER, results())
    absent = tables.texts[0].rows[1]
    assert absent == ("Absent", "1.00", "no runs", "1", "no runs", "1 h", "no runs", "-", "no runs")
    assert tables.frame.loc[1, ["M", "parameters", "train_seconds", "group"]].isna().all()
    assert tables.frame.loc[1, "runs"] == 0


def test_without_any_run_the_table_has_the_papers_numbers_only() -> None:
    tables = side_by_side(PAPER, results())
    assert {cell for row in tables.texts[0].rows for cell in row[2::2]} == {"no runs"}
    assert "There are no finished runs of these rows." in tables.notes


def test_footnotes_state_our_training_and_its_differences_from_the_papers(home: Path) -> None:
    same = " ".join(side_by_side(PAPER, results()).notes)
    assert "mnist-5k at 28 px" in same
    assert "9 steps (0.0144 epochs), norm l1" in same
    assert "Not the paper's own" not in same
    other = " ".join(side_by_side(table_named("table3"), results()).notes)
    assert "Not the paper's own: data, image size, length." in other
    assert "under different norms cannot be compared" in other
    assert "2 variables that hold the learning rates" in other


def test_runs_of_several_groups_in_a_row_are_refused(runs: Runs) -> None:
    frame = runs({"gamma": 0.5}, {"gamma": 0.7})
    with pytest.raises(RequestError, match=r"'Plain' of tiny has runs of 2 groups: began \(gamma=0.5\)"):
        side_by_side(PAPER, frame)


def test_different_data_are_refused_within_a_row_and_between_rows(runs: Runs) -> None:
    other = {"dataset": "cifar10", "data_hash": "e" * 64}
    with pytest.raises(RequestError, match="different data"):
        side_by_side(PAPER, runs({}, {"seed": 1} | other))
    with pytest.raises(RequestError, match="different data: mnist-5k at 28 px @dddddddd, cifar10"):
        side_by_side(PAPER, runs({}, {"variant": "began-v3"} | other))


def test_unfinished_runs_are_left_out_and_named_in_a_note(home: Path) -> None:
    frame = results()
    frame.loc[frame["variant"] == "began-v3", "status"] = "KILLED"
    tables = side_by_side(PAPER, frame)
    assert tables.texts[0].rows[2][2] == "no runs"
    assert any("(KILLED)" in note for note in tables.notes)


def test_every_format_renders(home: Path) -> None:
    tables = side_by_side(PAPER, results())
    for form in FORMATS:
        assert render(tables, form)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(RequestError, match="did you mean 'table3'"):
        table_named("table-3")
