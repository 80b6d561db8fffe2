"""Trajectories: what is averaged, what is kept of long runs, what is written."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.figures import style
from bench.figures.group_trajectories import compare_trajectories, over_seeds
from bench.figures.run_trajectories import Judged, save_trajectories
from bench.figures.trajectory_axes import extremes
from bench.runs.record import Evaluation
from variants.registry import all_variants
from variants.scalars import Panel, TrainingScalar

M = TrainingScalar("M", "a measure", panel=Panel("M (a measure)", scale="log"), selects=True)
K = TrainingScalar("k", "a weight", panel=Panel("k (a weight)", floor=0.0))
LOSSES = tuple(TrainingScalar(name, name, panel=Panel("losses")) for name in ("loss_d", "loss_g"))
HIDDEN = TrainingScalar("hidden", "recorded, and drawn nowhere")


def rows(steps: int, names: tuple[str, ...] = ("M", "k")) -> list[dict[str, Any]]:
    drawn = np.random.default_rng(0).uniform(0.1, 1, (steps, len(names)))
    return [
        {"step": step + 1} | dict(zip(names, map(float, line), strict=True))
        for step, line in enumerate(drawn)
    ]


def frame(**groups: Any) -> pd.DataFrame:
    """Groups by name: one list of M a seed."""
    parts = [
        pd.DataFrame(
            {
                "run_id": f"{group}-{seed}",
                "group": group,
                "seed": seed,
                "step": range(1, len(values) + 1),
                "epoch": np.arange(1, len(values) + 1) / 10,
                "M": values,
                "k": 0.1,
            }
        )
        for group, seeds in groups.items()
        for seed, values in enumerate(seeds)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("names", [("M", "k"), ("loss_d", "loss_g")])
def test_a_runs_trajectories_are_written_twice_and_repeat(names: tuple[str, ...], tmp_path: Path) -> None:
    files = save_trajectories(rows(30, names), (M, K, *LOSSES), "a run", tmp_path / "trajectories")
    assert [file.name for file in files] == ["trajectories.png", "trajectories.svg"]
    before = [file.read_bytes() for file in files]
    save_trajectories(rows(30, names), (M, K, *LOSSES), "a run", tmp_path / "trajectories")
    assert [file.read_bytes() for file in files] == before
    assert len(list(tmp_path.iterdir())) == 2


def judged(*names: str) -> Judged:
    evaluations = [Evaluation(step=step, **dict.fromkeys(names, 0.1 * step)) for step in (10, 20, 30)]
    return Judged(evaluations, "fd_x", dict.fromkeys(names, 0.5))


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        ((), 3),
        (("fd_x",), 4),
        (("fd_x", "classes_covered", "coverage", "kid", "vendi", "ms_ssim"), 6),
        (("fd_x", "modes_covered", "high_quality", "coverage", "reverse_kl"), 6),
    ],
)
def test_trajectories_of_a_run_have_its_scalars_and_a_few_metrics(
    names: tuple[str, ...], axes: int, tmp_path: Path
) -> None:
    steps = rows(30, ("M", "k", "loss_d", "loss_g", "hidden", "lr_g"))
    svg = drawn(steps, (M, K, *LOSSES, HIDDEN), tmp_path, judged(*names))
    assert svg.count('<g id="axes_') == axes


def drawn(
    steps: list[dict[str, Any]], scalars: Sequence[TrainingScalar], folder: Path, of: Judged | None = None
) -> str:
    """The SVG of a run's trajectories, in which text stands as comments."""
    return save_trajectories(steps, scalars, "a run", folder / "trajectories", of)[1].read_text()


def axes_of(
    steps: list[dict[str, Any]],
    scalars: Sequence[TrainingScalar],
    monkeypatch: pytest.MonkeyPatch,
    **further: Any,
) -> list[Any]:
    """The axes of a run's trajectories."""
    figures: list[Any] = []
    monkeypatch.setattr(style, "save", lambda figure, path: figures.append(figure) or [])
    save_trajectories(steps, scalars, "a run", Path("trajectories"), **further)
    return list(figures[0].axes)


@pytest.mark.parametrize("variant", sorted(all_variants()))
def test_each_variants_panels_are_drawn_in_order_of_declaration(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scalars = all_variants()[variant].scalars
    panels: dict[Panel, list[str]] = {}
    for scalar in scalars:
        if scalar.panel is not None:
            panels.setdefault(scalar.panel, []).append(scalar.name)
    assert panels
    axes = axes_of(rows(30, tuple(scalar.name for scalar in scalars)), scalars, monkeypatch)
    assert [axis.get_ylabel() for axis in axes] == [panel.label for panel in panels]
    for axis, (panel, names) in zip(axes, panels.items(), strict=True):
        assert axis.get_yscale() == panel.scale
        if panel.floor is not None:
            assert axis.get_ylim()[0] == panel.floor
        legend = [text.get_text() for text in axis.get_legend().get_texts()]
        assert legend == (names if len(names) > 1 else ["every step"])


def test_a_scalar_that_some_steps_lack_is_drawn_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = rows(2000)
    for row in steps:
        if row["step"] % 16 != 1:
            del row["M"]
    every, mean = axes_of(steps, (M, K), monkeypatch)[0].get_lines()
    there = [row for row in steps if "M" in row]
    assert list(every.get_xdata()) == [row["step"] for row in there]
    assert list(every.get_ydata()) == [row["M"] for row in there]
    # 20 steps, in which there is one value
    assert list(mean.get_ydata()) == [row["M"] for row in there]


def test_values_that_a_log_axis_cannot_show_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = rows(30)
    steps[4]["M"], steps[9]["M"] = 0.0, -1.0
    every = axes_of(steps, (M, K), monkeypatch)[0].get_lines()[0]
    assert list(every.get_xdata()) == [step for step in range(1, 31) if step not in (5, 10)]
    only_k = axes_of([row | {"M": 0.0} for row in steps], (M, K), monkeypatch)
    assert [axis.get_ylabel() for axis in only_k] == ["k (a weight)"]


def test_a_smooth_scalar_has_one_curve_and_one_whose_mean_is_in_tables_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noisy = rows(2000)
    smooth = [row | {"M": 1 + row["step"] / 2000, "k": np.sin(row["step"] / 100)} for row in noisy]
    for steps, of_k in ((noisy, ["every step", "mean over the last 20 steps"]), (smooth, ["every step"])):
        m, k = axes_of(steps, (M, K), monkeypatch)
        assert [line.get_label() for line in m.get_lines()] == ["every step", "mean over the last 20 steps"]
        assert [line.get_label() for line in k.get_lines()] == of_k
        # the last value, which tables have of k
        assert k.get_lines()[0].get_ydata()[-1] == steps[-1]["k"]


def test_metrics_of_a_single_evaluation_have_no_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    both = judged("fd_x", "coverage")
    one = replace(both, evaluations=both.evaluations[-1:])
    assert len(axes_of(rows(30), (M, K), monkeypatch, judged=both)) == 4
    assert len(axes_of(rows(30), (M, K), monkeypatch, judged=one)) == 2
    # nor has a metric that one evaluation alone has
    late = Evaluation(step=40, **both.evaluations[0].values, modes_covered=3)
    more = replace(both, evaluations=[*both.evaluations, late])
    assert len(axes_of(rows(40), (M, K), monkeypatch, judged=more)) == 4


def test_panels_of_metrics_say_what_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    every = judged("fd_x", "modes_covered", "classes_covered", "coverage")
    labels = [axis.get_ylabel() for axis in axes_of(rows(30), (), monkeypatch, judged=every)]
    assert labels[0].split("\n") == ["Fréchet distance", "fd_x", "(lower is better)"]
    assert [label.split("\n") for label in labels[1:]] == [
        [what, "(higher is better)"] for what in ("modes covered", "classes covered", "share")
    ]


def test_an_extension_is_marked_and_the_old_ends_evaluation_is_a_hollow_dot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = judged("fd_x", "coverage")
    aside = Evaluation(step=15, fd_x=0.7, coverage=0.2)
    extended = replace(every, evaluations=every.evaluations[1:], set_aside=[aside])
    axes = axes_of(rows(30), (M, K), monkeypatch, judged=extended, extended_at=[15])
    for axis in axes:
        (mark,) = [line for line in axis.get_lines() if list(line.get_xdata()) == [15, 15]]
        assert mark.get_linestyle() == ":"
    legends = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in axes]
    assert [("extended" in legend) for legend in legends] == [True, False, False, False]
    for axis, legend, name in zip(axes[1::2], legends[1::2], ("fd_x", "coverage"), strict=True):
        assert "old end, not counted" in legend
        (dot,) = [line for line in axis.get_lines() if list(line.get_xdata()) == [15]]
        assert list(dot.get_ydata()) == [aside.values[name]]
        assert dot.get_markerfacecolor() == "white"
        # the curve passes by
        assert list(axis.get_lines()[0].get_xdata()) == [20, 30]


def test_one_value_is_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    for axis in axes_of(rows(1), (M, K), monkeypatch):
        assert axis.get_lines()[-1].get_marker() == "o"


def test_first_steps_do_not_take_a_shared_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = rows(300, ("loss_d", "loss_g"))
    assert axes_of(steps, LOSSES, monkeypatch)[0].get_ylim()[1] < 1.1
    steps[0]["loss_d"] = steps[1]["loss_d"] = steps[2]["loss_d"] = 1000.0
    assert axes_of(steps, LOSSES, monkeypatch)[0].get_ylim()[1] < 1.1
    steps[0]["loss_d"] = steps[1]["loss_d"] = steps[2]["loss_d"] = 1.5
    assert axes_of(steps, LOSSES, monkeypatch)[0].get_ylim()[1] > 1.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("steps", [1, 2, 300])
def test_trajectories_of_a_diverged_run_have_its_finite_values(
    value: float, steps: int, tmp_path: Path
) -> None:
    names = ("M", "k", "loss_d", "loss_g")
    finite = rows(steps, names)
    broken = {"step": steps + 1, "M": value, "k": 0.5, "loss_d": value, "loss_g": 1e38}
    scalars = (M, K, *LOSSES)
    files = save_trajectories([*finite, broken], scalars, "a run", tmp_path / "trajectories")
    assert files[1].read_text().count('<g id="axes_') == 3
    # nothing but the last step, of which k and the generator's loss are left
    (files[1],) = save_trajectories([broken], scalars, "a run", tmp_path / "one")[1:]
    assert files[1].read_text().count('<g id="axes_') == 2


def test_a_variant_that_declares_no_panel_has_panels_of_metrics(tmp_path: Path) -> None:
    steps = rows(30, ("hidden",))
    for scalars in ((), (HIDDEN,), (M, K)):
        assert save_trajectories(steps, scalars, "a run", tmp_path / "trajectories") == []
    assert not list(tmp_path.iterdir())
    both = judged("fd_x", "coverage")
    assert drawn(steps, (HIDDEN,), tmp_path, both).count('<g id="axes_') == 2


def test_a_run_without_steps_has_none(tmp_path: Path) -> None:
    assert save_trajectories([], (M, K), "a run", tmp_path / "trajectories") == []
    assert not list(tmp_path.iterdir())


def test_a_long_run_is_still_a_small_file(tmp_path: Path) -> None:
    png, svg = save_trajectories(rows(60_000), (M, K), "a run", tmp_path / "trajectories")
    assert svg.stat().st_size < 300_000
    assert png.stat().st_size < 300_000


@pytest.mark.parametrize("count", [1, 7, 1000, 1001, 54_321])
def test_thinning_keeps_the_extremes_of_every_stretch(count: int) -> None:
    values = np.random.default_rng(1).normal(size=count)
    places = extremes(values, 1000)
    assert len(places) <= 1000
    assert (np.diff(places) > 0).all()
    assert places[-1] < count
    if count <= 1000:
        assert len(places) == count
    assert values[places].min() == values.min()
    assert values[places].max() == values.max()
    for start in range(0, count - 400, 5000):
        stretch = values[start : start + 400]
        kept = values[places[(places >= start) & (places < start + 400)]]
        assert kept.max() >= np.sort(stretch)[-8]


def test_each_run_is_averaged_over_windows_before_the_seeds_are() -> None:
    found = over_seeds(frame(a=[[100, 1, 3, 5, 7], [50, 3, 5, 7]]), "M", 2, last=5)
    # the last window is whole, the first one need not be
    assert found["mean"].tolist() == [75, (2 + 4) / 2, (6 + 7) / 2]
    assert found["least"].tolist() == [50, 2, 6]
    assert found["most"].tolist() == [100, 4, 7]
    assert found["runs"].tolist() == [2, 2, 2]
    assert found["step"].tolist() == [1, 2.5, 4.25]


def test_a_comparison_of_many_long_runs_is_a_small_file(tmp_path: Path) -> None:
    series = np.random.default_rng(0).uniform(0.1, 1, (6, 3, 20_000))
    data = frame(**{f"group-{place}": list(seeds) for place, seeds in enumerate(series)})
    files = compare_trajectories(data, (M, K), tmp_path / "comparison", "a comparison")
    assert files[1].stat().st_size < 300_000
    before = [file.read_bytes() for file in files]
    compare_trajectories(data, (M, K), tmp_path / "comparison", "a comparison")
    assert [file.read_bytes() for file in files] == before


def legend_of(
    frame: pd.DataFrame, scalars: Sequence[TrainingScalar], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[str], Any]:
    """Title and entries of a comparison's legend, and its axes."""
    figures: list[Any] = []
    monkeypatch.setattr(style, "save", lambda figure, path: figures.append(figure) or [])
    compare_trajectories(frame, scalars, Path("comparison"), "a comparison")
    (legend,) = figures[0].legends
    return (
        legend.get_title().get_text().splitlines(),
        [text.get_text() for text in legend.get_texts()],
        figures[0].axes,
    )


def test_groups_that_lack_a_scalar_are_named_in_the_legend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_m = frame(a=[[1, 2, 3], [1, 2, 3]])
    without = frame(b=[[1, 2, 3]]).assign(M=float("nan"), k=float("nan"))
    assert compare_trajectories(without, (M, K), tmp_path / "none", "none") == []
    assert not list(tmp_path.iterdir())
    depth = TrainingScalar("depth", "a height", panel=Panel("depth"))
    both = pd.concat([with_m, without.assign(depth=2.0), frame(c=[[1, 2, 3]]).assign(k=float("nan"))])
    lines, entries, axes = legend_of(both, (M, K, depth, HIDDEN), monkeypatch)
    assert lines[1:] == ["without depth: a", "without M and k: b", "without k and depth: c"]
    assert entries == ["a (2 seeds)", "b (1 seed)", "c (1 seed)"]
    assert [axis.get_ylabel() for axis in axes] == ["M (a measure)", "k (a weight)", "depth"]
    assert [axis.get_yscale() for axis in axes] == ["log", "linear", "linear"]
    assert axes[1].get_ylim()[0] == 0
    # a group that has no scalar at all is named, too
    lines, entries, _ = legend_of(pd.concat([with_m, without]), (M, K), monkeypatch)
    assert (lines[1:], entries) == (["without M and k: b"], ["a (2 seeds)"])


def test_a_frame_may_lack_k_and_epochs(tmp_path: Path) -> None:
    few = frame(a=[[1, 2, 3]]).drop(columns=["k", "epoch"])
    assert compare_trajectories(few, (M, K), tmp_path / "m", "M")
