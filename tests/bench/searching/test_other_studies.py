"""The other studies of a file are named with what makes them others."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from bench.searching.other_studies import notes_on_others, others_of
from bench.searching.plan import StudyPlan
from bench.searching.study_file import StudyFile
from bench.searching.study_loop import DESCRIPTION

METRIC = "fd_digits_garments"
FILE: dict[str, Any] = {"search": {"gamma": {}}, "trials": 6}


def plan_of(
    title: str = "tried", data: str = "0", settings: dict[str, Any] | None = None, **file: Any
) -> StudyPlan:
    base: dict[str, Any] = {"variant": "began", "steps": 100, "eval_every": 20}
    base["experiment"] = "tried"
    return StudyPlan(title, StudyFile(**FILE | file), base | (settings or {}), METRIC, data)


def begun(plan: StudyPlan) -> StudyPlan:
    """The plan, after a command has begun its study."""
    plan.folder.mkdir(parents=True)
    (plan.folder / DESCRIPTION).write_text(json.dumps(asdict(plan.describe())))
    return plan


OTHERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a pruner": ({"pruner": {"collapse_after": 1}}, ["pruner.collapse_after"]),
    "a sampler": ({"sampler": {"name": "random", "seed": 3}}, ["sampler.name", "sampler.seed"]),
    "a range": ({"search": {"gamma": {"low": 0.1, "high": 0.2}}}, ["search.gamma"]),
    "a searched value": ({"search": {"gamma": {}, "lambda_k": {}}}, ["search.lambda_k"]),
    "a length": ({"settings": {"steps": 200}}, ["steps"]),
    "seeds": ({"seeds": [0, 1]}, ["seeds"]),
    "an average": ({"settings": {"ema_decay": 0.9, "micro_batches": 1}}, ["ema_decay"]),
    "an objective": ({"objectives": [{"metric": "vendi"}]}, ["objectives"]),
    "images": ({"data": "1"}, ["the images"]),
    "an experiment": ({"settings": {"experiment": "elsewhere"}}, ["experiment"]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_study_of_the_file_is_named_with_the_keys_that_differ(kind: str) -> None:
    changes, keys = OTHERS[kind]
    first, changed = begun(plan_of()), plan_of(**changes)
    assert first.name != changed.name
    assert others_of(changed) == {first.name: keys}
    assert notes_on_others(changed) == [
        f"another study of this file: {first.name} (differs in {', '.join(keys)})"
    ]


@pytest.mark.parametrize("same", [{"trials": 9}, {"fresh_seeds": [7]}, {"settings": {"device": "cpu"}}])
def test_the_same_study_and_studies_of_other_files_or_variants_are_not_named(same: dict[str, Any]) -> None:
    plan = begun(plan_of())
    begun(plan_of("another"))
    begun(plan_of("tried-began", settings={"variant": "began-cs"}))
    begun(plan_of(settings={"variant": "began-cs"}))
    again = plan_of(**same)
    assert again.name == plan.name
    assert notes_on_others(again) == []


def test_of_many_studies_the_nearest_are_named() -> None:
    for seed in range(1, 5):
        begun(plan_of(sampler={"seed": seed}, pruner={"warmup": 0.5} if seed == 1 else {}))
    *lines, last = notes_on_others(plan_of())
    assert [line.rpartition(" (")[2] for line in lines] == ["differs in sampler.seed)"] * 3
    assert last == "and 1 more: bench studies lists them"
