"""Every registered metric, on samples as good as the data and on a collapsed sampler."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.datasets import load
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.modes import Points, StackedDigits
from bench.judging.judge import Judge
from bench.judging.metrics import Metric, all_metrics, better_direction, metrics_for, registry
from bench.judging.metrics.registry import distances_of
from bench.judging.protocol import Extractor, class_names_of
from bench.judging.reference import reference_statistics
from variants.plugins import RegistrationError

Values = dict[str, float]
OF_ANY = [
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
    "clipped_density",
    "clipped_coverage",
    "authenticity",
    "duplicates",
    "spacing",
]
# those on request, beside the names of the distance
ON_REQUEST = ["ndb", "rke", "rrke", "sliced_wasserstein"]
# a repeated mean is as far from all data as an invented sample: such metrics say nothing of its quality
OF_COPYING = ["authenticity"]
OF_LABELS = ["class_agreement", "lowest_class_agreement"]
SHARES = [
    *OF_LABELS,
    "precision",
    "recall",
    "density",
    "coverage",
    "clipped_density",
    "clipped_coverage",
    "authenticity",
    "ndb",
    "duplicates",
    "high_quality",
    "reverse_kl",
]
OF_IMAGES = [*OF_ANY, "vendi", "ms_ssim"]
OF_NETWORKS = [*OF_IMAGES, "classes_covered", "effective_classes"]
# revision and value of each metric, of 300 held-out digits or (what digits lack) of 300 held-out points
OF_REVISIONS = {
    "fd_digits_garments": (1, 1.36498),
    "kid": (1, 0.00116147),
    "classes_covered": (1, 10),
    "effective_classes": (1, 9.89752),
    "is_digits_garments": (1, 9.71701),
    "is_digits_garments_10_splits": (1, 8.3777),
    "precision": (2, 0.86),
    "recall": (2, 0.84),
    "density": (2, 0.994),
    "coverage": (2, 0.966667),
    "clipped_density": (1, 0.982097),
    "clipped_coverage": (1, 1.0),
    "authenticity": (2, 0.596667),
    "vendi": (1, 13.2961),
    "duplicates": (1, 0.03),
    "spacing": (1, 0.331343),
    "ms_ssim": (2, 0.201824),
    "fd_digits_garments_tenth": (1, 14.0862),
    "fd_digits_garments_half": (1, 2.00996),
    "fd_digits_garments_infinity": (1, -0.0587835),
    "ndb": (1, 0.0),
    "rke": (1, 14.8994),
    "rrke": (1, 0.264974),
    "sliced_wasserstein": (1, 3.46052),
    "fd_points": (1, 0.00115706),
    "fd_points_tenth": (1, 0.0215232),
    "fd_points_half": (1, 0.00591743),
    "fd_points_infinity": (1, -0.00109883),
    "modes_covered": (1, 8),
    "high_quality": (1, 0.993333),
    "reverse_kl": (1, 0.00847631),
    "class_agreement": (1, 1.0),
    "lowest_class_agreement": (1, 1.0),
}


class Collapsed:
    """A sampler that gives one sample again and again, whatever class is asked for."""

    def __init__(self, sample: torch.Tensor, classes: int) -> None:
        self.sample, self.classes = sample, classes

    def __call__(self, count: int) -> Iterator[torch.Tensor]:
        yield self.sample.expand(count, *self.sample.shape)

    def labels(self, count: int) -> torch.Tensor:
        return torch.arange(count) % self.classes


def measured(
    extractor: Extractor, samples: np.ndarray, labels: np.ndarray, cache: Path
) -> tuple[Extractor, Values, Values]:
    """What 300 held-out samples score, and a sampler that gives the mean of all of them again and again."""
    names = class_names_of(extractor)[: labels.max() + 1]
    reference = reference_statistics(extractor, samples, "ab" * 32, "some", cache)
    judge = Judge(extractor, reference, 300, class_names=names)
    values = samples.astype(np.float32)
    mean = torch.from_numpy(values.mean(axis=0))
    if samples.dtype == np.uint8:
        mean = mean / 127.5 - 1
    collapsed = Collapsed(mean, len(names))
    asked = list(judge.measurable)
    return extractor, judge.measure_real(samples, cache, labels, asked), judge.measure(collapsed, asked)


def measurable(extractor: Extractor) -> list[Metric]:
    """The metrics of every evaluation, and those on request."""
    return [
        metric
        for on_request in (False, True)
        for metric in metrics_for(extractor, labelled=True, on_request=on_request)
    ]


@pytest.fixture(scope="session")
def by_evidence(
    shipped: DigitsGarments, some_digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Extractor, Values, Values]]:
    """Of digits, which have classes, and of points, which have modes."""
    cache = tmp_path_factory.mktemp("cache")
    ring = load("ring-8", image_size=None, channels=None, data_root=cache, cache=cache)
    points = Points(ring.modes.centres, ring.modes.deviation)
    return [
        # 100 of each digit
        measured(shipped, some_digits, np.arange(1000) // 100, cache),
        measured(points, ring.samples[:2000], ring.labels[:2000], cache),
    ]


# those of held-out samples: tests/bench/judging/test_held_out.py
WITHOUT_HELD_OUT = [metric for metric in all_metrics() if metric.needs != "held-out"]


@pytest.mark.parametrize("metric", WITHOUT_HELD_OUT, ids=lambda metric: metric.name)
def test_held_out_real_samples_are_better_than_their_mean_repeated(
    metric: Metric, by_evidence: list[tuple[Extractor, Values, Values]]
) -> None:
    found = [row for row in by_evidence if metric in measurable(row[0])]
    assert found
    for extractor, real, collapsed in found:
        name = metric.recorded_as(extractor)
        assert math.isfinite(real[name])
        assert math.isfinite(collapsed[name])
        if metric.name in OF_COPYING:
            assert real[name] < collapsed[name] == 1.0
        elif metric.better == "lower":
            assert real[name] < collapsed[name]
        else:
            assert real[name] > collapsed[name]
        assert better_direction(name) == metric.better


def test_a_metric_whose_values_change_has_another_revision(
    by_evidence: list[tuple[Extractor, Values, Values]],
) -> None:
    """Where this fails for a value: raise the metric's revision, and record both here."""
    for extractor, real, _ in reversed(by_evidence):
        for metric in measurable(extractor):
            name = metric.recorded_as(extractor)
            assert metric.revision == OF_REVISIONS[name][0]
            if extractor.name != "points" or name not in [*OF_ANY, *ON_REQUEST, *OF_LABELS]:
                # one of 300 samples may fall on the other side of a bound under other arithmetic
                allowed = 0.004 if name in SHARES else 1e-6
                assert real[name] == pytest.approx(OF_REVISIONS[name][1], rel=1e-3, abs=allowed), name


@pytest.mark.parametrize(
    ("extractor", "expected"),
    [
        (
            DigitsGarments,
            ["fd_digits_garments", "is_digits_garments", "is_digits_garments_10_splits", *OF_NETWORKS],
        ),
        (StackedDigits, ["fd_stacked_digits", *OF_IMAGES, "modes_covered", "reverse_kl"]),
        (
            lambda: Points(np.zeros((2, 2)), 1.0),
            ["fd_points", *OF_ANY, "modes_covered", "reverse_kl", "high_quality"],
        ),
        # the names of an Inception extractor, without its weights
        (
            lambda: SimpleNamespace(metric="fid", provides=DigitsGarments.provides),
            ["fid", "inception_score", "inception_score_10_splits", *OF_NETWORKS],
        ),
        # and without the classifier, as the package has it
        (
            lambda: SimpleNamespace(metric="fid", provides=frozenset({"features", "images"})),
            ["fid", *OF_IMAGES],
        ),
        (
            lambda: SimpleNamespace(metric="fd_inception_0a1b2c3d", provides=DigitsGarments.provides),
            [
                "fd_inception_0a1b2c3d",
                "is_inception_0a1b2c3d",
                "is_inception_0a1b2c3d_10_splits",
                *OF_NETWORKS,
            ],
        ),
    ],
    ids=["shipped", "stacked", "points", "fid", "fid without a classifier", "another Inception"],
)
def test_metric_names_have_the_extractor_and_only_the_standard_one_is_fid(
    extractor: object, expected: list[str]
) -> None:
    judged = extractor()  # type: ignore[operator]
    names = [metric.recorded_as(judged) for metric in metrics_for(judged)]
    assert sorted(names) == sorted(expected)
    assert names[0] == judged.metric
    asked = [metric.recorded_as(judged) for metric in metrics_for(judged, on_request=True)]
    distances = [f"{judged.metric}_{count}" for count in ("tenth", "half", "infinity")]
    assert sorted(asked) == sorted([*distances, *ON_REQUEST])
    of_held_out = [f"{judged.metric}_{kind}" for kind in ("held_out", "gap")]
    assert distances_of(judged.metric) == (judged.metric, *of_held_out, *distances)


@pytest.mark.parametrize(
    ("recorded", "better"),
    [("fid", "lower"), ("fd_points", "lower"), ("fid_gap", "lower"), ("fd_points_held_out", "lower"),
     ("is_digits_garments", "higher"), ("coverage", "higher"), ("duplicates", "lower"),
     ("fid_infinity", "lower"), ("fd_points_half", "lower")],
)  # fmt: skip
def test_which_values_are_better_by_the_recorded_name(recorded: str, better: str) -> None:
    assert better_direction(recorded) == better


@pytest.mark.parametrize("name", ["M", "loss_d", "frechet", ""])
def test_what_is_no_metric_has_no_direction(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is no metric"):
        better_direction(name)


def test_names_and_titles_are_each_metrics_own() -> None:
    metrics = all_metrics()
    assert (
        len({metric.name for metric in metrics}) == len({metric.title for metric in metrics}) == len(metrics)
    )


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("kid", {}, "two metrics are named 'kid'"),
        ("two words", {}, "a name is an identifier"),
        ("batch_size", {}, "a name is an identifier such as mean_distance, and no knob"),
        ("step", {}, "a name is an identifier such as mean_distance, and no knob"),
        ("fid", {}, "fid, fd_NAME and is_NAME are an extractor's"),
        ("fd_mine", {}, "fid, fd_NAME and is_NAME are an extractor's"),
        ("fid_mine", {}, "fid, fd_NAME and is_NAME are an extractor's"),
        ("mine", {"better": "up"}, "metric mine: better 'up': allowed are lower, higher"),
        (
            "mine",
            {"needs": "captions"},
            "metric mine: needs 'captions': allowed are features, images, classes",
        ),
    ],
)
def test_a_metric_that_is_not_possible_is_refused(name: str, fields: dict[str, Any], expected: str) -> None:
    before = registry.METRICS.entries()
    with pytest.raises(RegistrationError, match=expected):
        registry.metric(name, "mine", **({"better": "lower", "needs": "features"} | fields))(
            lambda inputs: 0.0
        )
    assert registry.METRICS.entries() == before


def test_a_metric_of_two_arguments_is_refused() -> None:
    with pytest.raises(RegistrationError, match="metric mine: a function of one argument is needed"):
        registry.metric("mine", "mine", better="lower", needs="features")(lambda generated, real: 0.0)
    assert "mine" not in registry.METRICS.entries()


@pytest.mark.parametrize(
    "first",
    [
        "bench.judging.metrics.registry",
        "bench.judging.metrics",
        "bench.judging.metric_inputs",
        "bench.judging.extractors.registry",
        "bench.datasets.registry",
        "variants.registry",
        "variants.families.two_player",
    ],
)
def test_what_a_plug_in_imports_can_be_the_first_import_of_a_process(first: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {first}"], check=True)
