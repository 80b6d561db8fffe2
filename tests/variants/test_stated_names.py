"""Names that modules state: the same as those of the registries, without an import."""

import sys
from pathlib import Path

import pytest

import bench
import variants
from bench.datasets.registry import DATASETS
from variants.registry import VARIANTS
from variants.stated_names import stated_names

GROUP = "tests.stated"
MODULE = '''\
"""A module that fails when it is imported."""

from variants import registry
from variants.registry import register

raise RuntimeError


@register
class First:
    name = "first"
    title = "the first part"


@registry.register
class Second(First):
    name: str = "second"


class Base:
    name = "no part"


@register
class Unnamed(First):
    name = "un" + "named"
'''


def test_the_variants_are_those_of_the_registry_with_their_titles() -> None:
    known = VARIANTS.entries()
    assert stated_names(Path(variants.__path__[0]), GROUP) == {
        name: known[name].title for name in sorted(known)
    }


def test_the_data_sets_are_those_of_the_registry() -> None:
    # those of scripts, which other tests import, are registered too
    own = [name for name, dataset in DATASETS.entries().items() if dataset.__module__.startswith("bench.")]
    assert list(stated_names(Path(bench.__path__[0]) / "datasets", GROUP)) == sorted(own)


@pytest.mark.parametrize("target", ["alone", "package.inner", "package.folder", "package.inner:First"])
def test_modules_of_other_packages_are_read_and_not_imported(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("alone.py", "package/__init__.py", "package/inner.py", "package/folder/__init__.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(MODULE)
    metadata = tmp_path / "others-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\nmine = {target}\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own").mkdir()
    assert stated_names(tmp_path / "own", GROUP) == {"first": "the first part", "second": ""}
    assert not {"alone", "package"} & set(sys.modules)


@pytest.mark.parametrize("text", [b"class Broken(:\n", b"\0", b"name = '\xff'\n"])
def test_a_module_that_cannot_be_read_has_no_names(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_bytes(text)
    (tmp_path / "whole.py").write_text(MODULE)
    (tmp_path / "folder.py").mkdir()
    assert list(stated_names(tmp_path, GROUP)) == ["first", "second"]


def test_entry_points_without_a_module_and_damaged_metadata_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "others-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "whole.py").write_text(MODULE)
    for text in ("mine = no_such_package.module\n", "no equals sign\n"):
        (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{text}")
        assert list(stated_names(tmp_path / "own", GROUP)) == ["first", "second"]
