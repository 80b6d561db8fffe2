from pathlib import Path
from typing import Any

import pytest

from bench.commands.options import parse_settings
from bench.configuration import (
    EXECUTION_SETTINGS,
    Configuration,
    Harness,
    allowed,
    knobs_of,
    presets_of,
    resolve,
)
from bench.system.errors import RequestError
from variants.began import Began
from variants.knobs import knob, neutral_of
from variants.registry import all_variants

VARIANTS = sorted(all_variants())
OF_POINTS = [name for name in VARIANTS if "points" in all_variants()[name].sample_kinds]
WITHOUT_LABELS = ("celeba", "lsun-bedroom", "folder:.")


@pytest.mark.parametrize(
    ("variant", "preset"),
    [(name, preset) for name in VARIANTS for preset in presets_of(all_variants()[name])],
)
def test_every_preset_of_every_variant_resolves(variant: str, preset: str) -> None:
    flat = resolve({"variant": variant, "preset": preset}).flat()
    assert flat["variant"] == variant
    assert (flat["steps"] is None) != (flat["epochs"] is None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_knob_is_described_and_its_default_is_allowed(variant: str) -> None:
    for name, field in knobs_of(all_variants()[variant]).items():
        assert field.description, name
        assert allowed(field), name


def test_later_layers_win(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("variant: began\ngamma: 0.25\nlambda_k: 0.5\n")
    flat = resolve({"gamma": "0.75"}, file).flat()
    assert (flat["gamma"], flat["lambda_k"], flat["preset"]) == (0.75, 0.5, "quick")


def refusal(variant: str, dataset: str, preset: str) -> str:
    """Why a variant cannot be trained on a data set, empty if it can."""
    if preset == "points" and variant not in OF_POINTS:
        return "it has no networks for points"
    if all_variants()[variant].conditional and dataset in WITHOUT_LABELS:
        return f"has no labels, which {variant} needs"
    return ""


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("dataset", "preset"),
    [
        ("mnist-5k", "quick"),
        *((name, "colour-quick") for name in ("cifar10", "celeba", "lsun-bedroom", "folder:.")),
        ("ring-8", "points"),
        ("grid-25", "points"),
        ("stacked-mnist", "stacked"),
    ],
)
def test_the_data_set_names_the_preset_unless_the_user_does(
    variant: str, dataset: str, preset: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"dataset: {dataset}\n")
    if reason := refusal(variant, dataset, preset):
        with pytest.raises(RequestError, match=reason):
            resolve({"variant": variant, "dataset": dataset})
        return
    assert resolve({"variant": variant, "dataset": dataset}).preset == preset
    assert resolve({"variant": variant}, file).preset == preset
    assert resolve({"variant": variant, "dataset": "mnist"}, file).preset == "quick"
    assert resolve({"variant": variant, "preset": "small"}, file).preset == "small"


@pytest.mark.parametrize("variant", OF_POINTS)
def test_points_have_neither_size_nor_channels(variant: str) -> None:
    harness = resolve({"variant": variant, "dataset": "ring-8"}).harness
    assert (harness.image_size, harness.channels) == (None, None)


def test_a_variant_without_the_preset_of_a_data_set_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_variants()["began"], "sample_kinds", ("images",))
    reason = "began has no preset 'points', that of ring-8: it has no networks for points"
    with pytest.raises(RequestError, match=reason):
        resolve({"variant": "began", "dataset": "ring-8"})
    # a preset of the user's choice goes, as far as its samples are such that the variant can make them
    assert resolve({"variant": "began", "dataset": "ring-8", "preset": "quick"}).preset == "quick"


def test_a_resolved_configuration_read_back_from_yaml_is_the_same(tmp_path: Path) -> None:
    import yaml

    first = resolve({"variant": "began-v3", "seed": 3})
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(first.flat()))
    assert resolve({}, file).flat() == first.flat()


def test_steps_and_epochs_displace_each_other() -> None:
    assert resolve({"variant": "began", "epochs": "2"}).harness.steps is None
    paper = resolve({"variant": "began-v3", "preset": "paper", "steps": "10"}).harness
    assert (paper.steps, paper.epochs) == (10, None)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"variant": "began-v4"}, "did you mean 'began-v3'?"),
        ({"variant": "began", "preset": "quik"}, "did you mean 'quick'?"),
        ({"variant": "began", "gama": 1}, "did you mean 'gamma'?"),
        ({"variant": "wgan-gp", "gamma": 1}, "unknown configuration key for wgan-gp 'gamma'"),
        (
            {"variant": "began", "gamma": "1.5"},
            "gamma: '1.5' is not possible: allowed is a number from 0 to 1",
        ),
        ({"variant": "began", "gamma": "nan"}, "gamma: 'nan' is not possible"),
        ({"variant": "began", "lambda_k": 0}, "above 0"),
        ({"variant": "began", "norm": "l3"}, "l1 or l2 or frobenius"),
        ({"variant": "began", "steps": "0"}, "a whole number from 1"),
        ({"variant": "began", "steps": "ten"}, "a whole number"),
        ({"variant": "began", "steps": "3", "epochs": "2"}, "steps and epochs"),
        ({"variant": "began", "seed": "-1"}, "seed: '-1'"),
        ({"variant": "began", "channels": "2"}, "1 or 3 or none"),
        ({"variant": "began", "image_size": "0"}, "a whole number from 1 to 4,096 (pixels) or none"),
        ({"variant": "began", "dataset": "ring-9"}, "did you mean 'ring-8'?"),
        ({"variant": "wgan-gp", "lr_rule": "halve_on_stall"}, "and wgan-gp records none"),
        ({}, "no variant given"),
    ],
)
def test_a_wrong_request_names_the_value_and_what_is_allowed(given: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as error:
        resolve(given)
    assert words in str(error.value)


@pytest.mark.parametrize("content", ["- a list\n", "just words\n", "a: [1\n", "1: 2\n"])
def test_a_file_that_is_not_key_value_lines_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(RequestError, match=r"bad\.yaml"):
        resolve({"variant": "began"}, file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        resolve({"variant": "began"}, tmp_path / "none.yaml")


@pytest.mark.parametrize("word", ["gamma", "=1", "gamma 1"])
def test_a_setting_without_key_or_value_is_refused(word: str) -> None:
    with pytest.raises(RequestError, match="key=value"):
        parse_settings((word,))


def test_none_is_a_choice_of_some_knobs_and_no_value_of_others() -> None:
    harness = resolve({"variant": "began"} | parse_settings(("lr_rule=none", "image_size=none"))).harness
    assert harness.lr_rule == "none"
    assert harness.image_size is None


def test_a_choice_of_numbers_is_read_from_a_word() -> None:
    harness = resolve({"variant": "began"} | parse_settings(("channels=3", "device=cpu"))).harness
    assert (harness.channels, harness.device) == (3, "cpu")


def test_the_hash_knows_what_is_computed_and_not_where() -> None:
    base = resolve({"variant": "began"})
    assert resolve({"variant": "began", "gamma": 0.9}).hash() != base.hash()
    assert resolve({"variant": "began", "seed": 1}).hash() != base.hash()
    elsewhere = {"device": "cpu", "threads": 2, "data_root": "x", "figures": False, "tracking": False}
    elsewhere |= {"experiment": "y", "channels_last": False, "fused_adam": False}
    elsewhere |= {"compile": "default", "activation_checkpointing": True}
    assert set(elsewhere) == EXECUTION_SETTINGS
    for name, value in elsewhere.items():
        assert resolve({"variant": "began", name: value}).hash() == base.hash(), name


class Grown(Began):
    """A variant with a knob more, whose neutral values are the default and another one."""

    class Hyperparameters(Began.Hyperparameters):
        rise: int = knob(0, "steps with rising rates", unit="steps", low=0, high=9, neutral=(0, 1))
        shape: str = knob("round", "a knob without neutral values")


def test_a_knob_with_a_neutral_default_can_be_added_without_another_identity() -> None:
    before = resolve({"variant": "began"})
    rest = {name: value for name, value in before.flat().items() if name not in ("variant", "preset")}
    without_shape = (
        set(Grown.Hyperparameters.model_fields) | set(Harness.model_fields) | {"variant", "preset"}
    )
    without_shape -= {"shape"}

    def grown(**values: object) -> str:
        return Configuration(Grown, before.preset, rest | values).hash(without_shape)

    assert grown() == grown(rise=0) == grown(rise=1) == before.hash()
    assert grown(rise=2) != before.hash()
    # a knob that may change what is computed even by its default is another identity
    assert Configuration(Grown, before.preset, rest).hash() != before.hash()


@pytest.mark.parametrize("variant", VARIANTS)
def test_neutral_values_are_those_of_a_configuration_without_the_knob(variant: str) -> None:
    base = resolve({"variant": variant})
    found = {name: neutral_of(field) for name, field in knobs_of(all_variants()[variant]).items()}
    assert {"micro_batches", "compute_dtype", "tf32", "stop_on", "stop_after"} <= {
        n for n in found if found[n]
    }
    for name, values in found.items():
        assert not values or knobs_of(all_variants()[variant])[name].default in values
        for value in values:
            assert base.with_values(**{name: value}).hash() == base.hash(set(base.flat()) - {name})


def test_values_that_are_not_neutral_are_another_identity() -> None:
    base = resolve({"variant": "began"})
    for name, other in (("micro_batches", 2), ("compute_dtype", "bfloat16"), ("tf32", True)):
        assert base.with_values(**{name: other}).hash() != base.hash()


def test_compiled_networks_do_not_recompute() -> None:
    with pytest.raises(RequestError, match="compile and activation_checkpointing: give one of them"):
        resolve({"variant": "began", "compile": "default", "activation_checkpointing": True})


def test_paths_of_data_are_absolute_whatever_folder_a_command_is_given_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for word, path in (("photos", "photos"), ("./a/../photos", "photos"), ("~/photos", "me/photos")):
        harness = resolve({"variant": "began", "dataset": f"folder:{word}", "data_root": word}).harness
        assert harness.dataset == f"folder:{tmp_path / path}"
        assert harness.data_root == str(tmp_path / path)
    assert resolve({"variant": "began", "dataset": "mnist"}).harness.dataset == "mnist"
