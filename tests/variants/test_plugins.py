"""Registries: names, and packages that add to them; each package is laid down as an installer does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.datasets.registry import DATASETS
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.metrics.registry import METRICS
from variants.plugins import GROUPS, Plugin, RegistrationError, Registry
from variants.registry import VARIANTS

GROUP = "tests.parts"
# a module whose registry is that of the test
HEAD = """\
from tests_parts import REGISTRY


def add(name):
    def part(): ...
    part.__qualname__ = name
    REGISTRY.add(name, name, part)


"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[str]]:
    """A registry, to which the packages below tmp_path add."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tests_parts.py").write_text(
        f"from variants.plugins import Registry\nREGISTRY = Registry('part', {GROUP!r})\n"
    )
    from tests_parts import REGISTRY  # type: ignore[import-not-found]

    yield REGISTRY
    for name in set(sys.modules) - before:
        del sys.modules[name]


def install(folder: Path, package: str, code: str, **targets: str) -> None:
    """Lay down a package of one module, with entry points."""
    (folder / f"{package}.py").write_text(code)
    metadata = folder / f"{package}-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    lines = [f"{name} = {target}" for name, target in targets.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]) + "\n")


def problem(registry: Registry[str], caplog: pytest.LogCaptureFixture) -> str:
    """The problem of the one plug-in, of which the one warning tells."""
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert registry.entries() == {}
    (plugin,) = registry.plugins()
    (message,) = caplog.messages
    assert message.startswith(
        f"warning: entry point {plugin.entry_point!r} of package {plugin.package} ({GROUP}) is passed over: "
    )
    assert message.endswith(plugin.problem)
    assert "\n" not in message
    return plugin.problem


def test_an_entry_point_adds_the_parts_of_its_module(registry: Registry[str], tmp_path: Path) -> None:
    install(tmp_path, "wheels", HEAD + "add('front')\nadd('rear')\n", both="wheels")
    assert registry.entries() == {"front": "front", "rear": "rear"}
    assert registry.plugins() == (Plugin("part", "wheels", "1.5", "both", "wheels", ("front", "rear")),)


def test_an_entry_point_may_name_an_object_of_its_module(registry: Registry[str], tmp_path: Path) -> None:
    code = "from tests_parts import REGISTRY\n\n\ndef hub(): ...\n\n\nREGISTRY.add('hub', 'hub', hub)\n"
    install(tmp_path, "wheels", code, middle="wheels:hub")
    assert registry.entries() == {"hub": "hub"}


def test_two_entry_points_may_share_a_module(registry: Registry[str], tmp_path: Path) -> None:
    install(tmp_path, "wheels", HEAD + "add('front')\n", one="wheels", two="wheels")
    assert registry.entries() == {"front": "front"}
    assert [plugin.problem for plugin in registry.plugins()] == ["", ""]


def test_nothing_is_imported_before_the_registry_is_read(registry: Registry[str], tmp_path: Path) -> None:
    install(tmp_path, "wheels", HEAD + "add('front')\n", front="wheels")
    registry.add("own", "own", install)
    assert "wheels" not in sys.modules
    registry.entries()
    assert "wheels" in sys.modules


def test_a_plug_in_may_read_the_registry_while_it_is_imported(
    registry: Registry[str], tmp_path: Path
) -> None:
    install(tmp_path, "wheels", HEAD + "assert not REGISTRY.entries()\nadd('front')\n", front="wheels")
    assert registry.entries() == {"front": "front"}


@pytest.mark.parametrize(
    ("code", "target", "expected"),
    [
        ("def broken(:\n", "wheels", "SyntaxError: invalid syntax (wheels.py, line 1)"),
        ("import no_such_module\n", "wheels", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "raise RuntimeError('first line\\nsecond line')\n",
            "wheels",
            "RuntimeError: first line second line",
        ),
        ("raise SystemExit(3)\n", "wheels", "SystemExit: 3"),
        ("raise AssertionError\n", "wheels", "AssertionError"),
        ("", "wheels", "wheels registers no part: is a decorator missing?"),
        ("", "wheels:hub", "AttributeError: module 'wheels' has no attribute 'hub'"),
        ("", "no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        (
            "def hub(): ...\n" + HEAD + "add('front')\n",
            "wheels:hub",
            "wheels:hub registers no part: is a decorator missing?",
        ),
        (
            HEAD + "add('two words')\n",
            "wheels",
            "part 'two words': a name has letters, digits and _ . : - after a letter or a digit",
        ),
    ],
)
def test_an_entry_point_that_fails_is_passed_over_with_one_warning(
    code: str,
    target: str,
    expected: str,
    registry: Registry[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(tmp_path, "wheels", code, front=target)
    assert problem(registry, caplog) == expected


def test_a_long_reason_is_cut(
    registry: Registry[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "wheels", "raise RuntimeError('x' * 5000)\n", front="wheels")
    assert len(problem(registry, caplog)) == 300


def test_what_a_failing_module_registered_before_it_failed_is_gone(
    registry: Registry[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "wheels", HEAD + "add('front')\nraise RuntimeError('late')\n", front="wheels")
    assert problem(registry, caplog) == "RuntimeError: late"


def test_the_first_package_keeps_a_name_that_two_packages_register(
    registry: Registry[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "b_wheels", HEAD + "add('front')\n", front="b_wheels")
    install(tmp_path, "a_wheels", HEAD + "add('front')\n", front="a_wheels")
    assert registry.entries() == {"front": "front"}
    first, second = registry.plugins()
    assert (first.package, first.problem) == ("a_wheels", "")
    assert (second.package, second.names) == ("b_wheels", ())
    assert second.problem == "two parts are named 'front': a_wheels.front and b_wheels.front"
    assert len(caplog.messages) == 1


def test_the_harness_keeps_a_name_that_a_package_registers(registry: Registry[str], tmp_path: Path) -> None:
    registry.add("front", "of the harness", install)
    install(tmp_path, "wheels", HEAD + "add('front')\nadd('rear')\n", front="wheels")
    assert registry.entries() == {"front": "of the harness"}
    assert "two parts are named 'front'" in registry.plugins()[0].problem


def test_damaged_metadata_of_a_package_costs_the_plug_ins_only(
    registry: Registry[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "wheels", HEAD)
    (tmp_path / "wheels-1.5.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\nno equals sign\n")
    registry.add("own", "own", install)
    assert registry.entries() == {"own": "own"}
    assert registry.plugins() == ()
    (message,) = caplog.messages
    assert message.startswith(f"warning: {GROUP} are not read: TypeError")


def test_a_definition_that_is_run_again_replaces_its_earlier_one() -> None:
    registry: Registry[int] = Registry("part", GROUP)
    for value in (1, 2):

        def part() -> None: ...

        registry.add("part", value, part)
    assert registry.entries() == {"part": 2}


def test_registrations_of_a_test_are_forgotten() -> None:
    registry: Registry[int] = Registry("part", GROUP)
    registry.add("own", 1, install)
    with registry.restored():
        registry.add("of_a_test", 2, problem)
        assert set(registry.entries()) == {"own", "of_a_test"}
    assert set(registry.entries()) == {"own"}
    registry.add("of_a_test", 3, install)


@pytest.mark.parametrize("name", ["", " ", "a b", "a,b", "a/b", "-a", "a\n", 3, None])
def test_names_that_could_not_be_typed_are_refused(name: str) -> None:
    with pytest.raises(RegistrationError, match="a name has letters"):
        Registry("part", GROUP).add(name, 1, install)


def test_each_group_of_entry_points_has_its_registry() -> None:
    assert tuple(each.group for each in (VARIANTS, DATASETS, METRICS, EXTRACTORS)) == GROUPS
