"""Which runs are seeds of one experiment."""

from collections.abc import Callable

import pandas as pd
import pytest

from bench.comparing.groups import is_collapsed, is_complete, is_diverged, once_per_seed, with_groups
from bench.configuration import EXECUTION_SETTINGS, resolve

Runs = Callable[..., pd.DataFrame]


def test_runs_that_differ_in_seed_preset_and_execution_settings_are_one_group(runs: Runs) -> None:
    frame = runs(
        {"seed": 0},
        {"seed": 1, "device": "cuda", "experiment": "other"},
        {"seed": 2, "preset": "small", "created": "2026-02-02", "commit": "d" * 40},
    )
    assert set(with_groups(frame)["group"]) == {"began"}


def test_groups_of_a_variant_are_named_by_the_knobs_that_differ(runs: Runs) -> None:
    frame = runs({"gamma": 0.5}, {"gamma": 0.7}, {"gamma": 0.7, "norm": "l2"}, {"variant": "began-v3"})
    assert list(with_groups(frame)["group"]) == [
        "began (gamma=0.5, norm=l1)",
        "began (gamma=0.7, norm=l1)",
        "began (gamma=0.7, norm=l2)",
        "began-v3",
    ]


def test_numbers_in_names_have_four_digits_and_more_only_to_tell_groups_apart(runs: Runs) -> None:
    far = runs({"lambda_k": 0.018_284_527_341_982}, {"lambda_k": 0.1})
    assert list(with_groups(far)["group"]) == ["began (lambda_k=0.01828)", "began (lambda_k=0.1)"]
    near = runs({"lambda_k": 0.018_284_527_341_982}, {"lambda_k": 0.018_284_6}, {"lambda_k": 0.1})
    assert list(with_groups(near)["group"]) == [
        "began (lambda_k=0.0182845)",
        "began (lambda_k=0.0182846)",
        "began (lambda_k=0.1)",
    ]
    adjacent = runs({"lambda_k": 0.1}, {"lambda_k": 0.1 + 2**-56})
    assert with_groups(adjacent)["group"].nunique() == 2


def test_a_knob_that_only_some_runs_have_separates_groups(runs: Runs) -> None:
    frame = runs({"patience": None}, {"patience": 3.0}, {"patience": None, "seed": 1})
    labels = list(with_groups(frame)["group"])
    assert labels == ["began (patience=none)", "began (patience=3)", "began (patience=none)"]


@pytest.mark.parametrize(
    ("schedules", "rule", "labels"),
    [
        # lengths tell the groups apart
        ([(200, 50), (300, 1000)], "last", ["began (steps=200)", "began (steps=300)"]),
        # the schedule alone differs: two groups still
        ([(200, 50), (200, 1000)], "last", ["began (eval_every=50)", "began (eval_every=1000)"]),
        (
            [(200, 50), (300, 50), (300, 100)],
            "last",
            [
                "began (steps=200, eval_every=50)",
                "began (steps=300, eval_every=50)",
                "began (steps=300, eval_ever",
            ],
        ),
        # the best of more evaluations is better by chance
        (
            [(200, 50), (300, 1000)],
            "best-fid",
            ["began (steps=200, eval_every=50)", "began (steps=300, eval_every=1000)"],
        ),
    ],
)
def test_the_schedule_of_evaluations_names_groups_only_where_it_matters(
    schedules: list[tuple[int, int]], rule: str, labels: list[str], runs: Runs
) -> None:
    frame = with_groups(
        runs(*({"steps": steps, "eval_every": every, "select": rule} for steps, every in schedules))
    )
    assert len(set(frame["group"])) == len(schedules)
    assert all(name.startswith(label) for name, label in zip(frame["group"], labels, strict=True))


def test_other_data_are_other_groups_but_need_no_other_name(runs: Runs) -> None:
    frame = with_groups(runs({}, {"dataset": "cifar10", "data_hash": "e" * 64, "gamma": 0.9}))
    assert list(frame["group"]) == ["began", "began"]
    assert len(once_per_seed(frame)[0]) == 2


def test_group_and_configuration_hash_agree(runs: Runs) -> None:
    """The harness's own hash changes with a knob, and not with an execution setting, as groups do."""
    base = resolve({"variant": "began"})
    for name in EXECUTION_SETTINGS & {"device", "experiment"}:
        assert base.with_values(**{name: "cpu"}).hash() == base.hash()
    assert base.with_values(gamma=0.3).hash() != base.hash()


def test_of_copies_of_a_seed_the_newest_complete_one_counts(runs: Runs) -> None:
    frame = with_groups(
        runs(
            {"created": "2026-01-01"},
            {"created": "2026-01-03"},
            {"created": "2026-01-02"},
            {"created": "2026-01-04", "status": "RUNNING", "health": None},
            {"created": "2026-01-01", "seed": 1},
        )
    )
    kept, left_out = once_per_seed(frame)
    assert list(kept["name"]) == ["run-1", "run-4"]
    assert left_out == ["run-0", "run-2", "run-3"]


def test_where_no_copy_is_complete_the_newest_counts(runs: Runs) -> None:
    killed = {"status": "KILLED"}
    frame = with_groups(runs(killed | {"created": "2026-01-02"}, killed | {"created": "2026-01-01"}))
    assert list(once_per_seed(frame)[0]["name"]) == ["run-0"]


@pytest.mark.parametrize(
    ("status", "health", "complete", "diverged", "collapsed"),
    [
        ("FINISHED", "ok", True, False, False),
        ("FINISHED", "k-stuck-0", True, False, False),
        ("FINISHED", "collapsed@500", True, False, True),
        ("FAILED", "diverged@7", True, True, False),
        ("FAILED", "ok", False, False, False),
        ("KILLED", "collapsed@500", False, False, True),
        ("RUNNING", None, False, False, False),
    ],
)
def test_status_and_health_decide_what_a_run_counts_as(
    status: str, health: str | None, complete: bool, diverged: bool, collapsed: bool, runs: Runs
) -> None:
    frame = runs({"status": status, "health": health})
    assert [is_complete(frame)[0], is_diverged(frame)[0], is_collapsed(frame)[0]] == [
        complete,
        diverged,
        collapsed,
    ]
