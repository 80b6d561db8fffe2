"""What a variant says about a preset: hyperparameters, and settings of training that belong to the method.

What the name of a preset says for all variants, such as data, length and judging, is stated by the harness.
A variant states only what differs for itself, and may state nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    # help and shell completion read this module, and pydantic takes a tenth of a second
    from variants.knobs import Knobs, Setting

PresetName = Literal["quick", "colour-quick", "points", "stacked", "small", "paper"]

# all presets, and what each is meant for
MEANT_FOR: Mapping[PresetName, str] = MappingProxyType(
    {
        "quick": "minutes on two cores, packaged digits",
        "colour-quick": "minutes on two cores, colour images at 32 px; otherwise as quick",
        "points": "minutes on one core, points with known modes",
        "stacked": "minutes on one core, digits with known modes; otherwise as quick",
        "small": "64 px, CelebA in colour for most variants; its time on a GPU is unmeasured",
        "paper": "the published data, size and length, for variants that state them",
    }
)


@dataclass(frozen=True)
class Training:
    """Settings of training that belong to a tuned or published setting of a method.

    Each has the meaning, unit and range of the harness's knob of that name. None leaves the preset's own.
    """

    dataset: str | None = None
    image_size: int | None = None
    steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    drop_last: bool | None = None
    lr_rule: Literal["none", "halve_every", "halve_on_stall"] | None = None
    lr_window: int | None = None
    lr_floor: float | None = None
    ema_decay: float | None = None
    eval_every: int | None = None
    channels_last: bool | None = None

    def stated(self) -> "dict[str, Setting]":
        """Return the settings that are not None, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Preset:
    """A variant's own part of a preset.

    Attributes
    ----------
    hyperparameters : mapping
        Name -> value of the hyperparameters that differ from their defaults.
    training : Training
        Settings of training that differ from the preset's. For the preset ``paper``, which has none of its
        own, they are the data set, the size of images and the length, at least.
    """

    hyperparameters: "Mapping[str, Setting]" = field(default_factory=dict)
    training: Training = Training()

    def with_values(self, **hyperparameters: "Setting") -> "Preset":
        """Return the preset with some hyperparameters added or replaced."""
        return replace(self, hyperparameters={**self.hyperparameters, **hyperparameters})


def problem_with(presets: Mapping[PresetName, Preset], hyperparameters: "type[Knobs]") -> str:
    """Return what is wrong with the presets that a variant states, or an empty string.

    Parameters
    ----------
    presets : mapping
        The variant's `presets`, whose types need not be right.
    hyperparameters : type[Knobs]
        The variant's `Hyperparameters`.
    """
    if not isinstance(presets, Mapping):
        return (
            f"presets must map names of presets to variants.presets.Preset, and is a {type(presets).__name__}"
        )
    for name, preset in presets.items():
        if name not in MEANT_FOR:
            return f"preset {name!r} is none of {', '.join(MEANT_FOR)}"
        if not isinstance(preset, Preset):
            return f"preset {name!r} must be a variants.presets.Preset"
        if not isinstance(preset.training, Training) or not isinstance(preset.hyperparameters, Mapping):
            return f"preset {name!r} needs a mapping of hyperparameters and a variants.presets.Training"
        for key in preset.hyperparameters:
            if key not in hyperparameters.model_fields:
                return (
                    f"preset {name!r} sets {key!r}, which is no hyperparameter of the variant; settings of "
                    "training are fields of variants.presets.Training"
                )
    return ""
