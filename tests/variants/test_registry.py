"""What there is to train, and how another package adds to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bench
from bench.configuration import presets_of, resolve
from variants.base import Variant, VariantHyperparameters, parameter_count
from variants.noise import Noise
from variants.plugins import RegistrationError
from variants.presets import Preset
from variants.registry import all_variants, register

VARIANTS = all_variants()
PRESETS = [(name, preset) for name, kind in VARIANTS.items() for preset in presets_of(kind)]


def test_the_five_variants_are_listed_in_alphabetical_order() -> None:
    names = list(VARIANTS)
    assert names == sorted(names)
    assert {"began", "began-cs", "began-resnet18", "began-v3", "wgan-gp"} <= set(names)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_a_title_a_source_a_docstring_and_presets(name: str) -> None:
    kind = VARIANTS[name]
    assert issubclass(kind, Variant)
    assert kind.name == name
    assert kind.title.strip()
    assert kind.source.strip()
    assert (kind.__doc__ or "").strip()
    assert issubclass(kind.Hyperparameters, VariantHyperparameters)
    expected = ["quick", "colour-quick", "points", "stacked", "small", "paper"]
    if "points" not in kind.sample_kinds:
        expected.remove("points")
    assert presets_of(kind) == tuple(expected)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_two_variants_share_a_title(name: str) -> None:
    assert [kind.title for kind in VARIANTS.values()].count(VARIANTS[name].title) == 1


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_preset_resolves_to_its_values(name: str, preset: str) -> None:
    flat = resolve({"variant": name, "preset": preset}).flat()
    assert flat["variant"] == name
    own = VARIANTS[name].presets.get(preset, Preset())
    for key, value in (own.training.stated() | {**own.hyperparameters}).items():
        assert flat[key] == value, key


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_the_networks_of_a_preset_can_be_built(name: str, preset: str) -> None:
    configuration = resolve({"variant": name, "preset": preset})
    size = configuration.harness.image_size
    channels = 3 if configuration.harness.dataset == "stacked-mnist" else 1
    with torch.device("meta"):
        sample_shape = (2,) if size is None else (channels, size, size)
        variant = VARIANTS[name](configuration.hyperparameters, sample_shape)
    assert parameter_count(variant.generator) > 0
    assert parameter_count(variant.discriminator) > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_makes_the_kinds_of_samples_that_it_declares_from_the_presets_for_them(name: str) -> None:
    shapes = {"images": (1, 28, 28), "points": (2,)}
    assert VARIANTS[name].sample_kinds
    for kind in VARIANTS[name].sample_kinds:
        preset = {"images": "quick", "points": "points"}[kind]
        chosen = resolve({"variant": name, "preset": preset}).hyperparameters
        variant = VARIANTS[name](chosen, shapes[kind], 3 if VARIANTS[name].conditional else 0)
        with torch.no_grad():
            sampled = variant.generator(variant.draw_latent(Noise(0, 1, torch.device("cpu")), 3))
        assert sampled.shape == (3, *shapes[kind])


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two variants are named 'began'"):

        @register
        class Another(VARIANTS["began"]):  # type: ignore[misc,name-defined]
            pass

    assert all_variants()["began"] is VARIANTS["began"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"title": " "}, "Odd: the attribute title must be a text"),
        ({"source": None}, "Odd: the attribute source must be a text"),
        (
            {"sample_kinds": ("pictures",)},
            "Odd: sample_kinds .'pictures',. must be one or both of images, points",
        ),
        ({"sample_kinds": ()}, "Odd: sample_kinds .. must be one or both of images, points"),
        ({"presets": {"quick": {"filters": 3}}}, "Odd: preset 'quick' must be a variants.presets.Preset"),
        (
            {"presets": {"fast": Preset()}},
            "Odd: preset 'fast' is none of quick, colour-quick, points, stacked, small",
        ),
        ({"presets": {"quick": Preset({"steps": 3})}}, "Odd: preset 'quick' sets 'steps', which is no hyper"),
        ({"name": "two words"}, "a name has letters"),
        ({"Hyperparameters": dict}, "Odd: Hyperparameters must be a subclass of VariantHyperparameters"),
        ({"phases": Variant.phases}, "Odd does not define phases"),
    ],
)
def test_a_class_that_is_no_variant_is_refused(attributes: dict[str, object], expected: str) -> None:
    with pytest.raises(RegistrationError, match=expected):
        register(type("Odd", (VARIANTS["began"],), {"name": "odd"} | attributes))
    assert "odd" not in all_variants()
    with pytest.raises(RegistrationError, match="no subclass of variants.base.Variant"):
        register(dict)  # type: ignore[arg-type]


def test_a_class_can_be_registered_twice() -> None:
    kind = VARIANTS["began"]
    assert register(kind) is kind
    assert all_variants()["began"] is kind


OUTSIDE = """
from variants.began import Began
from variants.registry import register


@register
class Outside(Began):
    name = "{name}"
    title = "a variant of another package"
"""

LISTING = """
import json
from bench.configuration import resolve
from variants.registry import all_variants
steps = {n: resolve({"variant": n, "preset": "quick"}).harness.steps for n in all_variants()}
print(json.dumps({n: [kind.__module__, steps[n]] for n, kind in all_variants().items()}))
"""


def install(folder: Path, module: str, name: str, target: str) -> None:
    """Lay down a distribution of one module with a variant, as an installer would."""
    (folder / f"{module}.py").write_text(OUTSIDE.format(name=name))
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[began_bench.variants]\n{name} = {target}\n")


def test_variants_of_other_packages_are_found_by_their_entry_points(tmp_path: Path) -> None:
    install(tmp_path, "outside_module", "named-by-module", "outside_module")
    install(tmp_path, "outside_class", "named-by-class", "outside_class:Outside")

    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LISTING], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    steps = resolve({"variant": "began"}).harness.steps
    assert listed["named-by-module"] == ["outside_module", steps]
    assert listed["named-by-class"] == ["outside_class", steps]
    assert set(listed) == set(VARIANTS) | {"named-by-module", "named-by-class"}


@pytest.mark.parametrize("path", sorted(Path(bench.__file__).parent.rglob("*.py")), ids=lambda p: p.name)
def test_the_harness_names_no_variant(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, kind in VARIANTS.items():
        # "began" is an English word too: bare, only a name with a hyphen counts
        quoted = rf"""(["'`]){re.escape(name)}\1"""
        bare = rf"(?<![\w-]){re.escape(name)}(?![\w-])" if "-" in name else quoted
        assert not re.search(rf"{quoted}|{bare}", text), f"{path} names {name}"
        assert not re.search(rf"\b{re.escape(kind.__module__)}\b", text), f"{path} imports {kind.__module__}"
        own = kind.__name__
        assert not re.search(rf"\b{own}\b", text), f"{path} names {own}"
