"""The same images and the same weights through torch-fidelity, torchmetrics and this project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.judging.extraction import Inception
from bench.judging.judge import Judge
from bench.judging.reference import reference_statistics


class _Stored(torch.utils.data.Dataset):
    """Images uint8 (3, H, W), as torch-fidelity wants them."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.images[place]


@pytest.mark.slow
def test_fid_agrees_with_torch_fidelity_and_torchmetrics(
    random_inception: Path, some_digits: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import torch_fidelity
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, generated = some_digits[::42], some_digits[7::42]  # 24 each
    ours = Inception(random_inception)
    reference = reference_statistics(ours, real, "00" * 32, "mnist-5k", tmp_path)
    judge = Judge(ours, reference, len(generated))
    assert "for 2048 features" in caplog.text
    measurement = judge.measure(lambda count: _scaled(generated))
    found = measurement.values[ours.metric]

    first, second = (torch.from_numpy(part).expand(-1, 3, -1, -1).contiguous() for part in (real, generated))
    theirs = torch_fidelity.calculate_metrics(
        input1=_Stored(first), input2=_Stored(second), fid=True, cuda=False, verbose=False, cache=False,
        feature_extractor_weights_path=str(random_inception), save_cpu_ram=True, batch_size=24,
    )["frechet_inception_distance"]  # fmt: skip
    assert found == pytest.approx(theirs, rel=1e-4)

    metric = FrechetInceptionDistance(
        feature=2048, antialias=False, feature_extractor_weights_path=str(random_inception)
    ).set_dtype(torch.float64)
    metric.update(first, real=True)
    metric.update(second, real=False)
    assert found == pytest.approx(float(metric.compute()), rel=1e-4)


def _scaled(images: np.ndarray) -> list[torch.Tensor]:
    return list((torch.from_numpy(images).float() / 127.5 - 1).split(10))
