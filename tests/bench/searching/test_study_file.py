"""Study files: what is read, what is refused, and that the shipped ones can be carried out."""

from pathlib import Path

import pytest

from bench.searching import study_file
from bench.searching.study_file import Objective, Range, read
from bench.system.errors import RequestError
from studies import shipped


def file_with(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_an_empty_file_has_the_defaults(tmp_path: Path) -> None:
    name, file = read(file_with(tmp_path, "{}"))
    assert name == "mine"
    assert file.objectives == (Objective(metric="frechet_distance", select="last"),)
    assert file.seeds == (0,)
    assert file.search == {}
    assert file.pruner.name == "median"


def test_declared_takes_the_variants_range(tmp_path: Path) -> None:
    _, file = read(file_with(tmp_path, "search: {gamma: declared, lr: {knobs: [lr_g, lr_d], low: 1.0e-4}}"))
    assert file.search == {"gamma": Range(), "lr": Range(knobs=("lr_g", "lr_d"), low=1e-4)}


def test_the_callers_values_win(tmp_path: Path) -> None:
    assert read(file_with(tmp_path, "trials: 7"), trials=3)[1].trials == 3
    assert read(file_with(tmp_path, "trials: 7"), trials=None)[1].trials == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("trails: 3", "unknown key in the study file 'trails': .*did you mean 'trials'"),
        ("sampler: {nam: tpe}", "unknown key in sampler 'nam'"),
        ("search: {gamma: {lo: 1}}", "unknown key in search.gamma 'lo': .*did you mean 'low'"),
        ("objectives: [{metrics: M}]", "unknown key in objectives.0 'metrics': .*did you mean 'metric'"),
        ("trials: 0", "trials: 0 is not possible: input should be greater than or equal to 1"),
        ("sampler: {name: tpee}", "sampler.name: 'tpee' is not possible: input should be 'tpe'"),
        ("seeds: [1, 1]", "seeds: .* different whole numbers from 0"),
        ("seeds: []", "seeds and objectives must not be empty"),
        ("objectives: []", "seeds and objectives must not be empty"),
        ("{seeds: [0, 3], fresh_seeds: [3]}", "fresh_seeds holds 3"),
        ("search: {lr (both): declared}", "the name 'lr .both.' must be of letters"),
        ("settings: {seed: 3}", "settings must not hold 'seed'"),
        ("search: gamma", "search: 'gamma' is not possible"),
        ("- gamma", "must hold 'key: value' lines"),
    ],
)
def test_an_invalid_file_is_an_error_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told) as refused:
        read(file_with(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_an_unknown_name_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RequestError, match="unknown study 'smoky': .*did you mean 'smoke'"):
        read("smoky")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_files_are_read_by_name_and_have_a_description(name: str) -> None:
    title, file = read(name)
    assert title == name
    assert file.description
    assert file.variant


def test_every_key_has_a_description() -> None:
    for kind in (
        study_file.StudyFile,
        study_file.Objective,
        study_file.Range,
        study_file.Sampler,
        study_file.Pruner,
    ):
        assert all(field.description for field in kind.model_fields.values())
