"""The configuration of a run: settings of the harness and hyperparameters of the variant."""

from bench.configuration.presets import PRESETS, preset_layers, presets_of
from bench.configuration.resolution import (
    Configuration,
    allowed,
    harness_of,
    knobs_of,
    merge,
    resolve,
    variant_named,
)
from bench.configuration.schema import (
    EXECUTION_SETTINGS,
    LARGEST_SEED,
    MOST_STEPS,
    Harness,
    is_name,
)

__all__ = [
    "EXECUTION_SETTINGS",
    "LARGEST_SEED",
    "MOST_STEPS",
    "PRESETS",
    "Configuration",
    "Harness",
    "allowed",
    "harness_of",
    "is_name",
    "knobs_of",
    "merge",
    "preset_layers",
    "presets_of",
    "resolve",
    "variant_named",
]
