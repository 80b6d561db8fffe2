"""The same images and the same weights through torch-fidelity, torchmetrics and this project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.judging.extractors import inception_weights
from bench.judging.extractors.images import Inception
from bench.judging.judge import Judge
from bench.judging.reference import pairing_order, reference_statistics


class _Stored(torch.utils.data.Dataset):
    """Images uint8 (3, H, W), as torch-fidelity wants them."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.images[place]


@pytest.mark.slow
def test_whole_images_agree_with_torch_fidelity_and_torchmetrics(
    random_inception: Path, some_digits: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import torch_fidelity
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, generated = some_digits[::42], some_digits[7::84]  # 24 and 12
    ours = Inception(random_inception)
    reference = reference_statistics(ours, real, "00" * 32, "mnist-5k", tmp_path)
    judge = Judge(ours, reference, len(generated))
    assert "for 2048 features" in caplog.text
    found = judge.measure(lambda count: _scaled(generated))

    first, second = (torch.from_numpy(part).expand(-1, 3, -1, -1).contiguous() for part in (generated, real))
    same = {
        "feature_extractor_weights_path": str(random_inception), "cuda": False, "verbose": False,
        "cache": False, "save_cpu_ram": True, "batch_size": 24,
    }  # fmt: skip
    theirs = torch_fidelity.calculate_metrics(
        input1=_Stored(first), input2=_Stored(second), fid=True, isc=True, isc_splits=1, **same
    )
    assert found[ours.metric] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    inception_score = found["is_" + ours.metric.removeprefix("fd_")]
    assert inception_score == pytest.approx(theirs["inception_score_mean"], rel=1e-6)

    compared = second[pairing_order(24)[:12]]
    theirs = torch_fidelity.calculate_metrics(
        input1=_Stored(first), input2=_Stored(compared), kid=True, kid_subsets=1, kid_subset_size=12,
        prc=True, feature_extractor="inception-v3-compat", feature_layer_prc="2048", **same,
    )  # fmt: skip
    assert found["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert found["precision"] == pytest.approx(theirs["precision"])
    assert found["recall"] == pytest.approx(theirs["recall"])

    metric = FrechetInceptionDistance(
        feature=2048, antialias=False, feature_extractor_weights_path=str(random_inception)
    ).set_dtype(torch.float64)
    metric.update(second, real=True)
    metric.update(first, real=False)
    assert found[ours.metric] == pytest.approx(float(metric.compute()), rel=1e-4)


def _scaled(images: np.ndarray) -> list[torch.Tensor]:
    return list((torch.from_numpy(images).float() / 127.5 - 1).split(10))


@pytest.mark.slow
def test_the_standard_distance_of_two_halves_agrees_with_torch_fidelity(
    inception_package: Path, photographs: np.ndarray, tmp_path: Path
) -> None:
    """The package's weights, read by this project and, as a state dict, by torch-fidelity."""
    import torch_fidelity

    ours = Inception(inception_package)
    halves = photographs[:64:2], photographs[1:64:2]
    judge = Judge(ours, reference_statistics(ours, halves[0], "00" * 32, "photographs", tmp_path), 32)
    found = judge.measure(lambda count: _scaled(halves[1]), ["fid", "kid"])["fid"]
    weights = tmp_path / "weights.pth"
    torch.save(inception_weights.read(inception_package).tensors, weights)
    theirs = torch_fidelity.calculate_metrics(
        input1=_Stored(torch.from_numpy(halves[1])), input2=_Stored(torch.from_numpy(halves[0])), fid=True,
        feature_extractor_weights_path=str(weights), cuda=False, verbose=False, cache=False,
        save_cpu_ram=True, batch_size=32,
    )["frechet_inception_distance"]  # fmt: skip
    assert found == pytest.approx(theirs, rel=1e-6)
