"""Cases are measured once, by a judge whose training samples no healthy sampler shows."""

import numpy as np
import pytest
from made_samplers import MECHANISMS
from PIL import Image
from verdict_cases import DATA, Wanted, append, judged, kinds_of_faces, measured, read

from bench.system.errors import RequestError

SAMPLES, SEEDS = 200, 2
CHOSEN = ("real", "samples repeated", "copies of training samples")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def wanted(home):
    return Wanted("ring-8", SAMPLES, SEEDS)


def few_mechanisms(patch):
    for name in set(MECHANISMS) - set(CHOSEN):
        patch.delitem(MECHANISMS, name)


@pytest.fixture(scope="module")
def cases(wanted):
    with pytest.MonkeyPatch.context() as patch:
        few_mechanisms(patch)
        return list(measured(wanted, []))


def test_each_mechanism_degree_and_seed_is_a_case(cases):
    found = {(case.mechanism, case.degree, case.seed) for case in cases}
    assert found == {
        (name, degree, seed)
        for name in CHOSEN
        for degree in MECHANISMS[name].degrees
        for seed in range(SEEDS)
    }
    assert len(found) == len(cases)
    for case in cases:
        assert case.truth == MECHANISMS[case.mechanism].degrees[case.degree]
        assert set(case.values) <= set(case.real)


def test_healthy_samplers_show_no_training_sample_and_copies_show_nothing_else(cases):
    authenticity = {
        (case.mechanism, case.degree): case.values["authenticity"] / case.real["authenticity"]
        for case in cases
    }
    assert authenticity["copies of training samples", 1] == 0
    assert authenticity["real", 1] > 0.5


def test_pools_and_training_samples_are_disjoint_and_have_the_kinds_of_their_samples(wanted):
    judge, _, pools = judged(wanted)
    parts = [
        set(map(tuple, samples.tolist())) for samples in (pools[0].training, *(p.samples for p in pools))
    ]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 50_000
    assert judge.reference.count == len(pools[0].training) == 25_000
    for pool in pools:
        angle = np.arctan2(pool.samples[:, 1], pool.samples[:, 0]) / (2 * np.pi) * 8
        np.testing.assert_array_equal(np.round(angle).astype(int) % 8, pool.kinds)


def test_known_cases_are_not_measured_again(cases, wanted, monkeypatch):
    few_mechanisms(monkeypatch)
    monkeypatch.setattr("verdict_cases.judged", lambda _: pytest.fail("nothing is left to judge"))
    assert list(measured(wanted, cases)) == []


def test_a_file_of_cases_is_read_as_it_was_written(cases, tmp_path):
    path = tmp_path / "cases.jsonl"
    assert read(path) == []
    for case in cases:
        append(path, case)
    assert read(path) == cases


def test_every_data_set_has_settings():
    for name, kind in DATA.items():
        harness = Wanted(name, SAMPLES, SEEDS, "data", "faces").harness()
        assert (harness.image_size is None) == (kind == "points")
        assert harness.eval_samples == SAMPLES


def test_faces_have_their_kinds_by_the_names_of_their_files(tmp_path):
    for name in ("20_0_1_2017.jpg", "20_1_1_2017.jpg", "61_3_2017.jpg", "70_0_1_2018.jpg"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    kinds = kinds_of_faces(tmp_path, 4)
    assert kinds[0] == kinds[3]
    assert len(set(kinds.tolist())) == 3
    with pytest.raises(RequestError, match="4 files for 5 images"):
        kinds_of_faces(tmp_path, 5)
