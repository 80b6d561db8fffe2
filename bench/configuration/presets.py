"""The presets: what a budget and a data set decide, stated once for all variants.

A variant adds its own hyperparameters, and settings of training that belong to its method, as
:class:`variants.presets.Preset`. A variant that adds nothing has all presets but ``paper``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.configuration.schema import Harness
from bench.system.errors import RequestError, unknown
from variants.base import SampleKind, Variant
from variants.knobs import Setting
from variants.presets import MEANT_FOR, Preset, PresetName, problem_with


@dataclass(frozen=True)
class Budget:
    """What a preset says for all variants.

    Attributes
    ----------
    description : str
        One line: what the preset is meant for.
    harness : Harness
        Knobs of the harness; the preset sets those that are given here, and no others.
    extends : str or None
        Preset below this one, with the variant's part of it.
    stated_by_variant : bool
        Whether only variants that state their training have the preset.
    """

    description: str
    harness: Harness
    extends: PresetName | None = None
    stated_by_variant: bool = False

    def values(self) -> dict[str, Setting]:
        """Return the values that the preset sets, by knob."""
        given = self.harness.model_fields_set
        return {name: getattr(self.harness, name) for name in Harness.model_fields if name in given}


PRESETS: Mapping[PresetName, Budget] = MappingProxyType(
    {
        "quick": Budget(
            MEANT_FOR["quick"],
            Harness(
                dataset="mnist-5k",
                image_size=28,
                steps=4000,
                eval_samples=2000,
                extractor="shipped",
                threads=1,
            ),
        ),
        "colour-quick": Budget(
            MEANT_FOR["colour-quick"],
            Harness(dataset="cifar10", image_size=32),
            extends="quick",
        ),
        "points": Budget(
            MEANT_FOR["points"],
            # small networks: one thread is enough for a large batch, and their generator moves far in a step
            Harness(
                dataset="ring-8",
                image_size=None,
                batch_size=256,
                steps=4000,
                lr_rule="halve_every",
                lr_window=1000,
                ema_decay=0.99,
                eval_samples=2500,
                threads=1,
            ),
        ),
        "stacked": Budget(
            MEANT_FOR["stacked"],
            # counting 1,000 modes takes many samples
            Harness(dataset="stacked-mnist", image_size=32, steps=2000, eval_every=1000, eval_samples=26_000),
            extends="quick",
        ),
        "small": Budget(
            MEANT_FOR["small"],
            Harness(dataset="celeba", image_size=64, batch_size=32, steps=50_000),
        ),
        "paper": Budget(
            MEANT_FOR["paper"],
            Harness(image_size=None),
            stated_by_variant=True,
        ),
    }
)


def presets_of(variant: type[Variant]) -> tuple[PresetName, ...]:
    """Return the names of the presets that a variant has.

    Raises
    ------
    RequestError
        If what the variant states about presets is wrong.
    """
    if problem := problem_with(variant.presets, variant.Hyperparameters):
        raise RequestError(f"{variant.name}: {problem}")
    return tuple(name for name in PRESETS if not _reason_to_lack(variant, name))


def preset_layers(variant: type[Variant], preset: str, of: str = "") -> list[dict[str, Setting]]:
    """Return what a preset sets for a variant: mappings of knobs to values, later ones override earlier ones.

    Parameters
    ----------
    variant : type[Variant]
        The variant.
    preset : str
        Name of the preset.
    of : str
        Data set whose preset it is, for the error's message; empty if the user named the preset.

    Raises
    ------
    RequestError
        If there is no such preset, or the variant lacks it; the message has the reason.
    """
    own = presets_of(variant)
    name = next((name for name in PRESETS if name == preset), None)
    if name is None:
        raise unknown("preset", preset, own)
    if name not in own:
        reason = _reason_to_lack(variant, name)
        of_data = f", that of {of}" if of else ""
        raise RequestError(
            f"{variant.name} has no preset {name!r}{of_data}: {reason}; allowed are {', '.join(own)}"
        )
    return _layers(variant, name)


def _layers(variant: type[Variant], name: PresetName) -> list[dict[str, Setting]]:
    below = PRESETS[name].extends
    stated = _stated(variant, name)
    return [
        *([] if below is None else _layers(variant, below)),
        PRESETS[name].values(),
        {**stated.hyperparameters},
        stated.training.stated(),
    ]


def _stated(variant: type[Variant], name: PresetName) -> Preset:
    return variant.presets.get(name, Preset())


def _reason_to_lack(variant: type[Variant], name: PresetName) -> str:
    """Return why a variant lacks a preset, or an empty string if it has the preset."""
    training = _stated(variant, name).training
    of_variant = PRESETS[name].stated_by_variant
    if of_variant and (training.dataset is None or training.steps is training.epochs is None):
        return "it states no data set and length of a published training"
    size = training.image_size or PRESETS[name].harness.image_size
    kind = kind_of(size)
    return "" if kind in variant.sample_kinds else f"it has no networks for {kind}"


def kind_of(image_size: int | None) -> SampleKind:
    """Return the kind of samples that a knob `image_size` stands for."""
    return "points" if image_size is None else "images"
