"""The figures of real Optuna studies of a formula."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from PIL import Image

from bench.searching import figures
from bench.searching.plan import StudyPlan
from bench.searching.study_file import StudyFile
from bench.searching.summary import summarize

ALWAYS = {"history", "slices", "intermediate"}
ALL = ALWAYS | {"importances", "contours"}


def draw(study: optuna.Study, plan: StudyPlan, folder: Path) -> list[Path]:
    return figures.draw_study(study, summarize(study, plan), folder)


def plan_of(several: bool = False, **file: Any) -> StudyPlan:
    metrics = ["frechet_distance", "effective_classes"] if several else ["frechet_distance"]
    file = {"search": {"gamma": {}, "lr": {"knobs": ["lr_g", "lr_d"]}, "norm": {}}} | file
    file["objectives"] = [{"metric": metric} for metric in metrics]
    settings = {"variant": "began-v3", "steps": 100, "eval_every": 25}
    return StudyPlan("formula", StudyFile(**file), settings, "fd_digits_garments", "0")


def searched(plan: StudyPlan, count: int, pruned: tuple[int, ...] = (), flat: bool = False) -> optuna.Study:
    study = optuna.create_study(
        directions=[goal.direction for goal in plan.goals], sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.enqueue_trial(plan.space.params(plan.base) or {})
    for number in range(count):
        trial = study.ask(plan.space.distributions())
        distance = 10 + 40 * (trial.params["gamma"] - 0.6) ** 2
        # a collapsed trial among them
        value = 10.0 if flat else distance * (40 if number == 2 else 1)
        length = plan.steps_of_a_trial // (2 if number in pruned else 1)
        if len(plan.goals) == 1:
            for point in range(25, length + 1, 25):
                trial.report(value + 100 / point, point)
        values = [value, 9 - 4 * trial.params["gamma"]][: len(plan.goals)]
        if number in pruned:
            study.tell(trial, None, TrialState.PRUNED)
        else:
            study.tell(trial, values)
    return study


def drawn(files: list[Path]) -> set[str]:
    """Names of the figures, each looked at: of some size, with more on it than paper."""
    for path in files:
        assert path.stat().st_size > 5000
    for path in (path for path in files if path.suffix == ".png"):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        assert min(pixels.shape) > 150
        assert 0.005 < (pixels < 200).mean() < 0.5
    assert {path.suffix for path in files} <= {".png", ".svg"}
    return {path.stem for path in files}


def test_a_study_has_its_figures_and_they_repeat(tmp_path: Path) -> None:
    plan = plan_of()
    study = searched(plan, 14, pruned=(5, 9))
    files = draw(study, plan, tmp_path / "one")
    assert drawn(files) == ALL
    for file, again in zip(files, draw(study, plan, tmp_path / "two"), strict=True):
        assert file.read_bytes() == again.read_bytes()


def test_two_objectives_have_a_pareto_front_and_no_values_by_step(tmp_path: Path) -> None:
    plan = plan_of(several=True)
    assert drawn(draw(searched(plan, 12, pruned=(4,)), plan, tmp_path)) == ALL - {"intermediate"} | {"front"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_figures_that_need_more_trials_are_left_out(count: int, tmp_path: Path) -> None:
    plan = plan_of(seeds=[0, 1])
    assert drawn(draw(searched(plan, count), plan, tmp_path)) == ALWAYS


@pytest.mark.parametrize(("count", "bars"), [(2, 0), (3, 0), (6, 1)])
def test_slices_have_a_scale_of_colours_only_for_several_trials(count: int, bars: int) -> None:
    plan = plan_of()
    study = searched(plan, count)
    data = figures.FigureData(summarize(study, plan), study.get_trials(), [])
    figure = figures.draw_slices(data)
    assert figure is not None
    assert len([axis for axis in figure.axes if axis.get_label() == "<colorbar>"]) == bars
    (legend,) = figure.legends
    assert ("complete" in [text.get_text() for text in legend.get_texts()]) == (not bars)


def test_pruned_trials_alone_have_a_history(tmp_path: Path) -> None:
    plan = plan_of()
    assert drawn(draw(searched(plan, 2, pruned=(0, 1)), plan, tmp_path)) == ALWAYS - {"slices"}


def test_no_trials_have_no_figures(tmp_path: Path) -> None:
    plan = plan_of()
    assert draw(searched(plan, 0), plan, tmp_path / "figures") == []
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("search", [{"norm": {}}, {"gamma": {}, "lr_g": {}}])
def test_equal_values_and_few_dimensions_are_drawn(search: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_of(search={"gamma": {}} | search)
    names = drawn(draw(searched(plan, 12, flat=True), plan, tmp_path))
    assert names == ALL - {"importances"}


def test_one_dimension_has_neither_pairs_nor_importances(tmp_path: Path) -> None:
    plan = plan_of(search={"gamma": {}})
    assert drawn(draw(searched(plan, 5), plan, tmp_path)) == ALWAYS


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    plan = plan_of()
    study = searched(plan, 5)
    trial = study.ask(plan.space.distributions())
    trial.report(math.inf, 25)
    study.tell(trial, math.inf)
    assert drawn(draw(study, plan, tmp_path)) == ALL
