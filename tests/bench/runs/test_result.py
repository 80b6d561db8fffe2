"""Results of runs in Python and in notebooks."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bench
from bench.runs.notebook_html import picture_of_samples
from bench.runs.result import RunResult, read_run
from bench.runs.run_folder import RunFolder, all_runs
from bench.system.errors import RequestError


@pytest.fixture(params=["began", "began-v3", "wgan-gp"])
def result(home: Path, request: pytest.FixtureRequest) -> RunResult:
    """The run of a variant, read anew."""
    for run in all_runs():
        if run.describe().config.variant == request.param:
            return read_run(run)
    raise AssertionError(request.param)


@pytest.fixture
def diverged(home: Path) -> RunResult:
    return read_run("last")


class Cells(HTMLParser):
    """Collects the texts of an HTML fragment, which must be well nested."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def cells(html: str) -> list[str]:
    parser = Cells()
    parser.feed(html)
    assert not parser.open
    return parser.texts


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert html.count("<img") == len(found)
    return [Image.open(BytesIO(base64.b64decode(each))) for each in found]


def test_what_was_recorded_is_at_hand_by_name(result: RunResult) -> None:
    assert result.name == result.description.name
    assert result.record.end is not None
    assert result.health == result.record.end.health
    last = result.record.evaluations[-1]
    assert last.step == 9
    assert result.metrics == dict(last.values)
    assert result.metrics[result.description.metric] > 0
    assert result.best == result.record.end.best


def test_the_trajectory_has_every_recorded_number_of_every_step(result: RunResult) -> None:
    frame = result.trajectory()
    assert frame.index.name == "step"
    assert list(frame.index) == list(range(1, 10))
    assert set(frame.dtypes.astype(str)) == {"float64"}
    for row in result.record.steps:
        recorded = {name: value for name, value in row.items() if name != "step"}
        shown = frame.loc[int(row["step"])].dropna().to_dict()
        assert shown == {name: value for name, value in recorded.items() if not math.isnan(value)}


def test_a_trajectory_of_some_scalars_has_these_alone(result: RunResult) -> None:
    assert list(result.trajectory("loss_g", "loss_d")) == ["loss_g", "loss_d"]
    np.testing.assert_array_equal(result.trajectory("loss_g")["loss_g"], result.record.series("loss_g"))


@pytest.mark.parametrize("names", [["loss_g", "loss_d"], ("loss_g", "loss_d"), {"loss_g": 1, "loss_d": 2}])
def test_the_names_of_a_trajectory_may_be_a_list(names: Iterable[str], result: RunResult) -> None:
    assert list(result.trajectory(names)) == ["loss_g", "loss_d"]


def test_no_names_are_no_columns(result: RunResult) -> None:
    assert result.trajectory([]).shape == (9, 0)


def test_a_metric_is_no_scalar_and_the_message_says_where_it_is(result: RunResult) -> None:
    metric = result.description.metric
    with pytest.raises(RequestError, match="metric of evaluations, not of every step: see evaluations"):
        result.trajectory(metric)
    assert metric in result.evaluations()


def test_an_unknown_scalar_is_refused_with_the_nearest_one(result: RunResult) -> None:
    with pytest.raises(RequestError, match="unknown scalar .*'loss_h'.*loss_g"):
        result.trajectory("loss_h")


def test_evaluations_are_a_frame_of_metrics_by_step(result: RunResult) -> None:
    frame = result.evaluations()
    assert list(frame.index) == [each.step for each in result.record.evaluations]
    assert frame["counted"].dtype == bool
    assert frame["counted"].all()
    assert frame.drop(columns="counted").iloc[-1].to_dict() == result.metrics


def test_a_run_that_diverged_before_an_evaluation_has_no_metrics(diverged: RunResult) -> None:
    assert diverged.health is not None
    assert diverged.health.startswith("diverged@")
    assert diverged.metrics == {}
    assert diverged.evaluations().empty
    assert diverged.picture is None
    assert pictures(diverged._repr_html_()) == []
    assert diverged.health in cells(diverged._repr_html_())


def test_reprs_are_one_short_line(result: RunResult) -> None:
    trained = bench.load(result)
    for each in (result, result.run, result.description, result.record, trained):
        text = repr(each)
        assert text.startswith(type(each).__name__ + "(")
        assert "\n" not in text
        assert len(text) < 160
    distance = result.metrics[result.description.metric]
    assert f"{result.name}: 9 steps, {result.health}, {result.description.metric} {distance:.4g}" in repr(
        result
    )
    assert f"{result.name}, step {trained.step}: latents N x 6 to N x 1 x 28 x 28" in repr(trained)


def test_a_notebook_shows_health_metrics_and_the_newest_samples(result: RunResult) -> None:
    html = result._repr_html_()
    texts = cells(html)
    assert result.name in texts
    assert result.health in texts
    for name, value in result.metrics.items():
        at = texts.index(name)
        assert texts[at + 1] == (f"{value:.4g}" if isinstance(value, float) else f"{value:,}")
        declared, real = result.description.metrics[name], result.description.real[name]
        assert texts[at + 2 : at + 4] == [f"{real:.4g}", declared.better]
    (picture,) = pictures(html)
    assert result.picture is not None
    assert result.picture.name == "step-00000009.png"
    assert np.array_equal(picture, Image.open(result.picture))


def best_at(result: RunResult, step: int) -> RunResult:
    """The run as if its distance had been the best at a step."""
    assert result.record.end is not None
    best = {**result.best, f"{result.description.metric}_best_step": step}
    end = result.record.end.model_copy(update={"best": best})
    return replace(result, record=replace(result.record, end=end))


def test_a_notebook_names_the_step_of_a_best_distance_that_is_not_the_last(result: RunResult) -> None:
    first, metric = result.record.evaluations[0], result.description.metric
    texts = cells(best_at(result, first.step)._repr_html_())
    assert f"at best {metric}, step {first.step}" in texts
    for name, value in first.values.items():
        assert texts[texts.index(name) + 4] == (f"{value:.4g}" if isinstance(value, float) else f"{value:,}")
    assert not any(text.startswith("at best") for text in cells(best_at(result, 9)._repr_html_()))


def test_a_notebook_shows_samples_of_a_trained_generator(result: RunResult) -> None:
    trained = bench.load(result)
    html = trained._repr_html_()
    assert {result.name, "32 samples, seed 0"} <= set(cells(html))
    (picture,) = pictures(html)
    # the first sample, within its margin of two pixels, each pixel doubled
    grid = np.asarray(picture)[::2, ::2, 0].astype(int)
    first = ((trained.sample(32, seed=0)[0, 0] + 1) * 127.5).round().numpy()
    assert np.abs(grid[2:30, 2:30] - first).max() <= 1


def test_the_density_of_points_is_shown_where_they_are() -> None:
    (picture,) = pictures(picture_of_samples(torch.tensor([[1.0, 1.0], [9.0, 0.0]]), "points"))
    dark = np.argwhere(np.asarray(picture) < 128)
    assert len(dark)
    # above and right of the middle; a point outside is left out
    assert (dark[:, 0] < picture.height / 2).all()
    assert (dark[:, 1] > picture.width / 2).all()


def test_names_are_escaped(result: RunResult) -> None:
    described = result.description.model_copy(update={"name": "<b>&"})
    html = RunResult(result.run, described, result.record)._repr_html_()
    assert "<b>" not in html
    assert "<b>&" in cells(html)


def test_a_run_is_read_by_what_a_user_types_for_it(result: RunResult) -> None:
    for word in (result.run.id, result.run.id[:12], result.name):
        assert bench.read_run(word).run == result.run
    assert bench.read_run(RunFolder(result.run.path)).name == result.name
    with pytest.raises(RequestError, match="does not exist"):
        bench.read_run("no-such-run")
