"""The search space: declared ranges, ranges of the file, refusals, and the way back to knobs."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from bench.configuration import knobs_of, resolve
from bench.searching.space import SearchSpace, space_of
from bench.searching.study_file import Range
from bench.system.errors import RequestError
from variants.knobs import Search, search_of
from variants.registry import all_variants

NEVER = ("seed", "steps", "eval_every", "eval_samples", "image_size", "dataset", "extractor", "device")


def space(variant: str = "began-v3", settings: dict[str, Any] | None = None, **search: Any) -> SearchSpace:
    base = resolve({"variant": variant, "preset": "quick"} | (settings or {}))
    return space_of(base.variant, {name: Range(**entry) for name, entry in search.items()}, base)


@pytest.mark.parametrize("name", sorted(all_variants()))
def test_without_a_search_every_declared_range_is_searched(name: str) -> None:
    variant = all_variants()[name]
    wanted: dict[str, Search] = {}
    for knob, field in knobs_of(variant).items():
        if found := search_of(field):
            wanted[knob] = found
    found = {d.name: (d.knobs, d.low, d.high, d.scale) for d in space(name).dimensions}
    assert found == {knob: ((knob,), s.low, s.high, s.scale) for knob, s in wanted.items()}
    assert {"lr_g", "lr_d"} <= set(found)


def test_distributions_are_those_of_the_ranges() -> None:
    distributions = space(
        gamma={}, lambda_k={}, latent_dim={"low": 8, "high": 32}, norm={}, fresh_latent={}
    ).distributions()
    assert distributions == {
        "gamma": FloatDistribution(0.3, 1.0),
        "lambda_k": FloatDistribution(1e-4, 0.2, log=True),
        "latent_dim": IntDistribution(8, 32, log=True),
        "norm": CategoricalDistribution(("l1", "l2", "frobenius")),
        "fresh_latent": CategoricalDistribution((False, True)),
    }


def test_a_missing_bound_is_the_variants() -> None:
    (gamma,) = space(gamma={"low": 0.5}).dimensions
    assert (gamma.low, gamma.high, gamma.scale) == (0.5, 1.0, "linear")


def test_one_value_may_set_several_knobs() -> None:
    tied = space(lr={"knobs": ("lr_g", "lr_d")})
    assert tied.settings({"lr": 3e-4}) == {"lr_g": 3e-4, "lr_d": 3e-4}
    assert tied.describe() == {"lr": "lr_g = lr_d: 1e-05 to 0.005 (log)"}


def test_choices_have_the_type_of_the_knob() -> None:
    assert space(batch_size={"choices": ("32", 64)}).dimensions[0].choices == (32, 64)


def test_knobs_of_other_variants_are_left_out() -> None:
    found = space("began", gamma={}, alpha={})
    assert [d.name for d in found.dimensions] == ["gamma"]
    assert found.left_out == ("alpha",)


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"gama": {}}, "search.gama: unknown knob 'gama': .*did you mean 'gamma'"),
        ({"gamma": {"high": 2.0}}, "search.gamma: gamma: 2.0 is not possible"),
        ({"gamma": {"low": 0.9, "high": 0.4}}, "search.gamma: 0.9 to 0.4 is no range"),
        ({"gamma": {"low": 0.0, "scale": "log"}}, "is no range of a log scale"),
        ({"gamma": {"low": 0.4, "choices": (0.5,)}}, "search.gamma: give choices, or low and high"),
        ({"beta2": {}}, "search.beta2: beta2 declares no range"),
        ({"norm": {"choices": ("l3",)}}, "search.norm: norm: 'l3' is not possible"),
        ({"norm": {"low": 1, "high": 2}}, "search.norm: norm is no number"),
        ({"filters": {"low": 1.5, "high": 4}}, "search.filters: filters: 1.5 is not possible"),
        ({"lr": {"knobs": ("lr_g", "lr_d")}, "lr_g": {}}, "lr_g is searched twice"),
        *(({name: {"choices": (1, 2)}}, f"search.{name}: {name} must be the same for all") for name in NEVER),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(search: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        space(**search)


def test_a_variant_with_none_of_the_knobs_is_refused() -> None:
    with pytest.raises(RequestError, match="wgan-gp has none of gamma"):
        space("wgan-gp", gamma={})


def test_defaults_are_a_trial_if_they_lie_in_the_space() -> None:
    search = {"gamma": {}, "lr": {"knobs": ("lr_g", "lr_d")}, "norm": {}}
    base = resolve({"variant": "began-v3", "preset": "quick"})
    params = space(**search).params(base)
    assert params == {"gamma": 1.0, "lr": 1e-3, "norm": "l2"}
    assert base.with_values(**space(**search).settings(params)).hash() == base.hash()
    assert space(**search).params(base.with_values(gamma=0.1)) is None
    assert space(**search).params(base.with_values(lr_g=2e-3)) is None
