"""The Python examples of the pages run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.datasets.registry import DATASETS
from bench.judging.metrics.registry import METRICS
from variants.registry import VARIANTS, all_variants

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TINY = {"steps": 2, "eval_samples": 100, "device": "cpu", "figures": False, "tracking": False}


def examples(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def run_example(containing: str, page: str, *shorter: tuple[str, str]) -> dict[str, Any]:
    """The names that the example of a page defines, which may be made shorter by replacements."""
    (code,) = (block for block in examples(page) if containing in block)
    for long, short in shorter:
        assert long in code
        code = code.replace(long, short)
    names = {"__name__": "example"}
    # compiled with the flags of a file, not with those of this one
    exec(compile(code, page, "exec", dont_inherit=True), names)
    return names


@pytest.fixture(autouse=True)
def _nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    all_variants()
    for registry in (VARIANTS, DATASETS, METRICS):
        monkeypatch.setattr(registry, "_entries", registry.entries())
        monkeypatch.setattr(registry, "_definitions", dict(registry._definitions))


def test_the_variant_of_the_page_on_extending_is_the_example_and_trains():
    assert (ROOT / "examples/my_gan.py").read_text(encoding="utf-8") in examples("docs/extending.md")
    run_example("class MyGan", "docs/extending.md")
    outcome = bench.run("my-gan", quiet=True, weight=0.5, **TINY)
    assert set(outcome.record.steps[-1]) >= {"loss_d", "loss_g"}


def test_the_data_set_of_the_page_on_extending_is_trained_on_and_judged():
    run_example("class Square4", "docs/extending.md")
    outcome = bench.run("began", quiet=True, preset="points", dataset="square-4", **TINY)
    assert outcome.record.evaluations[-1].values["modes_covered"] <= 4


def test_the_metric_of_the_page_on_extending_is_in_the_record():
    run_example("def spread", "docs/extending.md")
    outcome = bench.run("began", quiet=True, preset="points", dataset="ring-8", **TINY)
    assert outcome.record.evaluations[-1].values["spread"] > 0


@pytest.mark.slow
def test_runs_and_results_from_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = "steps=2, eval_samples=100, figures=False"
    names = run_example("bench.run_many", "docs/results.md", ("steps=2000", short), ("range(3)", "range(1)"))
    assert list(names["frame"]["experiment"]) == ["notebook"]
    assert names["images"].shape == (16, 1, 28, 28)
    assert Path("generator.onnx").stat().st_size > 0


@pytest.mark.slow
def test_a_generator_is_loaded_from_mlflow(bench_home, monkeypatch):
    import mlflow

    bench.run("began", quiet=True, steps=2, eval_samples=100, device="cpu", figures=False)
    monkeypatch.chdir(bench_home)
    before = mlflow.get_tracking_uri()
    try:
        names = run_example("mlflow.pytorch", "docs/usage.md")
    finally:
        mlflow.set_tracking_uri(before)
    assert names["images"].shape == (64, 1, 28, 28)
