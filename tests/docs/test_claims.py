"""The pages quote what the code, the presets and the kept results say."""

import io
import json
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from scipy.stats import binomtest

from bench.configuration import PRESETS, resolve
from bench.datasets import sample_shape
from variants.base import parameter_count

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "docs/colour.md",
        "docs/first-result.md",
        "docs/health.md",
        "docs/judging.md",
        "docs/known-modes.md",
        "docs/quick-presets.md",
        "docs/speed.md",
        "docs/studies.md",
        "docs/usage.md",
        "benchmarks/README.md",
    )
}
RESULTS = ROOT / "benchmarks/results/two-cpu-cores"
# Pages with results of BEGAN v3, where a reader must learn that its variational term has a small weight
RESULTS_OF_V3 = (
    "README.md",
    "docs/colour.md",
    "docs/first-result.md",
    "docs/quick-presets.md",
    "docs/studies.md",
)


def words(page: str) -> str:
    """A page without line breaks and emphasis."""
    return " ".join(PAGES[page].replace("*", "").replace("`", "").split())


def parameters_of_paper_preset(variant: str, **changes: object) -> int:
    configuration = resolve({"variant": variant, "preset": "paper", "extractor": "shipped"} | changes)
    harness = configuration.harness
    shape = sample_shape(harness.dataset, harness.image_size, harness.channels)
    return parameter_count(configuration.variant(configuration.hyperparameters, shape))


@pytest.mark.parametrize(
    ("sentence", "variant", "changes"),
    [
        ("for BEGAN ({:,})", "began", {}),
        ("for BEGAN-CS ({:,};", "began-cs", {}),
        ("--preset paper has {:,} parameters", "began-v3", {}),
        (
            "--set layers=table3 has {:,}, by an arrangement that is a conjecture",
            "began-v3",
            {"layers": "table3"},
        ),
    ],
)
def test_the_readme_quotes_the_full_size_networks_own_parameter_counts(sentence, variant, changes):
    assert sentence.format(parameters_of_paper_preset(variant, **changes)) in words("README.md")


@pytest.mark.parametrize("page", RESULTS_OF_V3)
def test_every_page_with_results_of_v3_tells_the_weight_of_its_variational_term(page):
    quick = resolve({"variant": "began-v3", "preset": "quick"}).flat()
    told = words(page)
    assert re.search(rf"(KL weight of|kl_weight|kl_weight is) {quick['kl_weight']}\b", told)
    assert re.search(rf"\b{quick['latent_dim']} (latent )?dimensions", told)
    assert "quation 21" in told


def test_the_weights_on_points_are_the_presets():
    points, stacked = (
        resolve({"variant": "began-v3", "preset": name}).flat() for name in ("points", "stacked")
    )
    page = words("docs/known-modes.md")
    told = f"kl_weight is {points['kl_weight']}, alpha {points['alpha']} and the KL is averaged over"
    assert f"On points {told} {points['latent_dim']} latent dimensions" in page
    assert f"on stacked digits they are {stacked['kl_weight']}, 0.1 and {stacked['latent_dim']}" in page


def test_the_page_on_use_lists_the_presets_as_they_are_described():
    rows = [f"| `{name}` | {budget.description} |" for name, budget in PRESETS.items()]
    assert "\n".join(["| preset | meant for |", "| --- | --- |", *rows]) in PAGES["docs/usage.md"]


RATES = re.compile(r"(\d+) (?:of|in) (\d+)(?: runs)? \((?:exact 95%: )?(\d+) to (\d+)%\)")


def test_intervals_of_rates_are_exact():
    found = [(page, *match) for page in PAGES for match in RATES.findall(words(page))]
    assert len(found) > 15
    for page, *numbers in found:
        hits, count, low, high = map(int, numbers)
        interval = binomtest(hits, count).proportion_ci(0.95, method="exact")
        assert (low, high) == (round(100 * interval.low), round(100 * interval.high)), (page, hits, count)


@pytest.fixture(scope="module")
def measure():
    """The benchmarks are scripts that import one another by their bare names."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import measure

    return measure


# the drills' result has a page of its own: tests/benchmarks/test_drill.py
@pytest.mark.parametrize(
    "file", sorted({*RESULTS.glob("*.json")} - {RESULTS / "faults.json"}), ids=lambda file: file.stem
)
def test_the_tables_of_speed_are_those_of_the_kept_results(file, measure):
    told = io.StringIO()
    with redirect_stdout(told):
        assert measure.show(measure.stored_result(file))
    page = " ".join(PAGES["docs/speed.md"].split())
    # title; the line that names machine, kernels and commit; the table; its notes
    for part in f"#{told.getvalue().strip()}".split("\n\n"):
        assert " ".join(part.split()) in page


def test_the_readme_quotes_the_speed_in_the_same_order_of_updates_first(measure):
    def span(file, column):
        kept = json.loads((RESULTS / file).read_text(encoding="utf-8"))["sections"]["rewriting"]
        rates = [measure.section("rewriting").rates(row) for name, row in kept.items() if "wgan" not in name]
        medians = [each[column]["median"] for each in rates]
        return f"{min(medians):.2f} to {max(medians):.2f} times"

    told = words("README.md")
    alternating = told.index(span("rewriting.json", "both alternating"))
    simultaneous = told.index(span("rewriting_both_orders.json", "both simultaneous"))
    assert alternating < simultaneous < told.index(span("rewriting.json", "simultaneous / plain alternating"))
