"""One part of another package that is wrong costs a warning or a reason, and no command that does not use it.

Entry points that fail are tested with the registries; here the parts are registered, and fail when looked at.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from bench.cli import main
from bench.datasets.registry import DATASETS, PointDataset
from bench.datasets.registry import register as register_dataset
from bench.judging.extractors.registry import EXTRACTORS, ImageExtractor
from bench.judging.extractors.registry import register as register_extractor
from bench.judging.metrics.registry import METRICS
from variants.base import Batch
from variants.families.two_player import TwoPlayer
from variants.plugins import Plugin, RegistrationError
from variants.presets import Preset, Training
from variants.registry import VARIANTS
from variants.registry import register as register_variant

REGISTRIES = (VARIANTS, DATASETS, METRICS, EXTRACTORS)
ORDINARY = (["variants"], ["datasets"], ["doctor"], ["run", "--variant", "began", "--dry-run"])


class Mine(TwoPlayer):
    """A variant of another package."""

    name = "mine"
    title = "a GAN of another package"
    source = "made here"

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return self.discriminator(fake).mean() - self.discriminator(real).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return -self.discriminator(fake).mean()


class Dots(PointDataset):
    """A data set of another package."""

    name = "dots"
    description = "points"
    source = "made here"
    deviation = 0.1
    count_of_points = 100
    transform = "none"

    def centres(self) -> np.ndarray:
        return np.zeros((1, 2))

    def points(self) -> np.ndarray:
        return np.zeros((100, 2), dtype=np.float32)


class Brightness(ImageExtractor):
    """An extractor of another package."""

    name = "brightness"
    width = 1
    preprocessing = "none"
    trained_on = ()

    def extract(self, images: Tensor) -> tuple[Tensor, None]:
        return images.float().mean(dim=(1, 2, 3))[:, None], None


def raising(*_: object, **__: object) -> Any:
    """Fail as no library of ours would."""
    raise LookupError("not\nhere")


@pytest.fixture(autouse=True)
def of_others(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is forgotten, and belongs to the package `others`."""
    with ExitStack() as stack:
        for registry, names in zip(REGISTRIES, (("mine",), ("dots",), (), ("brightness",)), strict=True):
            plugin = Plugin(registry.kind, "others", "1.5", "part", "others", names)
            plugins = [*registry.plugins(), plugin]
            monkeypatch.setattr(registry, "_plugins", plugins)
            stack.enter_context(registry.restored())
        yield


def outputs(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What ordinary commands give as JSON, without the rows of the parts of the tests."""
    found = {}
    for words in ORDINARY:
        assert main([*words, "--json"]) == 0
        found[words[0]] = json.loads(capsys.readouterr().out)
    for command, key in (("variants", "variants"), ("datasets", "datasets"), ("doctor", "judges")):
        rows = found[command][key]
        found[command][key] = [row for row in rows if row["name"] not in ("mine", "dots", "brightness")]
    # what cannot be judged is said with the reason of each extractor
    del found["doctor"]["judging"]
    found["doctor"]["datasets"] = [row for row in found["doctor"]["datasets"] if row["name"] != "dots"]
    return found


def test_a_variant_with_a_quick_preset_only_is_listed_as_any_other(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = outputs(capsys)
    register_variant(type("Quick", (Mine,), {"presets": {"quick": Preset(training=Training(steps=10))}}))
    assert outputs(capsys) == before
    assert main(["variants"]) == 0
    listed = capsys.readouterr().out
    assert "mine" in listed
    assert "Problems" not in listed
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"build_networks": raising}, "LookupError: not here"),
        ({"build_networks": lambda self: exit(3)}, "SystemExit: 3"),
        ({"networks": lambda self: 3}, "AttributeError: "),
        ({"presets": {"quick": Preset({"lr_g": "high"})}}, "lr_g: 'high' is not possible"),
        ({"presets": {"quick": Preset(training=Training(steps="long"))}}, "steps: 'long' is not possible"),
    ],
)
def test_a_variant_that_cannot_be_built_is_listed_with_its_package_and_reason(
    members: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs(capsys)
    register_variant(type("Broken", (Mine,), members))
    assert outputs(capsys) == before
    assert main(["variants"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("mine (package others): ")
    assert reason in line


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"presets": [Preset()]}, "presets must map names of presets to"),
        ({"presets": {"fast": Preset()}}, "preset 'fast' is none of quick, colour-quick, points"),
        ({"presets": {"quick": {"lr_g": 1}}}, "preset 'quick' must be a variants.presets.Preset"),
        ({"presets": {"quick": Preset(training=None)}}, "needs a mapping of hyperparameters and"),  # type: ignore[arg-type]
        ({"presets": {"quick": Preset(hyperparameters=3)}}, "needs a mapping of hyperparameters and"),  # type: ignore[arg-type]
        ({"scalars": None}, "scalars must be a tuple of TrainingScalar"),
        ({"scalars": ("M",)}, "scalars must be a tuple of TrainingScalar"),
        ({"title": property(raising)}, "the attribute title must be a text"),
    ],
)
def test_a_variant_that_states_something_impossible_is_not_registered(
    members: dict[str, Any], message: str
) -> None:
    with pytest.raises(RegistrationError, match=message):
        register_variant(type("Wrong", (Mine,), members))
    assert "mine" not in VARIANTS.entries()


@pytest.mark.parametrize(
    "members",
    [
        {"__init__": raising},
        {"class_names": raising},
        {"count_of_points": property(raising)},
        {"count_of_points": "many"},
        {"is_named": classmethod(raising), "__init__": raising},
    ],
)
def test_a_data_set_that_raises_is_left_out_with_one_warning(
    members: dict[str, Any], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = outputs(capsys)
    register_dataset(type("Broken", (Dots,), members))
    assert outputs(capsys) == before
    # names that refer to no data set are looked for in all of them
    assert main(["run", "--variant", "began", "--dataset", "folder:/no/such/folder", "--dry-run"]) in (0, 2)
    assert main(["run", "--variant", "began", "--dataset", "mnits", "--dry-run"]) == 2
    assert "did you mean 'mnist'?" in capsys.readouterr().err
    (message,) = [text for text in caplog.messages if "dots" in text]
    assert message.startswith("warning: data set 'dots' of package others is passed over: ")
    assert "\n" not in message


def test_a_number_that_json_does_not_know_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    register_dataset(type("Counted", (Dots,), {"count_of_points": np.int64(100)}))
    assert main(["datasets", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out)["datasets"] if row["name"] == "dots"]
    assert row["count"] == 100


def test_a_data_set_whose_description_is_no_text_is_not_registered() -> None:
    with pytest.raises(RegistrationError, match="the attribute description must be a text"):
        register_dataset(type("Wrong", (Dots,), {"description": 3}))


@pytest.mark.parametrize(
    ("availability", "reason"),
    [(raising, "LookupError: not here"), (lambda *_: None, "availability returned a NoneType")],
)
def test_an_extractor_that_does_not_say_whether_it_is_available_is_not(
    availability: Any, reason: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = outputs(capsys)
    register_extractor(type("Broken", (Brightness,), {"availability": classmethod(availability)}))
    assert outputs(capsys) == before
    assert main(["doctor", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["judges"]
    (row,) = [row for row in rows if row["name"] == "brightness"]
    assert (row["present"], row["note"]) == (False, reason)
    assert caplog.messages == [f"warning: extractor 'brightness' of package others is passed over: {reason}"]


@pytest.mark.parametrize("name", ["digits_garments", "stacked_digits"])
def test_two_extractors_have_no_distance_of_one_name(name: str) -> None:
    with pytest.raises(RegistrationError, match=f"both would measure fd_{name}"):
        register_extractor(type("Same", (Brightness,), {"name": name}))


def test_what_a_module_prints_when_it_is_imported_is_no_output_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talkative.py").write_text("print('welcome')\n")
    metadata = tmp_path / "talkative-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: talkative\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[began_bench.datasets]\nmine = talkative\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(DATASETS, "_plugins", None)
    assert main(["datasets", "--json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert "welcome" in captured.err
