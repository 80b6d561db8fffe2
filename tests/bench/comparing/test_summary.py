"""Summaries of groups, against arithmetic on the same numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.comparing import statistics
from bench.comparing.group_results import COLUMNS
from bench.comparing.measured import METRICS
from bench.comparing.scalars import to_cell
from bench.comparing.summary import Summary, default_metrics, summarise
from bench.system.errors import RequestError
from variants.scalars import TrainingScalar

Runs = Callable[..., pd.DataFrame]


def row(summary: Summary, group: str, metric: str = "fd_x") -> pd.Series:
    table = summary.table
    (found,) = [line for _, line in table.iterrows() if (line["group"], line["metric"]) == (group, metric)]
    return found


def test_centres_and_intervals_are_computed_from_the_runs_values(seeds: Runs) -> None:
    values = [5.0, 3.0, 9.0, 4.0, 6.0]
    frame = seeds(began=values)
    found = row(summarise(frame, frame, ["fd_x"]), "began")
    assert found["better"] == "lower"
    assert (found["runs"], found["diverged"], found["collapsed"]) == (5, 0, 0)
    assert found["mean"] == pytest.approx(5.4)
    assert found["iqm"] == pytest.approx((4 + 5 + 6) / 3)
    assert (found["iqm_low"], found["iqm_high"]) == statistics.interval(np.array(values))
    assert found["iqm_coverage"] == (statistics.coverage("iqm", 5) or (0.0,))[0]
    assert (found["lowest"], found["highest"]) == (3.0, 9.0)
    assert found[["last_iqm", "last_iqm_low", "last_iqm_high"]].tolist() == pytest.approx(
        found[["iqm", "iqm_low", "iqm_high"]].tolist()
    )
    assert found[["difference", "pairs", "improvement"]].isna().all()


def test_every_metric_and_group_has_one_row_the_baseline_first(seeds: Runs) -> None:
    frame = seeds(wgan_gp=[1.0], began=[2.0], began_cs=[3.0])
    summary = summarise(frame, frame, ["fd_x", "classes_covered"], "began-cs")
    assert list(summary.table.columns) == list(COLUMNS)
    assert list(summary.table["metric"]) == ["fd_x"] * 3 + ["classes_covered"] * 3
    assert list(summary.table["group"]) == ["began-cs", "began", "wgan-gp"] * 2
    assert list(summary.table["better"]) == ["lower"] * 3 + ["higher"] * 3
    assert row(summary, "began-cs")[["difference", "pairs", "improvement"]].isna().all()


def test_differences_are_paired_by_seed(runs: Runs) -> None:
    ours = {1: 2.0, 2: 5.0, 3: 4.0, 4: 7.0}
    theirs = {4: 8.0, 3: 6.0, 2: 6.5, 9: 100.0}  # in another order, with another seed
    frame = runs(
        *({"seed": seed, "fd_x": value} for seed, value in ours.items()),
        *({"variant": "base", "seed": seed, "fd_x": value} for seed, value in theirs.items()),
    )
    found = row(summarise(frame, frame, ["fd_x"], "base"), "began")
    difference, interval = statistics.paired_difference(np.array([5.0, 4.0, 7.0]), np.array([6.5, 6.0, 8.0]))
    assert found["pairs"] == 3
    assert found["difference"] == pytest.approx(difference)
    assert interval is None
    assert found[["difference_low", "difference_high", "difference_coverage"]].isna().all()
    assert (found["difference_lowest"], found["difference_highest"]) == (-2.0, -1.0)
    # over all runs, not over pairs: how often ours is lower
    wins = sum(a < b for a in ours.values() for b in theirs.values())
    assert found["improvement"] == pytest.approx(wins / 16)


def test_a_diverged_run_has_no_value_but_is_counted_and_named_in_a_note(runs: Runs) -> None:
    diverged = {"status": "FAILED", "health": "diverged@7", "fd_x": 1e9}
    frame = runs({"seed": 0}, {"seed": 1, "health": "collapsed@50"}, {"seed": 2} | diverged)
    summary = summarise(frame, frame, ["fd_x"])
    found = row(summary, "began")
    assert (found["runs"], found["diverged"], found["collapsed"], found["complete"]) == (2, 1, 1, 3)
    assert found["collapse_rate"] == pytest.approx(1 / 3)
    assert (found["collapse_low"], found["collapse_high"]) == statistics.rate_interval(1, 3)
    assert found["mean"] == 1.0
    assert any("run-2 (diverged@7)" in note for note in summary.notes)


def test_a_group_whose_runs_all_diverged_has_a_row(runs: Runs) -> None:
    diverged = {"variant": "wild", "status": "FAILED", "health": "diverged@7", "fd_x": None}
    frame = runs({}, diverged | {"seed": 0}, diverged | {"seed": 1})
    found = row(summarise(frame, frame, ["fd_x"], "began"), "wild")
    assert (found["runs"], found["diverged"]) == (0, 2)
    assert found[["mean", "iqm", "difference"]].isna().all()
    assert found["improvement"] == 0.0


def test_a_diverged_run_is_worse_than_any_other(runs: Runs) -> None:
    diverged = {"variant": "wild", "seed": 2, "status": "FAILED", "health": "diverged@7", "fd_x": None}
    wild = [{"variant": "wild", "seed": seed, "fd_x": 0.5} for seed in (0, 1)]
    frame = runs({"seed": 0}, {"seed": 1}, *wild, diverged)
    found = row(summarise(frame, frame, ["fd_x"], "began"), "wild")
    assert found["improvement"] == pytest.approx(2 / 3)
    assert found["pairs"] == 2


@pytest.mark.parametrize("status", ["KILLED", "RUNNING", "FAILED"])
def test_an_unfinished_run_is_left_out_and_named_in_a_note(status: str, runs: Runs) -> None:
    frame = runs({"seed": 0}, {"seed": 1, "status": status, "health": None, "fd_x": 50.0})
    summary = summarise(frame, frame, ["fd_x"])
    assert row(summary, "began")["mean"] == 1.0
    assert any(f"run-1 ({status})" in note for note in summary.notes)


def test_copies_of_a_seed_do_not_narrow_an_interval(runs: Runs) -> None:
    frame = runs(*({"seed": seed, "fd_x": float(seed)} for seed in (0, 1, 0, 1)))
    summary = summarise(frame, frame, ["fd_x"])
    assert row(summary, "began")["runs"] == 2
    assert any("run-0, run-1" in note for note in summary.notes)


def test_the_last_evaluation_has_columns_beside_a_selected_one(seeds: Runs) -> None:
    selected = seeds(began=[3.0, 4.0, 5.0]).assign(select="best-fid")
    last = seeds(began=[6.0, 7.0, 11.0]).iloc[::-1]  # whatever its order
    summary = summarise(selected, last, ["fd_x"])
    found = row(summary, "began")
    assert (found["iqm"], found["last_iqm"]) == (4.0, 8.0)
    assert summary.rule.name == "best-fid"
    assert summary.notes[0] == summary.rule.description


def test_a_metric_that_a_group_lacks_has_no_row_and_is_named_in_a_note(runs: Runs) -> None:
    frame = runs({}, {"variant": "wgan-gp", "M": None, "norm": None})
    summary = summarise(frame, frame, ["M"])
    assert list(summary.table["group"]) == ["began"]
    assert any("M of wgan-gp" in note for note in summary.notes)


def test_a_run_without_a_finite_value_is_named_in_a_note(runs: Runs) -> None:
    frame = runs({"seed": 0}, {"seed": 1, "fd_x": float("nan")}, {"seed": 2, "fd_x": float("inf")})
    summary = summarise(frame, frame, ["fd_x"])
    assert row(summary, "began")["runs"] == 1
    assert any(note == "Without a finite fd_x: run-1, run-2." for note in summary.notes)


def test_a_note_says_in_which_knobs_groups_differ_besides_their_names(seeds: Runs) -> None:
    def notes(*frames: pd.DataFrame) -> list[str]:
        frame = pd.concat(frames, ignore_index=True)
        return [note for note in summarise(frame, frame, ["fd_x"]).notes if "differ in" in note]

    began = seeds(began=[1.0, 2.0])
    other = began.assign(variant="began-cs", gamma=0.7, steps=200)
    (note,) = notes(began, other)
    assert note == "Beside what their names say, began / began-cs differ in: gamma 0.5 / 0.7."
    # a knob that one variant lacks is no difference in settings
    assert notes(began, other.assign(gamma=None)) == []
    # the names of groups of one variant tell it
    assert notes(began, began.assign(gamma=0.7)) == []


def test_notes_state_selection_protocol_data_length_and_versions(seeds: Runs) -> None:
    frame = seeds(began=[1.0, 2.0], began_cs=[1.0, 2.0])
    text = " ".join(summarise(frame, frame, ["fd_x"]).notes)
    for words in ("last evaluation", frame["protocol"][0], "mnist-5k at 28 px", "100 steps", "range of the"):
        assert words in text
    mixed = frame.assign(commit=["a" * 40, "a" * 40 + "+changes"] * 2, steps=[100, 100, 200, 200])
    text = " ".join(summarise(mixed, mixed, ["fd_x"]).notes)
    for words in ("2 versions of the program: aaaaaaaa, aaaaaaaa+changes.", "began 100, began-cs 200 steps"):
        assert words in text


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (["a1", "a1"], None),
        ([None, None], None),
        (["a1", "b2"], "(runs): a1 (1), b2 (1)."),
        ([None, "b2"], "(runs): one not recorded (1), b2 (1)."),
    ],
)
def test_a_note_states_that_health_was_judged_by_different_rules(
    rules: list[str | None], told: str | None, seeds: Runs
) -> None:
    frame = seeds(began=[1.0, 2.0]).assign(health_rules=rules)
    notes = [note for note in summarise(frame, frame, ["fd_x"]).notes if "health was judged" in note]
    assert [told] == [note[note.index("(runs)") :] for note in notes] if told else not notes


def test_the_default_is_distance_classes_and_M(runs: Runs) -> None:
    assert default_metrics(runs({})) == ["fd_x", "classes_covered", "M"]
    assert default_metrics(runs({"M": None})) == ["fd_x", "classes_covered"]


def test_the_default_has_the_first_scalar_that_selects_of_each_variant(runs: Runs) -> None:
    critic = {"variant": "wgan-gp", "M": None, "k": None, "M_best": None, "wasserstein": 0.3}
    both = runs({}, {"seed": 1}, critic)
    assert default_metrics(both) == ["fd_x", "classes_covered", "M", "wasserstein"]
    assert default_metrics(both[2:]) == ["fd_x", "classes_covered", "wasserstein"]
    summary = summarise(both, both, default_metrics(both))
    assert [result.group for result in summary.of_metric("wasserstein")] == ["wgan-gp"]
    assert any("Not measured: M of wgan-gp, wasserstein of began." in note for note in summary.notes)


@pytest.mark.parametrize(("better", "improvement"), [("lower", 1.0), ("higher", 0.0)])
def test_the_direction_of_a_scalar_is_the_declared_one(better: Any, improvement: float, runs: Runs) -> None:
    declared = to_cell([TrainingScalar("depth", "a scalar", better=better, selects=True)])
    frame = runs({}, {"variant": "base"}).assign(scalars=declared, depth=[1.0, 2.0])
    found = row(summarise(frame, frame, ["depth"], "base"), "began", "depth")
    assert (found["better"], found["improvement"]) == (better, improvement)


def test_the_default_is_modes_in_place_of_classes_where_modes_are_known(runs: Runs) -> None:
    modes = {"fd_x": 1.0, "modes_covered": 8.0, "high_quality": 0.9, "reverse_kl": 0.1}
    # a frame of a reader's own, without what the runs say of their metrics
    frame = runs(modes).rename(columns={"classes_covered": "coverage"}).drop(columns=METRICS)
    judged = [*modes, "coverage"]
    rest = [name for name in frame.columns if name not in judged]
    place = rest.index("step") + 1
    frame = frame[[*rest[:place], *judged, *rest[place:]]]
    assert default_metrics(frame) == [*judged, "M"]
    assert default_metrics(frame.drop(columns="high_quality")) == [
        *(name for name in judged if name != "high_quality"),
        "M",
    ]


def test_a_metric_that_is_not_comparable_is_refused_not_dropped(runs: Runs) -> None:
    frame = runs({}, {"norm": "l2"})
    with pytest.raises(RequestError, match="M cannot be compared"):
        summarise(frame, frame, default_metrics(frame))
    assert len(summarise(frame, frame, ["fd_x"]).table) == 2


@pytest.mark.parametrize(
    ("metric", "baseline", "message"),
    [
        ("fid", None, "no run has fid, which needs the extractor inception"),
        ("fd_y", None, "unknown metric 'fd_y'"),
        (
            "k",
            None,
            r"k is a scalar of training that selects no checkpoints: tables compare .*M_best; bench plot",
        ),
        ("fd_x", "bgan", "did you mean 'began"),
        ("fd_x", "began", r"means 2 groups: give began \(gamma=0.5\) or began \(gamma=0.7\)"),
    ],
)
def test_a_wrong_name_is_refused(metric: str, baseline: str | None, message: str, runs: Runs) -> None:
    frame = runs({"gamma": 0.5}, {"gamma": 0.7})
    with pytest.raises(RequestError, match=message):
        summarise(frame, frame, [metric], baseline)


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_finished_run_there_is_no_summary(count: int, runs: Runs) -> None:
    frame = runs({"status": "RUNNING"}).iloc[:count]
    with pytest.raises(RequestError, match="no finished run"):
        summarise(frame, frame, ["fd_x"])


def test_a_collapsed_run_that_the_interquartile_mean_leaves_out_is_in_the_mean(runs: Runs) -> None:
    values = [3.0, 3.2, 3.4, 3.6, 75.0]
    frame = runs(
        *(
            {"seed": seed, "fd_x": v, "health": "ok" if v < 10 else "collapsed@9"}
            for seed, v in enumerate(values)
        )
    )
    found = row(summarise(frame, frame, ["fd_x"]), "began")
    assert found["iqm"] == pytest.approx(3.4)
    assert found["mean"] == pytest.approx(17.64)
    assert found["collapse_rate"] == 0.2
    assert (found["collapse_low"], found["collapse_high"]) == pytest.approx((0.0051, 0.7164), abs=1e-4)
