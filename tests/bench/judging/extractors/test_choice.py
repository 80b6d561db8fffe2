"""Which extractor judges which samples."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.datasets import KnownModes
from bench.judging import extractors
from bench.judging.extractors import inception_weights
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.inception_weights import PUBLISHED_FILES


@pytest.fixture(autouse=True)
def _no_weights_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: None)


def test_availability_without_inception(tmp_path: Path, shipped: DigitsGarments) -> None:
    inception, small, colour, stacked, points, *_ = extractors.availability(tmp_path)
    assert (inception.metric, inception.present, inception.hash) == ("fid", False, None)
    assert str(tmp_path / "weights") in inception.note
    assert len(inception.searched) == 4
    assert (small.metric, small.present, small.hash) == ("fd_digits_garments", True, shipped.hash)
    assert (colour.metric, colour.present) == ("fd_objects", True)
    assert (stacked.name, stacked.metric, stacked.path) == ("stacked-digits", "fd_stacked_digits", small.path)
    assert (points.name, points.metric, points.present, points.path) == ("points", "fd_points", True, "")


@pytest.mark.parametrize(
    ("judged_by", "preferred", "metric"),
    [
        ("images", "shipped", "fd_digits_garments"),
        ("images", "inception", "fd_digits_garments"),
        ("stacked-digits", "inception", "fd_stacked_digits"),
        ("points", "inception", "fd_points"),
    ],
)
def test_every_kind_of_samples_has_its_judge(
    judged_by: Any, preferred: Any, metric: str, tmp_path: Path
) -> None:
    modes = KnownModes(np.zeros((3, 2)), 0.1)
    found = extractors.extractor_for(judged_by, tmp_path, channels=1, modes=modes, preferred=preferred)
    assert found.metric == metric
    assert metric in [row.metric for row in extractors.availability(tmp_path)]


def test_the_preferred_network_comes_first(random_inception: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(random_inception.read_bytes()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception_weights, "PUBLISHED_PREFIX", digest[:8])
        (tmp_path / "weights").mkdir()
        shutil.copy(random_inception, tmp_path / "weights" / PUBLISHED_FILES[0])
        for metric, preferred in extractors.names_by_metric().items():
            if preferred in ("inception", "shipped"):
                channels = 3 if metric == "fd_objects" else 1
                found = extractors.extractor_for("images", tmp_path, channels=channels, preferred=preferred)
                assert found.metric == metric
