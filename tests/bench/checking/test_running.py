"""A report of all checks on a variant, for images and points."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import pytest
from torch import Tensor

import bench
from bench.checking import CHECKS, check
from bench.checking.report import NotApplicable
from bench.checking.subject import small_hyperparameters
from bench.system.errors import RequestError, WorkError
from variants.base import Batch
from variants.dcgan import Dcgan


@pytest.mark.parametrize("each", CHECKS, ids=lambda each: each.__name__)
def test_every_check_passes_or_has_no_meaning_for_a_sound_variant(subject: Any, each: Any) -> None:
    if each.__name__ in ("codes", "conditional", "latent_codes"):
        with pytest.raises(NotApplicable, match="no encoder|not conditional|no codes"):
            each(subject(Dcgan))
    else:
        each(subject(Dcgan))


class OnlyPoints(Dcgan):
    """A broken variant for points."""

    sample_kinds = ("points",)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return super().generator_loss(fake, latent, batch) * len(fake)


class Raises(OnlyPoints):
    """A variant with an error of its own."""

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        raise ArithmeticError("no loss")


class OnlyImages(Dcgan):
    """A variant for images that declares points too."""

    def build_networks(self) -> None:
        if len(self.sample_shape) == 1:
            raise ValueError(f"samples of shape {self.sample_shape} are not possible")
        super().build_networks()


def test_a_report_has_every_check_for_the_declared_kind_of_samples() -> None:
    report = check(OnlyPoints)
    assert [result.name for result in report.results] == ["build", *(each.__name__ for each in CHECKS)]
    assert {result.samples for result in report.results} == {"points 2"}
    assert [failure.name for failure in report.failures] == ["micro_batches"]
    assert report.summary == "dcgan: 1 of 18 checks failed"
    assert all(result.statement and not result.statement.endswith(".") for result in report.results)
    assert repr(report) == "CheckReport(dcgan: 1 of 18 checks failed)"
    html = report._repr_html_()
    assert html.count("<tr>") == 1 + len(report.results)
    for result in report.results:
        assert escape(result.reason or result.statement) in html


def test_from_python_a_failure_is_an_error_that_names_the_check_and_the_reason() -> None:
    with pytest.raises(
        WorkError, match=r"^dcgan: 1 of 18 checks failed: micro_batches \(points 2\): with two"
    ):
        bench.check_variant(OnlyPoints)


def test_an_error_of_the_variant_is_reported_with_its_place() -> None:
    report = check(Raises)
    failed = {result.name: result.reason for result in report.failures}
    assert {"gradients", "scalars", "finite", "resume", "ranks"} <= set(failed)
    assert "latents" not in failed
    assert re.fullmatch(r"ArithmeticError: no loss \(test_running\.py, line \d+\)", failed["gradients"])


def test_networks_that_cannot_be_built_for_a_declared_kind_of_samples_are_a_failure() -> None:
    report = check(OnlyImages)
    assert [(each.samples, each.name, each.reason) for each in report.failures] == [
        ("points", "build", "samples of shape (2,) are not possible")
    ]
    assert report.summary == "dcgan: 1 of 19 checks failed"


def test_settings_are_those_of_the_variant_and_the_shape_of_images() -> None:
    assert small_hyperparameters(Dcgan, {"filters": "5"})[0].filters == 5
    assert small_hyperparameters(Dcgan, {})[0].latent_dim == 6
    with pytest.raises(
        RequestError, match=r"beta1: 9 is not possible: allowed is a number from 0 to 0\.9999"
    ):
        check(Dcgan, {"beta1": 9})
    with pytest.raises(
        RequestError, match="unknown setting of a check of dcgan 'filter'.*did you mean 'filters'"
    ):
        check(Dcgan, {"filter": 9})
    with pytest.raises(RequestError, match="image_size: 'x' is not possible"):
        check(Dcgan, {"image_size": "x"})


def test_the_shape_of_images_may_be_given() -> None:
    report = check(Dcgan, {"image_size": 32, "channels": 3})
    assert {result.samples for result in report.results} == {"images 3x32x32"}
    assert report.passed
    report = check(Dcgan, {"image_size": 34})
    assert [(each.name, each.outcome) for each in report.results] == [("build", "FAIL")]
    assert "image_size 34 is not possible, nearest are 32 and 36" in report.failures[0].reason
