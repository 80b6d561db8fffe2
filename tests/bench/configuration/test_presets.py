"""Presets: stated once for all variants. A variant adds its own part, and needs none."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from torch import Tensor

from bench.cli import main
from bench.configuration import PRESETS, Harness, presets_of, resolve
from bench.system.errors import RequestError
from bench.training.cost import cost
from variants.base import Batch, Variant
from variants.families.two_player import TwoPlayer
from variants.presets import Preset, PresetName, Training
from variants.registry import VARIANTS, all_variants

# what every preset set when the results of the pages were recorded: changes of the defaults
RECORDED = json.loads((Path(__file__).parent / "resolved_presets.json").read_text(encoding="utf-8"))
CASES = [(variant, preset) for variant, presets in RECORDED["presets"].items() for preset in presets]


@pytest.mark.parametrize(("variant", "preset"), CASES)
def test_a_preset_resolves_to_the_values_that_results_were_recorded_with(variant: str, preset: str) -> None:
    flat = resolve({"variant": variant, "preset": preset}).flat()
    defaults = RECORDED["defaults"]["harness"] | RECORDED["defaults"][variant]
    expected = defaults | RECORDED["presets"][variant][preset]
    assert {name: flat[name] for name in expected} == expected


def test_the_presets_are_those_that_variants_can_name() -> None:
    assert tuple(PRESETS) == get_args(PresetName)
    for budget in PRESETS.values():
        assert budget.description.strip()
        assert "\n" not in budget.description


def test_the_settings_of_training_are_knobs_of_the_harness_with_the_same_types() -> None:
    types = get_type_hints(Training)
    for field in fields(Training):
        of_harness = get_type_hints(Harness)[field.name]
        # None stands for "not stated", so that it is added, and no setting can be stated as none
        assert types[field.name] == of_harness | None, field.name
        assert field.default is None


@pytest.mark.parametrize("name", all_variants())
def test_a_variant_states_hyperparameters_of_its_own_and_values_that_are_possible(name: str) -> None:
    kind = all_variants()[name]
    for preset in kind.presets.values():
        assert set(preset.hyperparameters) <= set(kind.Hyperparameters.model_fields)
        kind.Hyperparameters(**preset.hyperparameters)
        Harness(**preset.training.stated())


@pytest.mark.parametrize("name", all_variants())
def test_a_published_training_states_data_and_length(name: str) -> None:
    kind = all_variants()[name]
    assert ("paper" in presets_of(kind)) == ("paper" in kind.presets)


class Plain(TwoPlayer):
    """A variant that states nothing about presets."""

    name = "plain"
    title = "a GAN without presets"
    source = "made here"
    presets = {}

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return self.discriminator(fake).mean() - self.discriminator(real).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return -self.discriminator(fake).mean()


class OfImages(Plain):
    """A variant without networks for points."""

    name = "of-images"
    sample_kinds = ("images",)


class OfPoints(Plain):
    """A variant without networks for images, whose published data are points."""

    name = "of-points"
    sample_kinds = ("points",)
    presets = {"paper": Preset({}, Training(dataset="grid-25", steps=500))}


def registered(monkeypatch: pytest.MonkeyPatch, *kinds: type[Variant]) -> None:
    all_variants()
    monkeypatch.setattr(VARIANTS, "_entries", VARIANTS.entries() | {kind.name: kind for kind in kinds})


@pytest.fixture(autouse=True)
def _three_more_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, Plain, OfImages, OfPoints)


def test_a_variant_that_states_nothing_has_all_presets_but_the_published_one() -> None:
    assert presets_of(Plain) == ("quick", "colour-quick", "points", "stacked", "small")
    assert presets_of(OfImages) == ("quick", "colour-quick", "stacked", "small")
    assert presets_of(OfPoints) == ("points", "paper")


@pytest.mark.parametrize("preset", ["quick", "colour-quick", "points", "stacked", "small"])
def test_a_preset_of_a_variant_that_states_nothing_is_what_the_preset_says(preset: PresetName) -> None:
    configuration = resolve({"variant": "plain", "preset": preset, "batch_size": 2})
    assert configuration.hyperparameters == Plain.Hyperparameters()
    flat = configuration.flat()
    for name, value in PRESETS[preset].values().items():
        assert flat[name] == (2 if name == "batch_size" else value), name
    assert cost(configuration).all_parameters > 0


@pytest.mark.parametrize("preset", ["stacked", "colour-quick"])
def test_it_is_quick_but_for_what_it_says_itself(preset: PresetName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Plain, "presets", {"quick": Preset({"filters": 8}, Training(steps=7, batch_size=4, image_size=64))}
    )
    flat = resolve({"variant": "plain", "preset": preset}).flat()
    assert (flat["filters"], flat["batch_size"], flat["extractor"]) == (8, 4, "shipped")
    own = PRESETS[preset].values()
    expected = {"steps": 7} | {name: own[name] for name in ("dataset", "steps", "image_size") if name in own}
    assert {name: flat[name] for name in expected} == expected


def test_epochs_of_a_variant_replace_the_steps_of_a_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "presets", {"quick": Preset({}, Training(epochs=2))})
    harness = resolve({"variant": "plain"}).harness
    assert (harness.steps, harness.epochs) == (None, 2)


def test_points_may_be_published_data() -> None:
    harness = resolve({"variant": "of-points", "preset": "paper"}).harness
    assert (harness.dataset, harness.image_size, harness.steps) == ("grid-25", None, 500)


def test_without_a_data_set_the_first_preset_of_a_variant_is_taken() -> None:
    assert resolve({"variant": "plain"}).preset == "quick"
    assert resolve({"variant": "of-points"}).preset == "points"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"variant": "plain", "preset": "paper"},
            "plain has no preset 'paper': it states no data set and length of a published training; "
            "allowed are quick, colour-quick, points, stacked, small",
        ),
        (
            {"variant": "of-images", "preset": "points"},
            "of-images has no preset 'points': it has no networks for points; "
            "allowed are quick, colour-quick, stacked, small",
        ),
        (
            {"variant": "of-images", "dataset": "ring-8"},
            "of-images has no preset 'points', that of ring-8: it has no networks for points; "
            "allowed are quick, colour-quick, stacked, small",
        ),
        (
            {"variant": "of-images", "dataset": "ring-8", "preset": "quick", "image_size": "none"},
            "of-images has no networks for points (image_size None)",
        ),
        (
            {"variant": "of-points", "preset": "points", "image_size": "28"},
            "of-points has no networks for images (image_size 28)",
        ),
        (
            {"variant": "plain", "preset": "quik"},
            "unknown preset 'quik': allowed are colour-quick, points, quick, small, stacked; "
            "did you mean 'quick'?",
        ),
        (
            {"variant": "began", "dataset": "ring-8", "preset": "quick"},
            "dataset ring-8 holds points: image_size and channels must be none (preset points)",
        ),
        (
            {"variant": "began", "dataset": "ring-8", "preset": "quick", "image_size": "none"},
            "layers 'strided' needs images, samples of shape (2,) need layers 'points'",
        ),
    ],
)
def test_what_a_variant_lacks_is_refused_in_one_line_with_status_2(
    given: dict[str, str], message: str, capsys: pytest.CaptureFixture[str], bench_home: Path
) -> None:
    named = {name: given[name] for name in ("variant", "dataset", "preset") if name in given}
    words = [word for name, value in named.items() for word in (f"--{name}", value)]
    words += [word for name in given.keys() - named.keys() for word in ("--set", f"{name}={given[name]}")]
    for command in (["run", *words], ["run", *words, "--dry-run"]):
        assert main(command) == 2
        captured = capsys.readouterr()
        assert captured.err.splitlines() == [f"bench: {message}"]
        assert captured.out == ""
    assert not bench_home.exists()


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        (
            {"quik": Preset()},
            "plain: preset 'quik' is none of quick, colour-quick, points, stacked, small, paper",
        ),
        ({"quick": {"filters": 8}}, "plain: preset 'quick' must be a variants.presets.Preset"),
        ({"quick": Preset({"filter": 8})}, "plain: preset 'quick' sets 'filter', which is no hyperparameter"),
        ({"quick": Preset({"steps": 8})}, "sets 'steps', which is no .*; settings of training are fields of"),
        ({"quick": Preset({"filters": 0})}, "filters: 0 is not possible: allowed is a whole number from 1"),
        ({"quick": Preset({}, Training(steps=0))}, "steps: 0 is not possible"),
    ],
)
def test_a_wrong_statement_of_a_variant_is_refused(
    presets: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plain, "presets", presets)
    with pytest.raises(RequestError, match=message):
        resolve({"variant": "plain"})


def test_values_are_added_to_a_preset_without_changing_it() -> None:
    first = Preset({"filters": 8, "lr_g": 1e-3}, Training(steps=3))
    second = first.with_values(lr_g=2e-3, latent_dim=4)
    assert second == Preset({"filters": 8, "lr_g": 2e-3, "latent_dim": 4}, Training(steps=3))
    assert first.hyperparameters == {"filters": 8, "lr_g": 1e-3}
