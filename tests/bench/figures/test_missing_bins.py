"""Bins that a generator fills too little are found, labelled and drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from bench.figures.missing_bins import FilledBins, draw_missing, fill
from bench.figures.of_run import extractor_of
from bench.figures.plane import draw_missing as draw_missing_points
from bench.runs.data_location import samples_of
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder


@pytest.fixture(scope="module")
def half_missing() -> FilledBins:
    """Four clusters in the plane, of which the generator leaves out two."""
    rng = np.random.default_rng(0)
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    real = corners[np.arange(400) % 4] + 0.1 * rng.normal(size=(400, 2))
    generated = corners[np.arange(200) % 2] + 0.1 * rng.normal(size=(200, 2))
    return fill(real.astype(np.float32), generated.astype(np.float32))


def differing(filled: FilledBins) -> int:
    return sum(filled.label(number).endswith(" *") for number in range(len(filled.counts)))


def test_the_bins_of_what_is_left_out_come_first(half_missing: FilledBins) -> None:
    right = half_missing.bins.centres[:, 0] > 0
    assert set(half_missing.missing[: right.sum()]) == set(np.flatnonzero(right))
    first = half_missing.missing[0]
    share = half_missing.bins.counts[first] / 400
    assert half_missing.label(first) == f"real {share:.1%}\ngenerated 0.0% *"
    assert half_missing.summary == f"NDB: {differing(half_missing)} of {len(right)} bins differ"
    assert half_missing.deviations[half_missing.missing].max() < 0


def test_the_samples_of_a_bin_are_those_nearest_to_its_centre_in_order(half_missing: FilledBins) -> None:
    first = half_missing.missing[0]
    centres = half_missing.bins.centres
    apart = cdist(half_missing.real, centres)
    inside = np.flatnonzero(apart.argmin(axis=1) == first)
    expected = inside[np.argsort(apart[inside, first])][:5]
    assert half_missing.nearest(half_missing.real, first, 5).tolist() == expected.tolist()
    assert half_missing.nearest(half_missing.generated, first, 5).tolist() == []


def test_points_mark_the_centres_of_such_bins(half_missing: FilledBins) -> None:
    figure = draw_missing_points(half_missing, "a run")
    axis = figure.axes[0]
    label = axis.lines[-1].get_label()
    assert label == f"centre of a bin with too few ({len(axis.lines[-1].get_xdata())})"
    assert (axis.lines[-1].get_xdata() > 0).all()
    assert axis.get_title() == f"a run\n{half_missing.summary}"


def test_images_of_a_bin_stand_beside_the_samples_in_it(
    trained_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = trained_run("began-v3")
    array = samples_of(run.describe())
    extractor = extractor_of(run, array)
    state = torch.get_rng_state()
    figure = draw_missing(load(run), array, extractor, tmp_path, "a run")
    assert figure is not None
    texts = [text.get_text() for text in figure.texts]
    assert "by features of digits-garments" in texts[0]
    assert texts[1].startswith("NDB: ")
    assert all(text.startswith("real ") and "\ngenerated " in text for text in texts[2:])
    assert [axis.get_title() for axis in figure.axes[:2]] == ["real images of the bin", "samples in the bin"]
    assert torch.equal(torch.get_rng_state(), state)
    # at the end of a run only where few features have to be computed
    assert draw_missing(load(run), array, extractor, tmp_path / "other", "a run", 1000) is None
