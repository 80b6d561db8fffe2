"""A run's description: what is written, and what is refused when it is read again."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.runs.run_folder import RunFolder, digest_of
from bench.system.errors import WorkError


def describe(path: Path, small: SimpleNamespace, **further: Any) -> RunFolder:
    run: RunFolder = small.describe_in(path, **further)
    return run


def without(*keys: str) -> Callable[[RunFolder], None]:
    """Take a key out of run.json, whose digest is made again."""

    def damage(run: RunFolder) -> None:
        described = run.describe()
        place = described
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        run.write_description(described)

    return damage


def holds(content: bytes) -> Callable[[RunFolder], None]:
    """Put other bytes in the place of run.json."""
    return lambda run: run.description_path.write_bytes(content) and None


def changed(run: RunFolder) -> None:
    described = json.loads(run.description_path.read_text())
    described["config"]["seed"] = 7
    run.description_path.write_text(json.dumps(described))


def torn(run: RunFolder) -> None:
    content = run.description_path.read_bytes()
    run.description_path.write_bytes(content[: len(content) // 2])


def a_folder(run: RunFolder) -> None:
    run.description_path.unlink()
    run.description_path.mkdir()


DAMAGES = {
    "empty": (holds(b""), "is damaged"),
    "torn": (torn, "is damaged"),
    "not JSON": (holds(b"name: began"), "is damaged"),
    "a list": (holds(b"[]"), "is damaged: it is no JSON object"),
    "nested too deep": (holds(b"[" * 100_000), "is damaged"),
    "not UTF-8": (holds(b'{"name": "\xff"}'), "is damaged"),
    "another type": (holds(b'{"id": 3}'), "is damaged: id has a value of the wrong type"),
    "a folder": (a_folder, "cannot be read: Is a directory"),
    "no configuration": (without("config"), "is damaged: config is missing"),
    "no data hash": (without("data", "hash"), "is damaged: data: hash is missing"),
    "changed": (changed, "was changed since it was written"),
}


def test_a_description_comes_back_as_written(tmp_path: Path, small: SimpleNamespace) -> None:
    run = describe(tmp_path, small, real={"fid": 0.1 + 0.2, "kid": float("inf")}, further={"pair": [1, 2]})
    described = run.describe()
    assert described["real"] == {"fid": 0.1 + 0.2, "kid": float("inf")}
    written = json.loads(run.description_path.read_text())
    assert written.pop("sha256") == digest_of(described)
    assert written == described


def test_the_digest_is_of_the_content_and_not_of_its_layout(tmp_path: Path, small: SimpleNamespace) -> None:
    run = describe(tmp_path, small, pair=(1, 2), counted={10: "a", 9: "b"})
    described = json.loads(run.description_path.read_text())
    assert digest_of({"b": (1, 2), "a": {10: 1, 9: 2}}) == digest_of({"a": {"9": 2, "10": 1}, "b": [1, 2]})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert digest_of({"a": 1}) != digest_of({"a": 1.0})
    run.description_path.write_text(json.dumps(dict(reversed(described.items()))))
    assert run.describe()["pair"] == [1, 2]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_description_is_refused_in_one_line(
    kind: str, tmp_path: Path, small: SimpleNamespace
) -> None:
    damage, words = DAMAGES[kind]
    run = describe(tmp_path, small)
    damage(run)
    with pytest.raises(WorkError) as refused:
        run.describe()
    line = str(refused.value)
    assert line.startswith(f"{run.description_path} {words}")
    assert "\n" not in line
    assert "put a copy of the original back" in line
