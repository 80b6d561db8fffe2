"""Tables of groups: one a metric, or everything side by side, as in the README."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.comparing.rendering import render
from bench.comparing.result_tables import of_sections, wide
from bench.comparing.sections import Section, by_data, summarise_by_data

Runs = Callable[..., pd.DataFrame]

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
VALUES = {"began": [4.0, 3.5, 4.75, 3.9, 4.4], "began-v3": [3.1, 2.9, 2.8, 2.7, 90.0]}


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def on(runs: Runs, *datasets: str, **further: Any) -> pd.DataFrame:
    """Two groups of five runs on each data set; the last run of the second one collapsed."""
    return runs(
        *(
            {
                "dataset": dataset,
                "data_hash": dataset.ljust(64, "0"),
                "variant": variant,
                "seed": seed,
                "fd_x": value + place,
                "health": "collapsed@50" if value > 50 else "ok",
                **further,
            }
            for place, dataset in enumerate(datasets)
            for variant, values in VALUES.items()
            for seed, value in enumerate(values)
        )
    )


def sections_of(
    frame: pd.DataFrame, metrics: Sequence[str], order: Sequence[str] = (), baseline: str | None = None
) -> list[Section]:
    return summarise_by_data(by_data(frame, frame, order), metrics, baseline)


@pytest.mark.parametrize("datasets", [("mnist-5k", "fashion-mnist"), ("ring-8", "grid-25", "stacked-mnist")])
def test_the_tables_of_the_readme_have_the_layout_of_the_command(
    datasets: tuple[str, ...], runs: Runs
) -> None:
    tables = wide(sections_of(on(runs, *datasets), ["fd_x"], datasets))
    header, *rows = [line for line in str(render(tables, "md")).splitlines() if line.startswith("|")]
    (printed,) = [
        line for line in README.splitlines() if line.startswith("|") and f" {datasets[0]}: mean" in line
    ]
    assert cells_of(header) == cells_of(printed)
    assert [cells_of(row)[0] for row in rows[1:]] == ["began", "began-v3"]
    assert cells_of(rows[1])[3] == "0 of 5"
    assert cells_of(rows[2])[3] == "1 of 5"
    assert any("0 of 5: [0.00, 0.52]; 1 of 5: [0.01, 0.72]" in note for note in tables.notes)


def test_numbers_side_by_side_are_those_of_the_tables_of_each_metric(runs: Runs) -> None:
    frame = on(runs, "mnist-5k", "ring-8")
    sections = sections_of(frame, ["fd_x", "classes_covered"], baseline="began")
    (table,) = wide(sections).texts
    separate = of_sections(sections).texts
    assert [(each.section, each.caption.partition(" ")[0]) for each in separate] == [
        (data, metric) for data in ("mnist-5k", "ring-8") for metric in ("fd_x", "classes_covered")
    ]
    assert table.spans == (
        ("", 1),
        ("mnist-5k: fd_x", 4),
        ("mnist-5k: classes_covered", 4),
        ("mnist-5k", 1),
        ("ring-8: fd_x", 4),
        ("ring-8: classes_covered", 4),
        ("ring-8", 1),
    )
    for row, group in enumerate(("began", "began-v3")):
        cells = list(table.rows[row])
        assert cells.pop(0) == group
        for first in (0, 2):
            for each in separate[first : first + 2]:
                assert tuple(cells[:4]) == each.rows[row][3:]
                del cells[:4]
            assert each.rows[row][2].startswith(cells.pop(0) + " [")
        assert cells == []
    assert table.caption == "fd_x (lower is better), classes_covered (higher is better), last evaluation"


def test_a_group_that_a_data_set_lacks_has_dashes_there(runs: Runs) -> None:
    frame = on(runs, "mnist-5k", "ring-8")
    frame = frame[(frame["dataset"] == "mnist-5k") | (frame["variant"] == "began")].reset_index(drop=True)
    (table,) = wide(sections_of(frame, ["fd_x"])).texts
    assert table.rows[1][0] == "began-v3"
    assert table.rows[1][4:] == ("-", "-", "-")


def test_diverged_runs_stand_beside_the_collapsed_ones(runs: Runs) -> None:
    frame = runs({}, {"seed": 1, "status": "FAILED", "health": "diverged@7", "fd_x": None})
    (table,) = wide(sections_of(frame, ["fd_x"])).texts
    assert table.header == ("group", "mean", "IQM", "collapsed")
    assert table.rows == (("began", "1", "1", "0 of 2, 1 diverged"),)


def test_notes_that_hold_for_one_data_set_name_it(runs: Runs) -> None:
    tables = of_sections(sections_of(on(runs, "mnist-5k", "ring-8"), ["fd_x"]))
    notes = [note for note in tables.notes if "Data: " in note]
    assert [note.partition(":")[0] for note in notes] == ["mnist-5k", "ring-8"]
    assert len([note for note in tables.notes if "Each run counts with its last evaluation" in note]) == 1
    assert list(dict.fromkeys(tables.frame["dataset"])) == ["mnist-5k", "ring-8"]


@pytest.mark.parametrize(
    ("steps", "moment"),
    [
        ([2000, 2000], "mean of the 20 steps up to the last evaluation"),
        ([2000, 4000], "mean of the last hundredth of each run's steps up to the last evaluation"),
        ([100, 100], "last evaluation"),
    ],
)
def test_the_caption_of_a_scalar_says_over_which_steps_it_is_averaged(
    steps: list[int], moment: str, runs: Runs
) -> None:
    frame = runs(*({"steps": count, "variant": f"v{place}"} for place, count in enumerate(steps)))
    texts = of_sections(sections_of(frame, ["M", "M_best", "fd_x"])).texts
    assert [text.caption for text in texts] == [
        f"M (lower is better), {moment}",
        "M_best (lower is better), best mean between two checkpoints",
        "fd_x (lower is better), last evaluation",
    ]
    assert re.search(r"^M \(lower", str(render(of_sections(sections_of(frame, ["M"])), "md")))
