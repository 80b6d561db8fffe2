"""The same features through torch-fidelity, torchmetrics, prdc, vendi_score and this project.

Features are of blurred digits (taken for generated) and of other digits (real), in the shipped network. How
whole images come out is in test_parity.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from train_digits_garments import Labelled

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics import all_metrics
from bench.judging.metrics.structural_similarity import EXPONENTS, scales, structural_similarity
from bench.judging.metrics.vendi import vendi_score
from bench.judging.protocol import Extraction

Compare = Callable[..., MetricInputs]
Features = tuple[np.ndarray, np.ndarray]
METRICS = {metric.name: metric.compute for metric in all_metrics()}


class _Given(nn.Module):
    """For torchmetrics: what it is given are features already."""

    num_features = 64

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


@pytest.fixture
def inputs(compare: Compare, digit_features: Features) -> MetricInputs:
    return compare(*digit_features)


@pytest.fixture
def exact(digit_features: Features) -> tuple[torch.Tensor, torch.Tensor]:
    """The features as float64, in which ours are computed."""
    generated, real = (torch.from_numpy(part).double() for part in digit_features)
    return generated, real


def test_frechet_distance(inputs: MetricInputs, exact: tuple[torch.Tensor, torch.Tensor]) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import FrechetInceptionDistance

    found = METRICS["frechet_distance"](inputs)
    statistics = [fid_features_to_statistics(part) for part in exact]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert found == pytest.approx(theirs, rel=1e-8)

    metric = FrechetInceptionDistance(feature=_Given()).set_dtype(torch.float64)
    metric.update(exact[0], real=False)
    metric.update(exact[1], real=True)
    assert found == pytest.approx(float(metric.compute()), rel=1e-8)


def test_kernel_distance_with_one_subset_of_all_samples(
    inputs: MetricInputs, exact: tuple[torch.Tensor, torch.Tensor]
) -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torchmetrics.image.kid import KernelInceptionDistance

    found = METRICS["kid"](inputs)
    theirs = kid_features_to_metric(*exact, kid_subsets=1, kid_subset_size=len(exact[0]), verbose=False)
    assert found == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)

    metric = KernelInceptionDistance(feature=_Given(), subsets=1, subset_size=len(exact[0]))
    metric.update(exact[0], real=False)
    metric.update(exact[1], real=True)
    assert found == pytest.approx(float(metric.compute()[0]), rel=1e-9)


@pytest.mark.parametrize(("name", "splits"), [("inception_score", 1), ("inception_score_10_splits", 10)])
def test_inception_score(
    compare_batches: Compare, blurred_and_real: tuple[Extraction, Extraction], name: str, splits: int
) -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torchmetrics.image.inception import InceptionScore

    probabilities = blurred_and_real[0].probabilities[:697]  # the parts have 69 and 70 samples
    seen = {"probabilities": probabilities.numpy()}
    found = METRICS[name](compare_batches(seen, seen))
    scores = probabilities.double().clamp(min=1e-45).log()  # their softmax makes probabilities of these again
    assert found > 5
    theirs = isc_features_to_metric(scores, splits=splits, shuffle=False)
    assert found == pytest.approx(theirs["inception_score_mean"], rel=1e-6)

    if splits == 1:  # torchmetrics shuffles the samples
        metric = InceptionScore(feature=_Given(), splits=1)
        metric.update(scores)
        assert found == pytest.approx(float(metric.compute()[0]), rel=1e-6)


def test_precision_and_recall_where_torch_fidelity_takes_the_generated_samples_first(
    inputs: MetricInputs, exact: tuple[torch.Tensor, torch.Tensor]
) -> None:
    """torch-fidelity 0.4.0 has each under its own name; its issue 58 tells of sources that swapped them."""
    from torch_fidelity.metric_prc import prc_features_to_metric

    theirs = prc_features_to_metric(*exact, prc_neighborhood=3, verbose=False)
    assert abs(theirs["precision"] - theirs["recall"]) > 0.02  # else a swap would not be seen
    assert METRICS["precision"](inputs) == pytest.approx(theirs["precision"], rel=1e-6)
    assert METRICS["recall"](inputs) == pytest.approx(theirs["recall"], rel=1e-6)


def test_a_repeated_real_sample_is_precise_and_recalls_nothing_in_both(
    compare: Compare, exact: tuple[torch.Tensor, torch.Tensor]
) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    real = exact[1]
    repeated = real[:1].repeat(len(real), 1) + 1e-4 * torch.randn(
        real.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    theirs = prc_features_to_metric(repeated, real, prc_neighborhood=3, verbose=False)
    inputs = compare(repeated.numpy(), real.numpy())
    assert METRICS["precision"](inputs) == theirs["precision"] == 1.0
    assert METRICS["recall"](inputs) == pytest.approx(theirs["recall"], abs=1e-7)
    assert theirs["recall"] < 0.01


@pytest.mark.parametrize(
    ("names", "nearest"), [(("precision", "recall"), 3), (("density", "coverage"), 5)], ids=["k=3", "k=5"]
)
def test_precision_recall_density_and_coverage_of_prdc(
    inputs: MetricInputs, exact: tuple[torch.Tensor, torch.Tensor], names: tuple[str, str], nearest: int
) -> None:
    from prdc import compute_prdc

    generated, real = (part.numpy() for part in exact)
    theirs = compute_prdc(real, generated, nearest_k=nearest)
    for name in names:
        assert 0.05 < theirs[name] < 0.99
        assert METRICS[name](inputs) == pytest.approx(theirs[name], rel=1e-12)


@pytest.mark.parametrize("count", [40, 700], ids=["fewer samples than features", "more samples"])
def test_vendi_score(digit_features: Features, count: int) -> None:
    from vendi_score import vendi

    features = digit_features[1][:count]
    found = vendi_score(features)
    assert found == pytest.approx(vendi.score_X(features.astype(np.float64)), rel=1e-9)
    assert found == pytest.approx(vendi.score_dual(features.astype(np.float64)), rel=1e-9)


@pytest.mark.parametrize(("side", "used"), [(28, 2), (32, 2), (64, 3), (128, 4), (256, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_structural_similarity_in_float32_agrees_with_float64(
    digits: Labelled, side: int, used: int, channels: int
) -> None:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    stacked = digits.images[:: 5000 // (6 * channels)][: 6 * channels].view(6, channels, 28, 28)
    bigger = nn.functional.interpolate(stacked.float(), (side, side), mode="bilinear", antialias=True)
    first, second = bigger.round().to(torch.uint8).split(3)
    second[0] = first[0] // 2 + 20  # one pair alike
    found = structural_similarity(first.numpy(), second.numpy())
    assert scales(side) == used
    betas = tuple(beta / sum(EXPONENTS[:used]) for beta in EXPONENTS[:used])
    theirs = multiscale_structural_similarity_index_measure(
        first.double() / 255, second.double() / 255, data_range=1.0, betas=betas, normalize="relu",
        reduction="none",
    )  # fmt: skip
    assert found.max() > 0.5
    np.testing.assert_allclose(found, theirs.numpy(), rtol=1e-5)
