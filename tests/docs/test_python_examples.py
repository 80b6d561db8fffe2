"""The Python examples of the pages run as they stand."""

import re
from pathlib import Path

import pytest

import bench
from bench.datasets import registry as datasets
from bench.judging.metrics import registry as metrics
from variants import registry as variants

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TINY = {"steps": 2, "eval_samples": 100, "device": "cpu", "figures": False, "tracking": False}


def examples(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def run_example(containing: str, page: str) -> None:
    (code,) = (block for block in examples(page) if containing in block)
    # compiled with the flags of a file, not with those of this one
    exec(compile(code, page, "exec", dont_inherit=True), {"__name__": "example"})


@pytest.fixture(autouse=True)
def _nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    variants.all_variants()
    monkeypatch.setattr(variants, "_registered", dict(variants._registered))
    monkeypatch.setattr(datasets, "_CLASSES", dict(datasets._CLASSES))
    monkeypatch.setattr(metrics, "_METRICS", dict(metrics._METRICS))


def test_the_variant_of_the_page_on_extending_trains():
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
