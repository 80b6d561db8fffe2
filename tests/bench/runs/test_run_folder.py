"""A run's description: what is written, and what is refused when it is read again."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.runs.description import digest_of
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError
from variants.scalars import Drop, Panel, Rise, SameKnob, Stuck, TrainingScalar

Damage = Callable[[RunFolder], dict[str, Any] | None]
"""Alters run.json itself, or returns its new content, for which a digest is made."""


def describe(path: Path, small: SimpleNamespace, **further: Any) -> RunFolder:
    run: RunFolder = small.describe_in(path, **further)
    return run


def without(*keys: str | int) -> Damage:
    """Take a key out of run.json, whose digest is made again."""

    def damage(run: RunFolder) -> dict[str, Any]:
        content = content_of(run)
        place = content
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        return content

    return damage


def with_value(value: Any, *keys: str | int) -> Damage:
    """Set a value of run.json, whose digest is made again."""

    def damage(run: RunFolder) -> dict[str, Any]:
        content = content_of(run)
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return content

    return damage


def content_of(run: RunFolder) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run.description_path.read_text())
    return content


def holds(content: bytes) -> Damage:
    """Put other bytes in the place of run.json."""

    def damage(run: RunFolder) -> None:
        run.description_path.write_bytes(content)

    return damage


def changed(run: RunFolder) -> None:
    described = content_of(run)
    described["config"]["seed"] = 7
    run.description_path.write_text(json.dumps(described))


def no_digest(run: RunFolder) -> None:
    content = content_of(run)
    del content["sha256"]
    run.description_path.write_text(json.dumps(content))


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
    "no schema number": (without("schema"), "has no schema number: this version reads schema 5 only"),
    "another schema": (with_value(1, "schema"), "has schema 1: this version reads schema 5 only"),
    "a text as schema": (with_value("1", "schema"), "has schema '1': this version reads schema 5 only"),
    "another type": (with_value(3, "id"), "is damaged: id has a value of the wrong type"),
    "a text for a number": (
        with_value("5000", "data", "count"),
        "is damaged: data: count has a value of the wrong type",
    ),
    "a list as a knob": (with_value([1], "config", "gamma"), "is damaged: config: gamma"),
    "an unknown field": (with_value(1, "further"), "is damaged: further is unknown"),
    "no samples": (with_value(0, "data", "count"), "is damaged: data: count is out of range"),
    "a folder": (a_folder, "cannot be read: Is a directory"),
    "no configuration": (without("config"), "is damaged: config is missing"),
    "no data hash": (without("data", "hash"), "is damaged: data: hash is missing"),
    "an alarm's rule without a number": (
        without("scalars", 1, "alarms", 0, "steps"),
        "is damaged: scalars: 1: alarms: 0: stuck: steps is missing",
    ),
    "an unknown rule of an alarm": (
        with_value("shrink", "scalars", 1, "alarms", 0, "rule"),
        "is damaged: scalars: 1: alarms: 0 is of an unknown kind",
    ),
    "an unknown value of a scalar": (
        with_value(1, "scalars", 0, "colour"),
        "is damaged: scalars: 0: colour is unknown",
    ),
    "an unknown direction": (
        with_value("up", "scalars", 0, "better"),
        "is damaged: scalars: 0: better has a value of the wrong type",
    ),
    "a network without its count": (
        without("networks", "generator", "parameters"),
        "is damaged: networks: generator: parameters is missing",
    ),
    "a number as the classes": (
        with_value(10, "data", "classes"),
        "is damaged: data: classes has a value of the wrong type",
    ),
    "a number as a class": (
        with_value(["0", 1], "data", "classes"),
        "is damaged: data: classes: 1 has a value of the wrong type",
    ),
    "no digest": (no_digest, "is damaged: sha256 is missing"),
    "changed": (changed, "was changed since it was written"),
}


def test_a_description_comes_back_as_written(tmp_path: Path, small: SimpleNamespace) -> None:
    knobs = {"gamma": 0.7, "tracking": False, "seed": 2**40, "generator_norm": None}
    config = small.tiny("began").flat() | knobs
    run = describe(tmp_path, small, real={"fid": 0.1 + 0.2, "kid": float("inf")}, config=config)
    described = run.describe()
    assert described.real == {"fid": 0.1 + 0.2, "kid": float("inf")}
    assert described.config.flat() == config
    assert {name: type(value) for name, value in described.config.flat().items()} == {
        name: type(value) for name, value in config.items()
    }
    written = content_of(run)
    assert written.pop("sha256") == digest_of(written)
    assert written.pop("schema") == 5
    assert written == json.loads(json.dumps(described.model_dump()))


def test_the_digest_is_of_the_content_and_not_of_its_layout(tmp_path: Path, small: SimpleNamespace) -> None:
    run = describe(tmp_path, small)
    before = run.describe()
    assert digest_of({"b": [1, 2], "a": {"10": 1, "9": 2}}) == digest_of(
        {"a": {"9": 2, "10": 1}, "b": [1, 2]}
    )
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert digest_of({"a": 1}) != digest_of({"a": 1.0})
    run.description_path.write_text(json.dumps(dict(reversed(content_of(run).items()))))
    assert run.describe() == before


SCALARS = (
    TrainingScalar(
        "score",
        "mean score",
        better="higher",
        panel=Panel("score", scale="log", floor=0.5),
        selects=True,
        steers=True,
        in_progress=True,
        depends_on=(SameKnob("norm"), SameKnob("batch_size", "norm", ("l2", "frobenius"))),
        alarms=(Rise("up", 1.5), Drop("fell", 0.5, least=0.1, memory=7, start=3, window=2), Stuck(0.25, 9)),
        stuck_at=(0.0, 0.25),
    ),
    TrainingScalar("plain", "another"),
)


def test_any_scalars_networks_and_classes_come_back_as_written(
    tmp_path: Path, small: SimpleNamespace
) -> None:
    networks = {
        "generator": {"label": "generator", "parameters": 3},
        "critic": {"label": "discriminator", "parameters": 40},
        "code": {"label": "code network", "parameters": 500},
    }
    data = {"name": "d", "hash": "0", "transform": "none", "count": 9, "classes": ("ink", "null", "7")}
    run = describe(tmp_path, small, scalars=SCALARS, networks=networks, data=data)
    described = run.describe()
    assert described.scalars == SCALARS
    assert {name: network.model_dump() for name, network in described.networks.items()} == networks
    assert list(described.networks) == list(networks)
    assert described.parameters == 543
    assert described.data.classes == ("ink", "null", "7")


@pytest.mark.parametrize(
    ("count", "size", "drop_last", "reals", "batches"),
    [
        (1000, 100, True, 1, 10),
        (1050, 100, True, 1, 10),
        (1050, 100, False, 1, 11),
        (1000, 100, True, 5, 2),
        (1000, 100, True, 2.5, 4),  # a number of critic steps that varies
    ],
)
def test_a_step_is_the_share_of_its_batches_in_the_epoch(
    count: int,
    size: int,
    drop_last: bool,
    reals: float,
    batches: float,
    tmp_path: Path,
    small: SimpleNamespace,
) -> None:
    run = describe(
        tmp_path,
        small,
        config=small.tiny("began").flat() | {"batch_size": size, "drop_last": drop_last},
        data={"name": "d", "hash": "0", "transform": "none", "count": count},
        real_batches_per_step=reals,
    )
    assert run.describe().epochs_per_step() == pytest.approx(1 / batches)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_description_is_refused_in_one_line(
    kind: str, tmp_path: Path, small: SimpleNamespace
) -> None:
    damage, words = DAMAGES[kind]
    run = describe(tmp_path, small)
    if (content := damage(run)) is not None:
        small.write_content(run, content)
    with pytest.raises(WorkError) as refused:
        run.describe()
    line = str(refused.value)
    assert line.startswith(f"{run.description_path} {words}")
    assert "\n" not in line
    assert "put a copy of the original back" in line
