"""The tables of docs/parts.md against the knobs that variants have."""

from __future__ import annotations

import re
from pathlib import Path

from variants.base import VariantHyperparameters
from variants.registry import VARIANTS, all_variants

PAGE = (Path(__file__).parents[2] / "docs" / "parts.md").read_text(encoding="utf-8")
# a knob of each part, by the heading of its column
COLUMNS = {
    "penalty": "penalty_weight",
    "R1, R2": "r1_gamma",
    "spectral norm": "spectral_norm",
    "clipping": "weight_clip",
    "discrimination": "minibatch_kernels",
    "deviation": "minibatch_deviation",
    "feature matching": "feature_matching",
    "smoothing": "label_smoothing",
    "packing": "packing",
    "DiffAugment": "augment_cutout",
}
OFF = {0}


def cell(kind: type[VariantHyperparameters], knob: str) -> str:
    """What a table says of a knob: nothing without it, `on` where the default is not neutral."""
    field = kind.model_fields.get(knob)
    if field is None:
        return ""
    return "yes" if field.default in (OFF if knob != "packing" else {1}) else "on"


def rows(first: str) -> list[list[str]]:
    """The rows of the table whose first heading is given, without heading and rule."""
    table = PAGE[PAGE.index(f"| {first} |") :].split("\n\n")[0]
    return [[each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]


def test_the_table_of_variants_says_which_knobs_each_has() -> None:
    head, _, *lines = rows("variants")
    assert head[1:] == list(COLUMNS)
    known = {name: kind for name, kind in all_variants().items() if kind.__module__.startswith("variants.")}
    listed = {name: line[1:] for line in lines for name in re.findall(r"`([\w-]+)`", line[0])}
    assert listed.keys() == known.keys() & VARIANTS.entries().keys()
    for name, cells in listed.items():
        expected = [cell(known[name].Hyperparameters, knob) for knob in COLUMNS.values()]
        assert (name, cells) == (name, expected)


def test_each_knob_of_a_part_is_in_the_table_of_parts() -> None:
    import variants.parts.groups as groups
    from variants.parts.feature_matching import FeatureMatching
    from variants.parts.label_smoothing import LabelSmoothing
    from variants.parts.weight_clipping import WeightClipping

    named = {knob for line in rows("part")[2:] for knob in re.findall(r"`(\w+)`", line[1])}
    parts = (groups.ScoreParts, FeatureMatching, LabelSmoothing, WeightClipping)
    assert named == {knob for part in parts for knob in part.model_fields}
