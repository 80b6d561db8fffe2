"""What the Python examples of docs/extending.md do; that all blocks of all pages run: test_snippets.py."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.datasets.registry import DATASETS
from bench.judging.metrics.registry import METRICS
from variants.registry import VARIANTS

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TINY = {"steps": 2, "eval_samples": 100, "device": "cpu", "figures": False, "tracking": False}


def examples(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def run_example(containing: str, page: str) -> dict[str, Any]:
    """The names that the example of a page defines."""
    (code,) = (block for block in examples(page) if containing in block)
    names = {"__name__": "example"}
    # compiled with the flags of a file, not with those of this one
    exec(compile(code, page, "exec", dont_inherit=True), names)
    return names


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    with ExitStack() as stack:
        for registry in (VARIANTS, DATASETS, METRICS):
            stack.enter_context(registry.restored())
        yield


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_file_stands_on_the_page_on_extending_as_it_is(file):
    """What the files do is tested in tests/examples."""
    assert file.read_text(encoding="utf-8") in examples("docs/extending.md")


def test_every_example_of_the_page_on_extending_is_tested():
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    others = [block for block in examples("docs/extending.md") if block not in files]
    assert len(files) == 4
    assert len(others) == 2
    for block, word in zip(others, ("class MyLazyGan", "bench.check_variant"), strict=True):
        assert word in block


@pytest.mark.parametrize("dataset", ["mnist-5k", "ring-8"])
def test_the_variant_with_a_phase_of_its_own_penalises_in_every_fourth_step(dataset):
    run_example("class MyLazyGan", "docs/extending.md")
    outcome = bench.run("my-lazy-gan", quiet=True, dataset=dataset, **TINY | {"steps": 6})
    assert [row["step"] for row in outcome.record.steps if "loss_r1" in row] == [1, 5]


@pytest.mark.slow
def test_the_test_of_a_package_on_the_page_checks_the_variant():
    run_example("class MyGan", "docs/extending.md")
    run_example("bench.check_variant", "docs/extending.md")["test_my_gan"]()
    run_example("class MyLazyGan", "docs/extending.md")
    bench.check_variant("my-lazy-gan")
