"""A package of others, seen by the commands of bench, which run as processes."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
Bench = Callable[..., list[subprocess.CompletedProcess[str]]]
SHORT = ["steps=20", "filters=4", "latent_dim=4", "batch_size=8", "eval_samples=100", "figures=false"]
SETTINGS = [word for value in (*SHORT, "device=cpu") for word in ("--set", value)]
# a broken entry point of each kind: what its module holds, and the reason that a warning gives
BROKEN = {
    "variants": ("class Unfinished(:\n", "SyntaxError: invalid syntax"),
    "datasets": ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
    "metrics": (
        "from bench.judging.metrics.registry import metric\n"
        "metric('kid', 'mine', better='lower', needs='features')(lambda inputs: 0.0)\n",
        "two metrics are named 'kid': bench.judging.metrics.kernel_distance.kernel_distance and",
    ),
    "extractors": (
        "from bench.judging.extractors.registry import ImageExtractor, register\n"
        "@register\nclass Unfinished(ImageExtractor):\n    name = 'unfinished'\n",
        "Unfinished does not define extract",
    ),
}
EXAMPLES = {
    "variants": "my_gan",
    "datasets": "my_dataset",
    "metrics": "my_metric",
    "extractors": "my_extractor",
}


def test_the_page_names_an_entry_point_of_each_kind() -> None:
    (project,) = map(tomllib.loads, BLOCK.findall((ROOT / "docs/extending.md").read_text(encoding="utf-8")))
    found = {
        group.removeprefix("began_bench."): list(entry_points.values())
        for group, entry_points in project["project"]["entry-points"].items()
    }
    assert found == {kind: [f"my_package.{module}"] for kind, module in EXAMPLES.items()}


def lay_down(site: Path, package: str, modules: dict[str, str]) -> None:
    """Write a package with one entry point of each kind, as an installer does.

    Parameters
    ----------
    modules : dict
        Text of a module, by the kind of its entry point.
    """
    folder = site / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    metadata = site / f"{package}-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    sections = []
    for kind, text in modules.items():
        (folder / f"my_{kind}.py").write_text(text)
        sections.append(f"[began_bench.{kind}]\na-part = {package}.my_{kind}\n")
    (metadata / "entry_points.txt").write_text("\n".join(sections))


@pytest.fixture
def examples(site: Path) -> None:
    """The example files, installed as a package."""
    texts = {
        kind: (ROOT / "examples" / f"{module}.py").read_text(encoding="utf-8")
        for kind, module in EXAMPLES.items()
    }
    # the data set names its own file
    texts["datasets"] = texts["datasets"].replace("my_dataset.py", "my_datasets.py")
    lay_down(site, "my_package", texts)


@pytest.fixture
def broken(site: Path) -> None:
    """A package whose entry points all fail."""
    lay_down(site, "broken_package", {kind: text for kind, (text, _) in BROKEN.items()})


def warnings(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The warnings of a process, by the kind of entry point; each one is a line of its own."""
    head = r"^warning: entry point 'a-part' of package broken_package \(began_bench\.(\w+)\)"
    found = re.findall(rf"{head} is passed over: (.*)$", done.stderr, re.MULTILINE)
    assert len(found) == done.stderr.count("warning: entry point"), done.stderr
    assert len(dict(found)) == len(found), done.stderr
    return dict(found)


@pytest.mark.slow
def test_the_parts_of_a_package_train_judge_and_are_reported(
    examples: None, run_bench: Bench, bench_home: Path
) -> None:
    done = run_bench(
        ("variants", "--json"),
        ("datasets", "--json"),
        (
            "run", "--variant", "my-gan", "--dataset", "my-shapes", "--set", "extractor=my-thumbnail",
            "--set", "tracking=false", "--json", *SETTINGS,
        ),
        ("table", "--metric", "spread", "--metric", "fd_my_thumbnail", "--json"),
        ("eval", "last", "--metrics", "fd_digits_garments", "--json"),
        ("doctor", "--json"),
    )  # fmt: skip
    variants, datasets, _, table, measured, doctor = (json.loads(each.stdout) for each in done)
    assert "my-gan" in [row["name"] for row in variants["variants"]]
    assert {row["name"]: row["present"] for row in datasets["datasets"]}["my-shapes"]
    rows = {row["metric"]: row for row in table["rows"]}
    assert rows["spread"]["better"] == "higher"
    assert rows["fd_my_thumbnail"]["better"] == "lower"
    assert measured["values"]["fd_digits_garments"] > 0

    plugins = doctor["plugins"]
    assert [(row["kind"], row["names"], row["problem"]) for row in plugins] == [
        ("variant", ["my-gan"], ""),
        ("data set", ["my-shapes"], ""),
        ("metric", ["spread"], ""),
        ("extractor", ["my-thumbnail"], ""),
    ]
    assert {(row["package"], row["version"]) for row in plugins} == {("my_package", "1.5")}
    (description,) = (bench_home / "mlruns" / "runs").glob("*/run.json")
    assert json.loads(description.read_text())["environment"]["packages"]["my_package"] == "1.5"


@pytest.mark.slow
def test_a_broken_package_costs_a_warning_of_each_kind_and_nothing_else(
    broken: None, run_bench: Bench
) -> None:
    variants, datasets, dry_run, run, table, doctor = run_bench(
        ("variants",),
        ("datasets",),
        ("run", "--variant", "began", "--dry-run"),
        # the tracking process is another one, and reads no registry
        ("run", "--variant", "began", "--set", "extractor=shipped", *SETTINGS),
        ("table",),
        ("doctor", "--json"),
    )
    assert "variants" in warnings(variants)
    assert "began" in variants.stdout
    assert "datasets" in warnings(datasets)
    assert "mnist-5k" in datasets.stdout
    assert "variants" in warnings(dry_run)
    given = warnings(run)
    assert set(given) == set(BROKEN)
    for kind, (_, reason) in BROKEN.items():
        assert given[kind].startswith(reason)
    # a run says how its metrics are shown
    assert "metrics" not in warnings(table)
    assert warnings(doctor) == given
    plugins = json.loads(doctor.stdout)["plugins"]
    assert [row["names"] for row in plugins] == [[]] * 4
    assert [row["problem"] for row in plugins] == [given[kind] for kind in BROKEN]


def test_both_packages_live_together(examples: None, broken: None, run_bench: Bench) -> None:
    (done,) = run_bench(("doctor",))
    assert set(warnings(done)) == set(BROKEN)
    for name in ("my-gan", "my-shapes", "spread", "my-thumbnail"):
        assert name in done.stdout


def test_help_imports_no_plug_in(broken: None, run_bench: Bench) -> None:
    commands = (("--help",), ("--version",), ("run", "--help"), ("table", "--help"))
    for done in run_bench(*commands, imported=()):
        assert done.stdout
        assert warnings(done) == {}


def test_a_typing_error_in_the_name_of_an_extractor_is_answered_with_the_nearest(
    examples: None, run_bench: Bench, bench_home: Path
) -> None:
    words = ("run", "--variant", "began", "--set", "extractor=my-thumbnial")
    for done in run_bench((*words, "--dry-run"), (*words, "--json"), status=2, imported=("torch",)):
        assert done.stderr.splitlines()[-1] == (
            "bench: unknown extractor 'my-thumbnial': allowed are clip, dinov2, dinov2-small, "
            "efficientnet-lite0, inception, my-thumbnail, shipped; did you mean 'my-thumbnail'?"
        )
    assert not bench_home.exists()
