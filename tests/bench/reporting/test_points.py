"""A report of runs on points: their own figures and words."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.reporting.content import Content, gather
from bench.reporting.page import render
from variants.registry import all_variants


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace) -> Content:
    """One run that drew its figures, one that left them to the report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("points")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        for variant, figures in (("began", True), ("wgan-gp", False)):
            small.run(small.tiny(variant, dataset="ring-8", preset="points", figures=figures))
        return gather()


def test_points_are_not_called_images(content: Content) -> None:
    (section,) = content.sections
    assert section.heading == "ring-8"
    assert "50,000 points" in section.data
    page = render(content)
    assert "None px" not in page
    assert "None \N{MULTIPLICATION SIGN}" not in page


def test_each_run_shows_the_plane_and_reports_no_problem(content: Content) -> None:
    (section,) = content.sections
    titles = {run.heading: [figure.title for figure in run.figures] for run in section.of_runs}
    assert [run.problem for run in section.of_runs] == ["", ""]
    assert titles["began, seed 0"] == [
        "Generated points over real ones: began, seed 0",
        "What is reconstructed: began, seed 0",
        "Where samples are missing: began, seed 0",
    ]
    assert titles["wgan-gp, seed 0"] == [
        "Generated points over real ones: wgan-gp, seed 0",
        "Where samples are missing: wgan-gp, seed 0",
    ]
    assert [figure.title for figure in section.figures] == [
        "M, k and wasserstein by step",
        "Samples as training went on",
    ]
    declared = [scalar for name in ("began", "wgan-gp") for scalar in all_variants()[name].scalars]
    titles_of = {scalar.name: scalar.title for scalar in declared}
    for name in ("M", "k", "wasserstein"):
        assert f" {name}: {titles_of[name]}." in section.figures[0].caption


def test_the_tables_are_about_modes(content: Content) -> None:
    (section,) = content.sections
    metrics = [table.caption.partition(" ")[0] for table in section.results]
    assert metrics == [
        "fd_points",
        "modes_covered",
        "high_quality",
        "reverse_kl",
        "coverage",
        "M",
        "wasserstein",
    ]
