"""The plan of a study: what workers and the tracking store read of it."""

import pytest

from bench.configuration import Harness
from bench.searching.plan import StudyDescription, StudyPlan
from bench.searching.study_file import StudyFile
from variants.knobs import neutral_of


def test_a_plan_reads_back_from_json() -> None:
    file = StudyFile(search={"gamma": "declared"}, seeds=(0, 1))
    plan = StudyPlan("tried", file, {"variant": "began", "preset": "quick"}, "fid", "0")
    assert StudyPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("name", [name for name, each in Harness.model_fields.items() if neutral_of(each)])
def test_a_study_keeps_its_identity_with_neutral_values_of_a_knob(name: str) -> None:
    file = StudyFile(search={"gamma": "declared"})
    settings: dict[str, object] = {"variant": "began", "preset": "quick"}
    plan = StudyPlan("tried", file, settings, "fid", "0")
    for value in neutral_of(Harness.model_fields[name]):
        assert StudyPlan("tried", file, settings | {name: value}, "fid", "0").name == plan.name
    assert StudyPlan("tried", file, settings | {"ema_decay": 0.9}, "fid", "0").name != plan.name


def test_the_studys_run_shows_what_is_searched() -> None:
    described = StudyDescription(
        name="gamma-began-v3-1a2b3c",
        experiment="search",
        hash="5" * 64,
        data_hash="d" * 64,
        config={"variant": "began-v3", "steps": 9, "epochs": None},
        search={"gamma": "0.3 to 0.9", "lr_g": "1e-5 to 1e-3, log"},
        objectives=["fd_digits_garments, lowest"],
        file={},
    )
    parent = described.parent_run(["study", "run", "file.yaml"])
    assert (parent.experiment, parent.name) == ("search", "gamma-began-v3-1a2b3c")
    assert parent.identity == ("study.hash", "5" * 64)
    assert parent.tags == {"optuna.study": "gamma-began-v3-1a2b3c", "data.hash": "d" * 64}
    assert parent.params == {
        "variant": "began-v3",
        "steps": 9,
        "epochs": None,
        "search.gamma": "0.3 to 0.9",
        "search.lr_g": "1e-5 to 1e-3, log",
        "objective.0": "fd_digits_garments, lowest",
    }
