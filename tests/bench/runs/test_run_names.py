"""Names of runs: variant, data set and seed in the part that lists show, and a run by its name."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.datasets.registry import DATASETS
from bench.runs import run_folder
from bench.runs.run_names import LENGTH, data_name, multirun_name, run_name, short_name
from bench.system import paths
from bench.system.errors import RequestError
from variants import began, began_cs, began_v3
from variants.registry import VARIANTS

ID = "3fa94c0123456789"
DATA = [name for name in DATASETS.entries() if not name.startswith("folder")]


@pytest.mark.parametrize("variant", VARIANTS.entries())
@pytest.mark.parametrize("dataset", DATA)
def test_lists_show_variant_data_and_seed(variant: str, dataset: str) -> None:
    kind = VARIANTS.entries()[variant]
    name = run_name(kind, dataset, 17, ID)
    shown, own = name[:LENGTH].split(), short_name(kind)
    assert shown[0] == own
    assert len(shown[1]) >= min(6, len(dataset))
    assert dataset.startswith(shown[1])
    assert shown[2] == "s17"
    assert name.endswith(" 3fa94c")


def test_short_names_of_variants_are_different() -> None:
    names = [short_name(kind) for kind in VARIANTS.entries().values()]
    assert len(set(names)) == len(names)
    assert {len(name) <= 8 for name in names} == {True}


def test_a_name_is_read_at_a_glance() -> None:
    assert run_name(began_v3.BeganV3, "mnist-5k", 2) == "v3 mnist-5k s2"
    assert run_name(began_cs.BeganCs, "stacked-mnist", 0, ID) == "cs stacked-mnist s0 3fa94c"


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("folder:/data/photos", "photos"),
        ("folder:/data/photos/", "photos"),
        ("folder:photos/../faces", "faces"),
        ("folder:/data/two words", "two-words"),
        ("folder:/data/r\udcffs", "r-s"),
        ("folder:~nobody-here/x", "x"),
        ("folder:/", "folder"),
        ("mnist-5k", "mnist-5k"),
    ],
)
def test_a_folder_has_its_own_name(dataset: str, name: str) -> None:
    assert data_name(dataset) == name


def test_the_current_folder_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "portraits").mkdir()
    monkeypatch.chdir(tmp_path / "portraits")
    assert run_name(began.Began, "folder:.", 3) == "began portraits s3"


def test_a_multirun_names_its_variants_as_far_as_there_is_room() -> None:
    both = [began_cs.BeganCs, began_v3.BeganV3]
    assert multirun_name(both, "mnist-5k", [0, 1, 2]) == "cs+v3 mnist-5k s0-2"
    assert multirun_name([*both, began.Began], "mnist-5k", [4, 7]) == "3 variants mnist-5k s4,7"
    assert multirun_name(both[:1], "mnist-5k", [5]) == "cs mnist-5k s5"


def test_a_run_is_found_by_its_name_and_by_the_beginning_of_it(
    small: SimpleNamespace, bench_home: Path
) -> None:
    names = ["v3 mnist-5k s0 aaa111", "v3 mnist-5k s1 bbb222", "cs mnist-5k s0 ccc333"]
    for name in names:
        small.describe_in(paths.runs() / (name[-6:] + "0" * 26), name=name)
    for word, found in (
        (names[0], "aaa111"),
        ("v3 mnist-5k s1", "bbb222"),
        ("cs", "ccc333"),
        ("cs-mnist-5k-s0-ccc333", "ccc333"),
        ("v3-mnist-5k-s1", "bbb222"),
        ("bbb", "bbb222"),
    ):
        assert run_folder.find(word).id.startswith(found)
    with pytest.raises(RequestError, match=f"'v3' means 2 runs: {names[0]}, {names[1]}$"):
        run_folder.find("v3")
    with pytest.raises(RequestError, match="give an id, a name such as .*, a unique beginning, or last"):
        run_folder.find("v4")
