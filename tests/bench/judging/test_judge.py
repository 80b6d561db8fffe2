"""The judge on real digits, on collapsed samplers and on broken ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from train_digits_garments import Labelled

from bench.health.verdict import collapsed
from bench.judging.extractors.images import DigitsGarments
from bench.judging.judge import Judge, as_stored
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics import Metric, metrics_for
from bench.judging.metrics.registry import METRICS
from bench.judging.protocol import Extraction
from bench.judging.reference import Reference, pairing_order, reference_statistics
from bench.judging.sample_statistics import SampleStatistics
from bench.judging.training_features import TrainingFeatures
from bench.runs import environment
from bench.system.errors import WorkError
from bench.training.sampler import Sampler
from variants.plugins import Plugin


def sampler_of(images: Tensor | np.ndarray, batch_size: int = 64) -> Sampler:
    """Hand out stored images (N, C, H, W) in [-1, 1], from the first on and around again."""

    def sampler(count: int) -> Iterator[Tensor]:
        stored = torch.as_tensor(images).float() / 127.5 - 1
        rows = torch.arange(count) % len(stored)
        yield from stored[rows].split(batch_size)

    return sampler


@pytest.fixture(scope="module")
def shuffled(digits: Labelled) -> np.ndarray:
    return digits.images[torch.randperm(5000, generator=torch.Generator().manual_seed(1))].numpy()


@pytest.fixture(scope="module")
def halves(shuffled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return shuffled[:2500], shuffled[2500:]


@pytest.fixture(scope="module")
def reference(
    shipped: DigitsGarments, halves: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Reference:
    cache = tmp_path_factory.mktemp("cache")
    return reference_statistics(shipped, halves[0], "9f8e7d6c" * 8, "mnist-5k", cache)


@pytest.fixture
def judge(shipped: DigitsGarments, reference: Reference) -> Judge:
    return Judge(shipped, reference, 1000)


@pytest.fixture
def real(judge: Judge, halves: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> dict[str, float]:
    return judge.measure_real(halves[0], tmp_path)


def test_other_real_digits_score_as_real_ones_do(
    judge: Judge, halves: tuple[np.ndarray, np.ndarray], real: dict[str, float]
) -> None:
    values = judge.measure(sampler_of(halves[1]))
    assert list(values) == list(judge.metrics) == list(real)
    assert values["fd_digits_garments"] < 0.7
    assert values["classes_covered"] == 10
    assert values["effective_classes"] == pytest.approx(10, abs=0.1)
    # four standard errors, 0.0057 each over 300 splits of the digits into 1,000 and 1,000 others; the longer
    # tail, upwards, reached 0.028. One digit of the ten left out gives 0.036 or more.
    assert abs(values["kid"]) < 0.023
    for name in ("precision", "recall", "density", "coverage", "vendi", "ms_ssim", "is_digits_garments"):
        assert values[name] == pytest.approx(real[name], rel=0.1), name
    # digits whose number in the reference matters nothing lie as far from it as those that are left out of it
    assert values["fd_digits_garments"] == pytest.approx(real["fd_digits_garments"], rel=0.3)
    assert not collapsed(values, real)


def test_one_image_repeated_is_far_and_collapsed(
    judge: Judge, real: dict[str, float], digits: Labelled
) -> None:
    values = judge.measure(sampler_of(digits.images[:1]))
    assert values["fd_digits_garments"] > 20
    assert values["classes_covered"] == 1
    assert values["effective_classes"] == 1.0
    assert values["vendi"] == pytest.approx(1.0)
    assert values["duplicates"] == 1.0
    assert values["ms_ssim"] == pytest.approx(1.0)
    assert collapsed(values, real)


def test_one_digit_is_collapsed(judge: Judge, real: dict[str, float], digits: Labelled) -> None:
    values = judge.measure(sampler_of(digits.images[digits.labels == 1]))
    assert values["classes_covered"] == 1
    assert values["effective_classes"] < 1.2
    assert collapsed(values, real)


def test_six_digits_are_six_classes_and_noise_is_far(judge: Judge, digits: Labelled) -> None:
    six = digits.images[digits.labels < 6]
    order_of_six = torch.randperm(len(six), generator=torch.Generator().manual_seed(0))
    values = judge.measure(sampler_of(six[order_of_six]))
    assert values["classes_covered"] == 6
    assert values["effective_classes"] == pytest.approx(6, abs=0.1)
    noise = torch.randint(0, 256, (500, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    worse = judge.measure(sampler_of(noise))
    assert worse["fd_digits_garments"] > values["fd_digits_garments"]
    assert worse["precision"] < 0.01


def test_blurred_digits_are_farther_the_more_they_are_blurred(
    judge: Judge, halves: tuple[np.ndarray, np.ndarray]
) -> None:
    found = []
    for width in (1, 3, 5, 7):
        images = torch.from_numpy(halves[1]).float()
        blurred = torch.nn.functional.avg_pool2d(images, width, stride=1, padding=width // 2)
        found.append(judge.measure(sampler_of(blurred)))
    for name, times in (("fd_digits_garments", 5), ("kid", 5)):
        values = [row[name] for row in found]
        assert values == sorted(values)
        assert values[-1] > times * abs(values[0])
    for name in ("precision", "density", "coverage"):
        values = [row[name] for row in found]
        assert values[0] > 1.2 * values[1] > 1.2 * max(values[2:])


def test_the_same_sampler_gives_the_same_numbers(judge: Judge, halves: tuple[np.ndarray, np.ndarray]) -> None:
    state = torch.get_rng_state()
    first = judge.measure(sampler_of(halves[1]))
    assert judge.measure(sampler_of(halves[1])) == first
    other_batches = judge.measure(sampler_of(halves[1], batch_size=1000))
    assert other_batches == pytest.approx(first, rel=1e-4, abs=0.002)  # one of 1,000 may change sides
    assert torch.equal(torch.get_rng_state(), state)  # the judge draws nothing


def test_real_samples_are_measured_once(
    shipped: DigitsGarments, reference: Reference, halves: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    judge = Judge(shipped, reference, 300)
    measured = judge.measure_real(halves[0], tmp_path)
    assert judge.measure_real(np.zeros((0, 1, 28, 28), np.uint8), tmp_path) == measured  # it is read
    (file,) = tmp_path.rglob("*.json")
    for damage in ("", "{}", "[]", '{"kid": "much"}'):
        file.write_text(damage)
        assert judge.measure_real(halves[0], tmp_path) == measured
        assert judge.measure_real(np.zeros((0, 1, 28, 28), np.uint8), tmp_path) == measured
    assert Judge(shipped, reference, 400).measure_real(halves[0], tmp_path) != measured
    (tmp_path / "no folder").write_text("")
    assert judge.measure_real(halves[0], tmp_path / "no folder") == measured


@pytest.mark.parametrize("field", ["revision", "settings"])
def test_real_samples_are_measured_again_when_a_metric_is_revised(
    shipped: DigitsGarments,
    reference: Reference,
    halves: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
) -> None:
    measured = Judge(shipped, reference, 100).measure_real(halves[0], tmp_path)
    (file,) = tmp_path.rglob("*.json")
    stale = dict.fromkeys(measured, 7.0)
    file.write_text(json.dumps(stale))
    assert Judge(shipped, reference, 100).measure_real(halves[0], tmp_path) == stale
    changed = replace(METRICS._entries["kid"], **{field: {"revision": 2, "settings": "other"}[field]})
    with monkeypatch.context() as revised:
        revised.setitem(METRICS._entries, "kid", changed)
        assert Judge(shipped, reference, 100).measure_real(halves[0], tmp_path) == measured
    assert Judge(shipped, reference, 100).measure_real(halves[0], tmp_path) == stale


def test_real_samples_are_measured_again_when_the_statistics_are_revised(
    shipped: DigitsGarments,
    reference: Reference,
    halves: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Judge(shipped, reference, 100)
    judge.measure_real(halves[0], tmp_path)
    monkeypatch.setattr("bench.judging.reference._REVISION", "another")
    judge.measure_real(halves[0], tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) == 2


def test_real_samples_are_measured_again_under_other_arithmetic(
    shipped: DigitsGarments,
    reference: Reference,
    halves: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other thread counts or kernels may round otherwise: a run's own scores can be repeated bit for bit."""
    judge = Judge(shipped, reference, 100)
    measured = judge.measure_real(halves[0], tmp_path)
    assert judge.score_real(halves[0]) == measured
    (file,) = tmp_path.rglob("*.json")
    file.write_text(json.dumps(dict.fromkeys(measured, 7.0)))
    facts = environment.kinds_of_arithmetic()
    for name in ("threads", "cpu_capability", "processor", "torch", "numpy"):
        with monkeypatch.context() as elsewhere:
            other = facts | {name: "another"}
            elsewhere.setattr("bench.runs.environment.kinds_of_arithmetic", lambda other=other: other)
            assert judge.measure_real(halves[0], tmp_path) == measured


class Recording:
    """The shipped network, recording its samples."""

    def __init__(self, inner: DigitsGarments) -> None:
        self.inner, self.seen = inner, []
        for fact in ("name", "metric", "hash", "width", "preprocessing", "provides", "mode_count"):
            setattr(self, fact, getattr(inner, fact))

    def __call__(self, images: Tensor) -> Extraction:
        self.seen += [image.numpy().tobytes() for image in images]
        return self.inner(images)


def test_held_out_real_samples_are_compared_with_all_others(
    shipped: DigitsGarments, some_digits: np.ndarray, tmp_path: Path
) -> None:
    assert len({image.tobytes() for image in some_digits}) == 1000
    recording = Recording(shipped)
    reference = reference_statistics(recording, some_digits, "ab" * 32, "digits", tmp_path)
    recording.seen.clear()
    found = Judge(recording, reference, 300).measure_real(some_digits, tmp_path)

    held_out = pairing_order(1000)[500:800]
    assert recording.seen == [image.tobytes() for image in some_digits[held_out]]
    others = np.setdiff1d(np.arange(1000), held_out)
    assert set(pairing_order(1000)[:300]) <= set(others)  # those whose features are compared with
    held, real = SampleStatistics(shipped, "held out", 300, total=300), SampleStatistics(shipped, "others", 0)
    for statistics, places in ((held, held_out), (real, others)):
        images = torch.from_numpy(some_digits[places])
        statistics.update(images, shipped(images))
    real.set_features(shipped(torch.from_numpy(some_digits[pairing_order(1000)[:300]])).features.numpy())
    unmeasured = shipped(torch.from_numpy(some_digits[others])).features.numpy()
    training = TrainingFeatures(unmeasured, real.moments.mean)
    inputs = MetricInputs(held, real, 300, training_features=training)
    by_hand = {metric.recorded_as(shipped): metric.compute(inputs) for metric in metrics_for(shipped)}
    assert found == pytest.approx(by_hand, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("count", [12, 13, 23, 24])
def test_a_dozen_real_samples_are_enough(
    shipped: DigitsGarments, some_digits: np.ndarray, tmp_path: Path, count: int
) -> None:
    few = some_digits[::41][:count]
    judge = Judge(shipped, reference_statistics(shipped, few, "cd" * 32, "few", tmp_path), 12)
    assert judge.paired == count // 2
    assert list(judge.measure_real(few, tmp_path)) == list(judge.measure(sampler_of(few)))


def test_a_metric_that_is_not_finite_is_refused_by_name(
    judge: Judge, halves: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Metric("broken", "never finite", "lower", "features", "", 1, lambda inputs: float("nan"))
    monkeypatch.setitem(METRICS._entries, "broken", broken)
    with pytest.raises(WorkError, match="broken of the generated samples is nan"):
        judge.measure(sampler_of(halves[1]))


def no_number(inputs: MetricInputs) -> float:
    return np.zeros(2)  # type: ignore[return-value]


def failing(inputs: MetricInputs) -> float:
    raise KeyError("brightness")


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (failing, "KeyError: 'brightness'"),
        (no_number, "TypeError: only "),
        (lambda inputs: None, "TypeError: "),
    ],
)
def test_a_metric_that_gives_no_number_is_refused_by_name_with_its_reason(
    judge: Judge,
    halves: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    compute: Callable[[MetricInputs], float],
    reason: str,
) -> None:
    broken = Metric("broken", "gives no number", "lower", "features", "", 1, compute)
    monkeypatch.setitem(METRICS._entries, "broken", broken)
    message = re.escape(f"broken of the generated samples cannot be computed ({reason}")
    with pytest.raises(WorkError, match=f"^{message}"):
        judge.measure(sampler_of(halves[1]))
    # the others can be had alone
    assert judge.measure(sampler_of(halves[1]), ["kid"]).keys() == {"kid"}


def not_finite(inputs: MetricInputs) -> float:
    return float("nan")


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (failing, "KeyError: 'brightness'"),
        (not_finite, "broken of the held-out real samples is nan"),
    ],
)
def test_a_metric_of_another_package_that_fails_on_real_samples_is_passed_over_with_one_warning(
    judge: Judge,
    halves: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    compute: Callable[[MetricInputs], float],
    reason: str,
) -> None:
    before = judge.score_real(halves[0])
    plugin = Plugin("metric", "others", "1.5", "mine", "others.broken", ("broken",))
    with METRICS.restored():
        monkeypatch.setattr(METRICS, "_plugins", [*METRICS.plugins(), plugin])
        METRICS.add("broken", Metric("broken", "", "lower", "features", "", 1, compute), compute)
        for _ in range(2):
            del judge.__dict__["metrics"]
            assert judge.score_real(halves[0]) == before
            # nor is it measured of generated samples
            assert "broken" not in judge.metrics
    message = f"warning: metric 'broken' of package others is passed over: {reason}"
    assert caplog.messages.count(message) == 1


def test_a_metric_of_this_package_that_fails_on_real_samples_is_an_error(
    judge: Judge, halves: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Metric("broken", "", "lower", "features", "", 1, failing)
    monkeypatch.setitem(METRICS._entries, "broken", broken)
    with pytest.raises(WorkError, match="broken of the held-out real samples cannot be computed"):
        judge.score_real(halves[0])


def test_protocol(judge: Judge, shipped: DigitsGarments, reference: Reference) -> None:
    assert judge.protocol == (
        f"digits-garments@{shipped.hash[:8]} 28x28 bilinear antialias uint8; 1000 samples;"
        " reference train 2500@9f8e7d6c; generator raw"
    )
    assert Judge(shipped, reference, 100, generator="ema").protocol.endswith("generator ema")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_samples_that_are_not_finite_are_refused_by_name(judge: Judge, bad: float) -> None:
    def sampler(count: int) -> Iterator[Tensor]:
        images = torch.zeros(count, 1, 28, 28)
        images[3, 0, 0, 0] = bad
        yield images

    with pytest.raises(
        WorkError, match=r"generated samples hold NaN or infinite values \(1 of a batch of 1000\)"
    ):
        judge.measure(sampler)


@pytest.mark.parametrize(("given", "words"), [(999, "gave 999 samples, 1000"), (1001, "more than the 1000")])
def test_a_sampler_of_another_count_is_refused(judge: Judge, given: int, words: str) -> None:
    with pytest.raises(WorkError, match=words):
        judge.measure(lambda count: iter([torch.zeros(given, 1, 28, 28)]))


def test_stored_images_are_unchanged_and_others_are_rounded_and_clamped() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(as_stored(every.float() / 127.5 - 1), every)
    values = torch.tensor([-7.0, -1.001, 0.0029, 0.999, 1.5]).view(1, 1, 1, 5)
    assert as_stored(values).flatten().tolist() == [0, 0, 128, 255, 255]


def test_few_images_are_warned_of(
    shipped: DigitsGarments, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    Judge(shipped, reference, 65)
    assert not caplog.records
    Judge(shipped, reference, 64)
    assert "fd_digits_garments: 64 generated samples for 64 features" in caplog.text


def test_judges_that_make_no_sense_are_refused(shipped: DigitsGarments, reference: Reference) -> None:
    with pytest.raises(ValueError, match="at least 12 samples, not 11"):
        Judge(shipped, reference, 11)
    foreign = replace(reference, extractor_hash="another network")
    with pytest.raises(ValueError, match="was not measured by digits-garments"):
        Judge(shipped, foreign, 100)
