"""Trajectories: what is averaged, what is kept of long runs, what is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.figures.group_trajectories import compare_trajectories, over_seeds
from bench.figures.run_trajectories import Judged, save_trajectories
from bench.figures.trajectory_axes import extremes
from bench.runs.record import Evaluation


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
    files = save_trajectories(rows(30, names), "a run", tmp_path / "trajectories")
    assert [file.name for file in files] == ["trajectories.png", "trajectories.svg"]
    before = [file.read_bytes() for file in files]
    save_trajectories(rows(30, names), "a run", tmp_path / "trajectories")
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
    steps = rows(30, ("M", "k", "loss_real", "loss_fake", "balance", "lr_g"))
    svg = save_trajectories(steps, "a run", tmp_path / "trajectories", judged(*names))[1].read_text()
    assert svg.count('<g id="axes_') == axes


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("steps", [1, 2, 300])
def test_trajectories_of_a_diverged_run_have_its_finite_values(
    value: float, steps: int, tmp_path: Path
) -> None:
    names = ("M", "k", "loss_d", "loss_g")
    finite = rows(steps, names)
    broken = {"step": steps + 1, "M": value, "k": 0.5, "loss_d": value, "loss_g": 1e38}
    files = save_trajectories([*finite, broken], "a run", tmp_path / "trajectories")
    assert files[1].read_text().count('<g id="axes_') == 3
    # nothing but the last step, and nothing of that: k alone is left
    (files[1],) = save_trajectories([broken], "a run", tmp_path / "one")[1:]
    assert files[1].read_text().count('<g id="axes_') == 1


def test_a_variant_without_known_scalars_has_panels_of_metrics(tmp_path: Path) -> None:
    steps = rows(30, ("loss_of_its_own",))
    assert save_trajectories(steps, "a run", tmp_path / "trajectories") == []
    assert not list(tmp_path.iterdir())
    both = judged("fd_x", "coverage")
    svg = save_trajectories(steps, "a run", tmp_path / "trajectories", both)[1].read_text()
    assert svg.count('<g id="axes_') == 2


def test_a_run_without_steps_has_none(tmp_path: Path) -> None:
    assert save_trajectories([], "a run", tmp_path / "trajectories") == []
    assert not list(tmp_path.iterdir())


def test_a_long_run_is_still_a_small_file(tmp_path: Path) -> None:
    png, svg = save_trajectories(rows(60_000), "a run", tmp_path / "trajectories")
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
    found = over_seeds(frame(a=[[1, 3, 5, 7, 100], [3, 5, 7, 9]]), "M", 2)
    assert found["mean"].tolist() == [(2 + 4) / 2, (6 + 8) / 2, 100]
    assert found["least"].tolist() == [2, 6, 100]
    assert found["most"].tolist() == [4, 8, 100]
    assert found["runs"].tolist() == [2, 2, 1]
    assert found["step"].tolist() == [1.5, 3.5, 5]


def test_a_comparison_of_many_long_runs_is_a_small_file(tmp_path: Path) -> None:
    series = np.random.default_rng(0).uniform(0.1, 1, (6, 3, 20_000))
    data = frame(**{f"group-{place}": list(seeds) for place, seeds in enumerate(series)})
    files = compare_trajectories(data, tmp_path / "comparison", "a comparison")
    assert files[1].stat().st_size < 300_000
    before = [file.read_bytes() for file in files]
    compare_trajectories(data, tmp_path / "comparison", "a comparison")
    assert [file.read_bytes() for file in files] == before


def test_groups_without_m_and_k_are_named_but_not_drawn(tmp_path: Path) -> None:
    with_m = frame(a=[[1, 2, 3]])
    without = frame(b=[[1, 2, 3]]).assign(M=float("nan"), k=float("nan"))
    assert compare_trajectories(without, tmp_path / "none", "none") == []
    assert not list(tmp_path.iterdir())
    both = compare_trajectories(pd.concat([with_m, without]), tmp_path / "both", "both")
    one = compare_trajectories(with_m, tmp_path / "one", "both")
    assert both[0].read_bytes() != one[0].read_bytes()


def test_a_frame_may_lack_k_and_epochs(tmp_path: Path) -> None:
    assert compare_trajectories(frame(a=[[1, 2, 3]]).drop(columns=["k", "epoch"]), tmp_path / "m", "M")
