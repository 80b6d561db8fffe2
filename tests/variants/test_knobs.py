"""Every knob says what it is and takes nothing it should not."""

from __future__ import annotations

import typing
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bench.configuration import knobs_of, resolve
from bench.system.errors import RequestError
from variants.knobs import Knobs, Search, knob, neutral_of, search_of, unit_of
from variants.registry import all_variants

VARIANTS = all_variants()
FIELDS = [(name, key) for name, kind in VARIANTS.items() for key in kind.Hyperparameters.model_fields]
every_knob = pytest.mark.parametrize(("name", "key"), FIELDS)


def field_of(name: str, key: str) -> FieldInfo:
    return VARIANTS[name].Hyperparameters.model_fields[key]


def bounds_of(field: FieldInfo) -> dict[str, float]:
    return {
        kind: getattr(bound, kind)
        for bound in field.metadata
        for kind in ("ge", "gt", "le", "lt")
        if hasattr(bound, kind)
    }


def outside(field: FieldInfo) -> list[Any]:
    """Values that a knob's own declaration rules out."""
    if get_origin(field.annotation) is typing.Literal:
        return ["none of these", 1, None]
    bounds = bounds_of(field)
    values: list[Any] = ["a word", None]
    if field.annotation is float:
        values += [float("nan"), float("inf")]
    if field.annotation is int:
        values += [2.5]
    values += [bounds["ge"] - 1] if "ge" in bounds else []
    values += [bounds["gt"], bounds["gt"] - 1] if "gt" in bounds else []
    values += [bounds["le"] * 2 + 1] if "le" in bounds else []
    return values


@pytest.mark.parametrize("name", VARIANTS)
def test_an_unknown_name_is_refused(name: str) -> None:
    kind: Any = VARIANTS[name].Hyperparameters
    with pytest.raises(ValidationError, match="gama"):
        kind(gama=0.5)
    with pytest.raises(RequestError, match="gama"):
        resolve({"variant": name, "gama": 0.5})


def test_the_error_for_a_misspelt_name_suggests_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'gamma'"):
        resolve({"variant": "began", "gama": 0.5})


@every_knob
def test_every_knob_has_a_description(name: str, key: str) -> None:
    assert len((field_of(name, key).description or "").split()) >= 2


@every_knob
def test_a_knob_accepts_its_default_and_refuses_values_out_of_its_range(name: str, key: str) -> None:
    kind = VARIANTS[name].Hyperparameters
    field = field_of(name, key)
    assert getattr(kind(**{key: field.default}), key) == field.default
    for value in outside(field):
        with pytest.raises(ValidationError):
            kind(**{key: value})


@every_knob
def test_every_number_has_a_lower_bound(name: str, key: str) -> None:
    field = field_of(name, key)
    if field.annotation in (int, float):
        assert {"ge", "gt"} & set(bounds_of(field))


@every_knob
def test_every_choice_of_a_knob_is_accepted(name: str, key: str) -> None:
    field = field_of(name, key)
    if get_origin(field.annotation) is typing.Literal:
        for choice in get_args(field.annotation):
            assert getattr(VARIANTS[name].Hyperparameters(**{key: choice}), key) == choice


@every_knob
def test_the_search_range_lies_within_the_allowed_range(name: str, key: str) -> None:
    search = search_of(field_of(name, key))
    if search is not None:
        assert search.low < search.high
        assert search.scale == "linear" or search.low > 0
        kind: Any = VARIANTS[name].Hyperparameters
        for value in (search.low, search.high):
            assert getattr(kind(**{key: value}), key) == value


@pytest.mark.parametrize(
    ("key", "expected"),
    [("latent_dim", Search(8, 128, "log")), ("beta1", Search(0.0, 0.9)), ("lr_d", Search(1e-5, 5e-3, "log"))],
)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_knob_of_every_variant_keeps_its_search_range_where_its_default_differs(
    name: str, key: str, expected: Search
) -> None:
    assert search_of(field_of(name, key)) == expected


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_a_search_range(name: str) -> None:
    fields = VARIANTS[name].Hyperparameters.model_fields.values()
    assert any(search_of(field) for field in fields)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_knob_of_a_variant_is_also_one_of_the_harness(name: str) -> None:
    resolved = resolve({"variant": name}).flat()
    assert set(resolved) == set(knobs_of(VARIANTS[name])) | {"variant", "preset"}


class Base(Knobs):
    width: int = knob(3, "how wide", unit="pixels", low=1, high=9, search=Search(2, 4))
    share: float = knob(0.5, "which part", above=0, high=1)
    label: str = knob("a", "a short text", longest=3)
    choice: typing.Literal["one", "two"] = knob("one", "one of two")
    size: int | None = knob(3, "how large", low=1)
    packs: int = knob(1, "how many at once", neutral=(1, 2))
    parts: int = knob(1, "how many parts", neutral=(1, 2))


class Derived(Base):
    width: int = 4
    share: float = 0.25
    label: str = "b"
    choice: typing.Literal["one", "two"] = "two"
    size: int | None = None
    packs: int = 2
    parts: int = 3


def test_a_knob_declared_again_as_a_plain_value_keeps_all_but_its_default() -> None:
    of_base = {"width": 3, "share": 0.5, "label": "a", "choice": "one", "size": 3, "packs": 1, "parts": 1}
    assert Base().model_dump() == of_base
    again = {"width": 4, "share": 0.25, "label": "b", "choice": "two", "size": None, "packs": 2, "parts": 3}
    assert Derived().model_dump() == again
    for name, field in Base.model_fields.items():
        again = Derived.model_fields[name]
        # a value is neutral only where the default is
        neutral = () if name == "parts" else neutral_of(field)
        assert (again.description, again.annotation) == (field.description, field.annotation)
        assert (unit_of(again), search_of(again)) == (unit_of(field), search_of(field))
        assert neutral_of(again) == neutral
        assert bounds_of(again) == bounds_of(field)


@pytest.mark.parametrize(
    ("key", "value"),
    [("width", 0), ("width", 10), ("width", 3.0), ("share", 0), ("share", 2), ("label", "four")],
)
def test_a_knob_declared_again_refuses_what_the_inherited_one_refuses(key: str, value: object) -> None:
    for kind in (Base, Derived):
        with pytest.raises(ValidationError):
            kind(**{key: value})  # type: ignore[arg-type]


def test_knobs_are_immutable() -> None:
    chosen: Any = VARIANTS["began"].Hyperparameters()
    with pytest.raises(ValidationError, match="frozen"):
        chosen.gamma = 0.9


@pytest.mark.parametrize(
    ("key", "value"),
    [("gamma", -0.01), ("gamma", 1.01), ("lambda_k", 0), ("lambda_k", -1), ("lr_g", 0), ("lr_d", -1e-4),
     ("filters", 0), ("latent_dim", 0), ("beta1", 1.0), ("beta2", 1.0), ("adam_epsilon", 0),
     ("norm", "L1"), ("update", "both"), ("prior", "gaussian"), ("layers", "table3")],
)  # fmt: skip
def test_began_refuses_invalid_values(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        VARIANTS["began"].Hyperparameters(**{key: value})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("began", {"gamma": 0.5, "lambda_k": 0.001, "norm": "l1", "update": "simultaneous"}),
        ("began", {"prior": "uniform", "lr_g": 1e-4, "beta1": 0.9, "beta2": 0.999, "adam_epsilon": 1e-8}),
        ("began-cs", {"alpha": 0.1, "update": "alternating", "fresh_latent": False, "reevaluate": True}),
        ("began-v3", {"alpha": 0.1, "gamma": 0.5, "lr_g": 1e-4, "lr_d": 1e-4, "constraint_code": "mean"}),
        ("began-resnet18", {"update": "alternating", "fresh_latent": True, "reevaluate": False}),
        ("wgan-gp", {"penalty_weight": 10.0, "critic_steps": 5, "beta1": 0.0, "beta2": 0.9, "lr_g": 1e-4}),
    ],
)
def test_defaults_are_the_published_ones(name: str, expected: dict[str, Any]) -> None:
    chosen = VARIANTS[name].Hyperparameters().model_dump()
    assert {key: chosen[key] for key in expected} == expected


def test_a_default_outside_its_own_range_is_refused() -> None:
    class Wrong(Knobs):
        size: int = knob(0, "a size that must be at least one", low=1)

    with pytest.raises(ValidationError, match="size"):
        Wrong()
