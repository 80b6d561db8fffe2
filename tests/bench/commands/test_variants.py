"""``bench variants`` as its users meet it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from bench.cli import main
from bench.configuration import PRESETS, merge, preset_layers, presets_of, resolve
from bench.searching.space import space_of
from bench.training.cost import cost
from variants.base import Batch
from variants.families.two_player import TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.registry import VARIANTS, all_variants, register


class Unpublished(TwoPlayer):
    """A variant without a published training."""

    name = "unpublished"
    title = "a GAN of no paper"
    source = "made here"

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return self.discriminator(fake).mean() - self.discriminator(real).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return -self.discriminator(fake).mean()


@pytest.fixture(autouse=True)
def _one_more_variant() -> Iterator[None]:
    with VARIANTS.restored():
        register(Unpublished)
        yield


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["variants", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def as_lines(capsys: pytest.CaptureFixture[str], *words: str) -> list[list[str]]:
    assert main(["variants", *words]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_parameters_are_those_of_the_published_size_and_otherwise_of_the_default_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entries = {entry["name"]: entry for entry in as_json(capsys)["variants"]}
    lines = {line[0]: " ".join(line) for line in as_lines(capsys) if "(" in " ".join(line)}
    assert set(entries) == set(all_variants())
    for name, entry in entries.items():
        preset = "paper" if name != "unpublished" else "quick"
        count = cost(resolve({"variant": name, "preset": preset})).all_parameters
        assert (entry["parameters"], entry["parameters_of"]) == (count, preset)
        assert f"{count:,} ({preset})" in lines[name]
        assert entry["presets"] == list(presets_of(all_variants()[name]))
    # presets are wrapped, and sources have a list of their own
    assert main(["variants"]) == 0
    whole = " ".join(capsys.readouterr().out.split())
    for name, entry in entries.items():
        assert f"{name}: {entry['source']}" in whole
        assert all(f"{preset}," in lines[name] for preset in entry["presets"][:3])


@pytest.mark.parametrize("name", ["began", "unpublished"])
def test_a_variant_is_shown_with_its_presets_and_what_each_of_them_sets(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = all_variants()[name] if name != "unpublished" else Unpublished
    presets = as_json(capsys, name)["presets"]
    assert presets == {preset: merge(preset_layers(kind, preset)) for preset in presets_of(kind)}
    assert ("paper" in presets) == (name != "unpublished")
    assert presets["stacked"]["filters"] == presets["quick"]["filters"] == 16

    lines = as_lines(capsys, name)
    for preset in presets:
        assert [preset, *PRESETS[preset].description.split()] in lines
    assert ["key", *presets] in lines
    assert ["dataset", *(values["dataset"] for values in presets.values())] in lines


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        *((name, preset) for name, kind in all_variants().items() for preset in (None, *presets_of(kind))),
        *((None, preset) for preset in (None, *PRESETS)),
    ],
)
def test_no_line_is_longer_than_110_characters(
    name: str | None, preset: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if name is None and preset is not None:
        assert main(["variants", "--preset", preset]) == 2
        assert "give its NAME too" in capsys.readouterr().err
        return
    words = [*([name] if name else []), *(["--preset", preset] if preset else [])]
    assert main(["variants", *words]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 110] == []


@pytest.mark.parametrize("preset", ["quick", "paper"])
@pytest.mark.parametrize("name", ["began-v3", "wgan-gp"])
def test_the_values_of_a_preset_stand_beside_the_ranges_that_studies_search(
    name: str, preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = resolve({"variant": name, "preset": preset})
    values = configuration.flat()
    told = as_json(capsys, name, "--preset", preset)
    assert (told["preset"], told["values"]) == (preset, values)
    assert main(["variants", name, "--preset", preset]) == 0
    # lines that begin with a space go on with the text above them
    drawn = [line.split() for line in capsys.readouterr().out.splitlines() if re.match(r"\w", line)]
    lines = {line[0]: line for line in drawn}
    searched = {each.name: each for each in space_of(configuration.variant, {}, configuration).dimensions}
    for entry in told["knobs"]:
        value, line = values[entry["name"]], lines[entry["name"]]
        assert line[1] == (str(value).lower() if isinstance(value, bool | None) else str(value))
        assert (entry["search"] is not None) == (entry["name"] in searched)
        if dimension := searched.get(entry["name"]):
            low, high = f"{dimension.low:g}", f"{dimension.high:g}"
            assert line[2:5] == [low, "to", high + ("," if dimension.scale == "log" else "")]


def test_a_preset_that_there_is_not_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants", "began", "--preset", "qick"]) == 2
    assert capsys.readouterr().err.endswith("did you mean 'quick'?\n")


class Clashing(TwoPlayerHyperparameters):
    """Hyperparameters with a knob of the harness."""

    steps: int = knob(1, "steps of something else")


class Unbuildable(Unpublished):
    """A variant whose networks cannot be built."""

    name = "unbuildable"

    def build_networks(self) -> None:
        raise KeyError("no such\nlayer")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Unbuildable, "KeyError: 'no such\\nlayer'"),
        (
            type("Clash", (Unpublished,), {"name": "clash", "Hyperparameters": Clashing}),
            "clash declares knobs that the harness has: steps",
        ),
    ],
)
def test_a_variant_that_cannot_be_built_is_listed_with_its_problem_and_the_others_as_ever(
    kind: type[TwoPlayer], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = as_json(capsys)["variants"]
    register(kind)
    listed = {entry["name"]: entry for entry in as_json(capsys)["variants"]}
    found = listed.pop(kind.name)
    assert (found["parameters"], found["problem"]) == (None, problem)
    assert list(listed.values()) == before
    assert main(["variants"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["Problems", f"{kind.name}: {problem}"]
