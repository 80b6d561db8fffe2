"""Any value for any knob: a configuration, or one short line that names the knob."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.commands.options import parse_settings
from bench.configuration import Configuration, allowed, knobs_of, resolve
from bench.searching.study_file import Objective, Pruner, Range, Sampler, StudyFile
from bench.system.errors import RequestError, shown
from bench.training.device import most_threads, prepare
from variants.registry import all_variants

QUICK = settings(max_examples=100, derandomize=True, deadline=None)
VARIANTS = all_variants()
NAMES = sorted({name for variant in VARIANTS.values() for name in knobs_of(variant)})

NUMBERS = st.integers() | st.integers(-(10**400), 10**400) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | NUMBERS.map(lambda n: str(n) if abs(n) < 1e300 else "1e999")
    | st.text(max_size=30) | st.binary(max_size=10) | st.just("x" * 10**5)
    | st.sampled_from(["", " ", "nan", "-inf", "1e400", "1_000", "3.0", "yes", "none", "\udc80"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def check(make: Callable[[], Configuration]) -> None:
    """A configuration comes of it, or one short line."""
    try:
        told = type(make()).__name__
    except RequestError as error:
        told = str(error)
    assert 0 < len(told) <= 300
    assert told.isprintable()


@QUICK
@given(st.sampled_from(sorted(VARIANTS)), st.sampled_from([*NAMES, "preset"]), VALUES)
def test_any_value_is_a_configuration_or_one_short_line(variant: str, name: str, value: Any) -> None:
    check(lambda: resolve({"variant": variant, name: value}))


@QUICK
@given(st.lists(st.text(max_size=20) | st.tuples(st.sampled_from(NAMES), st.text(max_size=20)).map("=".join)))
def test_any_word_after_set_is_a_configuration_or_one_short_line(words: list[str]) -> None:
    check(lambda: resolve({"variant": "began"} | parse_settings(tuple(words))))


@given(VALUES)
@QUICK
def test_a_value_is_shown_on_one_short_line(value: Any) -> None:
    assert len(shown(value)) <= 80
    assert shown(value).isprintable()


def test_a_value_that_is_short_is_shown_as_python_has_it() -> None:
    for value in ("ten", 3, 0.25, [1, "two"], {"a": None}, True):
        assert shown(value) == repr(value)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_number_has_a_lowest_and_a_highest_value(variant: str) -> None:
    for name, field in [*knobs_of(VARIANTS[variant]).items(), *numbers_of_a_study()]:
        kinds = get_args(field.annotation) or (field.annotation,)
        if int in kinds or float in kinds:
            bounds = [hasattr(b, low) for b in field.metadata for low in ("ge", "gt")]
            highest = [hasattr(b, "le") for b in field.metadata]
            assert any(bounds), name
            assert any(highest), name
            assert " to " in allowed(field), name


def numbers_of_a_study() -> list[tuple[str, Any]]:
    """Knobs of study files; a range's own bounds are those of the knob that it searches."""
    return [
        (name, field)
        for kind in (StudyFile, Sampler, Pruner, Objective, Range)
        for name, field in kind.model_fields.items()
        if name not in ("low", "high")
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", True), ("steps", "yes"), ("steps", 3.0), ("steps", "3.0"), ("gamma", True),
        ("gamma", "true"), ("channels", True), ("tracking", 1), ("tracking", 1.0), ("experiment", 5),
        ("norm", True), ("seed", 2**63), ("latent_dim", 10**30), ("epochs", 1e308), ("lr_g", 1e300),
        ("threads", 100_000),
        ("experiment", ""), ("experiment", "  "), ("experiment", "a\nb"), ("experiment", "x" * 257),
        ("data_root", ""), ("data_root", "a\0b"), ("dataset", "folder:\udc80"), ("preset", ""),
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_beyond_the_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(RequestError, match=name):
        resolve({"variant": "began", name: value})


def test_more_threads_than_the_machine_is_fit_for_are_refused_before_torch_is_told(bench_home: Path) -> None:
    harness = resolve({"variant": "began", "device": "cpu", "threads": most_threads() + 1}).harness
    with pytest.raises(RequestError, match=f"allowed is a whole number from 0 to {most_threads()}"):
        prepare(harness)
