"""What a table of runs keeps of their variants' declarations."""

import pandas as pd
import pytest

from bench.comparing.scalars import (
    all_of,
    columns_of,
    compared,
    first_selecting,
    of_run,
    of_runs,
    scalar_of_column,
    selecting,
    to_cell,
)
from variants.base import Variant
from variants.registry import all_variants
from variants.scalars import Drop, Panel, Rise, SameKnob, TrainingScalar

SHARED = Panel("losses")
DECLARED = (
    TrainingScalar("loss_a", "a loss", panel=SHARED),
    TrainingScalar("loss_b", "a loss that selects", better="lower", panel=SHARED, selects=True),
    TrainingScalar(
        "depth",
        "a height",
        better="higher",
        panel=Panel("depth", floor=0.0),
        selects=True,
        depends_on=(SameKnob("image_size", when_knob="dataset", when_values=("a", "b")),),
        alarms=(Rise("depth-rising", 2.0), Drop("depth-drop", 0.5)),
        stuck_at=(0.0,),
    ),
    TrainingScalar("weight", "a weight", panel=Panel("weight", scale="log"), alarms=(Drop("w-drop", 0.5),)),
    TrainingScalar("hidden", "a number", better="lower"),
)


def test_tables_show_the_scalars_that_select_and_those_with_a_panel_of_their_own() -> None:
    shown = compared(DECLARED)
    assert [scalar.name for scalar in shown] == ["loss_b", "depth", "weight"]
    assert [scalar.panel for scalar in shown] == [
        None,
        Panel("depth", floor=0.0),
        Panel("weight", scale="log"),
    ]
    assert columns_of(shown) == ["loss_b", "depth", "weight", "loss_b_best", "depth_best"]
    assert selecting(shown) == {"loss_b": "lower", "depth": "higher"}


@pytest.mark.parametrize(
    ("taken", "left"),
    [({"depth"}, ["loss_b", "weight"]), ({"loss_b_best", "weight_best"}, ["depth", "weight"])],
)
def test_a_scalar_gives_way_to_another_column_of_its_name(taken: set[str], left: list[str]) -> None:
    assert [scalar.name for scalar in compared(DECLARED, taken)] == left


@pytest.mark.parametrize("variant", all_variants().values(), ids=list(all_variants()))
def test_a_cell_gives_back_what_was_declared(variant: type[Variant]) -> None:
    shown = compared(variant.scalars)
    run = pd.Series({"scalars": to_cell(shown)})
    assert of_run(run) == shown
    for scalar in shown:
        (own,) = [each for each in variant.scalars if each.name == scalar.name]
        assert (scalar.title, scalar.better, scalar.selects) == (own.title, own.better, own.selects)
        assert (scalar.depends_on, scalar.stuck_at) == (own.depends_on, own.stuck_at)


def test_each_row_has_its_own_declarations() -> None:
    others = (TrainingScalar("depth", "another", better="lower", selects=True),)
    cells = [to_cell(others), to_cell(compared(DECLARED)), to_cell(others), None]
    frame = pd.DataFrame({"scalars": cells, "seed": range(4)})
    assert of_runs(frame)["depth"] == others[0]
    assert [scalar.name for scalar in all_of(frame)] == ["depth", "loss_b", "depth", "weight"]
    assert first_selecting(frame) == ["depth", "loss_b"]
    later = frame.sort_values("seed", ascending=False).reset_index(drop=True)
    assert of_runs(later[1:3])["depth"] == others[0]
    assert of_runs(frame[1:2])["depth"].better == "higher"
    assert of_run(frame.iloc[3]) == ()


@pytest.mark.parametrize(
    ("column", "name"),
    [("depth", "depth"), ("depth_best", "depth"), ("weight", "weight"), ("weight_best", None), ("fid", None)],
)
def test_a_column_belongs_to_its_scalar(column: str, name: str | None) -> None:
    found = scalar_of_column(pd.Series({"scalars": to_cell(compared(DECLARED))}), column)
    assert (found.name if found else None) == name


def test_a_readers_own_frame_declares_nothing() -> None:
    frame = pd.DataFrame({"M": [1.0]})
    assert (of_runs(frame), all_of(frame), first_selecting(frame)) == ({}, [], [])
    assert scalar_of_column(frame.iloc[0], "M") is None
