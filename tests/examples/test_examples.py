"""The example files, each imported alone and used."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bench
from bench.datasets import load
from bench.datasets.registry import DATASETS
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import METRICS
from bench.judging.sample_statistics import SampleStatistics
from variants.registry import VARIANTS

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = {
    "preset": "quick",
    "steps": 20,
    "filters": 4,
    "latent_dim": 4,
    "batch_size": 8,
    "eval_samples": 100,
    "extractor": "shipped",
    "device": "cpu",
    "figures": False,
    "tracking": False,
}


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    with ExitStack() as stack:
        for registry in (VARIANTS, DATASETS, METRICS, EXTRACTORS):
            stack.enter_context(registry.restored())
        yield


def example(name: str) -> dict[str, Any]:
    """Run an example file, which registers what it defines; return its names."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)


def test_the_data_set_is_trained_on() -> None:
    example("my_dataset")
    outcome = bench.run("began", quiet=True, **TINY | {"dataset": "my-shapes"})
    assert outcome.record.evaluations[-1].values["fd_digits_garments"] > 0


def test_half_of_the_images_are_discs_and_half_are_squares(tmp_path: Path) -> None:
    example("my_dataset")
    array = load("my-shapes", image_size=28, channels=1, data_root=tmp_path, cache=tmp_path)
    assert array.samples.shape == (2000, 1, 28, 28)
    white = (np.asarray(array.samples) == 255).sum(axis=(1, 2, 3))
    assert set(white[1::2]) == {(2 * radius + 1) ** 2 for radius in range(3, 10)}
    plane = [(x, y) for x in range(-9, 10) for y in range(-9, 10)]
    assert set(white[::2]) == {sum(x * x + y * y <= r * r for x, y in plane) for r in range(3, 10)}
    assert array.labels is not None
    assert list(array.labels[:4]) == [0, 1, 0, 1]


def test_the_extractor_judges_a_run_and_its_distance_bears_its_name() -> None:
    example("my_extractor")
    outcome = bench.run("began", quiet=True, **TINY | {"extractor": "my-thumbnail"})
    assert outcome.record.evaluations[-1].values["fd_my_thumbnail"] > 0
    assert outcome.run.describe().protocol.startswith("my-thumbnail@")


def test_the_features_are_the_mean_brightness_of_fields() -> None:
    extractor = example("my_extractor")["MyThumbnail"]()
    images = torch.randint(0, 256, (3, 3, 28, 28), dtype=torch.uint8)
    by_hand = images.numpy().reshape(3, 3, 7, 4, 7, 4).mean(axis=(1, 3, 5)) / 255
    np.testing.assert_allclose(extractor(images).features.numpy(), by_hand.reshape(3, 49), rtol=1e-5)


def test_the_metric_is_in_the_record() -> None:
    example("my_metric")
    outcome = bench.run("began", quiet=True, **TINY)
    assert outcome.record.evaluations[-1].values["spread"] >= 0


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0])
def test_samples_that_are_so_much_wider_have_so_much_spread(factor: float) -> None:
    spread = example("my_metric")["spread"]
    extractor = example("my_extractor")["MyThumbnail"]()
    images = torch.arange(0, 120, 2, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 7, 7)

    def statistics(samples: torch.Tensor) -> SampleStatistics:
        found = SampleStatistics(extractor, "samples", kept=len(samples))
        found.update(samples, extractor(samples))
        return found

    inputs = MetricInputs(statistics((images * factor).byte()), statistics(images), len(images))
    assert spread(inputs) == pytest.approx(factor, abs=1e-6)
