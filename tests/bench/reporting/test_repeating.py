"""Commands are those that were given."""

import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.commands.run_many import read_seeds
from bench.configuration import resolve
from bench.reporting.repeating import commands
from bench.runs.description import Beginning, RunDescription
from bench.runs.multirun_description import MULTIRUN_FILE, MultirunDescription, MultirunMember

Describe = Callable[..., RunDescription]
WORDS = ["--dataset", "mnist-5k", "--set", "norm=l1"]


@pytest.fixture
def described(tmp_path: Path, small: SimpleNamespace) -> Describe:
    """Makes the description of a run of some configuration, by the command that it is given."""

    def describe(
        variant: str, seed: int, command: list[str] | None = None, values: dict[str, Any] | None = None
    ) -> RunDescription:
        typed = ["run", "--json", "--variant", variant, "--seed", str(seed), *WORDS, "--parent", "abc"]
        configuration = resolve({"variant": variant, "seed": seed, "experiment": "e"} | (values or {}))
        run = small.describe_in(
            tmp_path / f"{variant}{seed}",
            name=f"{variant}-s{seed}",
            config_hash=f"hash-{variant}-{seed}",
            config=configuration.flat(),
            command=typed if command is None else command,
        )
        return cast(RunDescription, run.describe())

    return describe


def write_multirun(home: Path, members: list[RunDescription]) -> None:
    folder = home / "mlruns" / "multiruns" / "m"
    folder.mkdir(parents=True)
    described = MultirunDescription(
        hash="h",
        name="m",
        experiment="e",
        config={},
        data_hash=members[0].data.hash,
        command=[],
        members=[
            MultirunMember(variant=m.config.variant, seed=m.config.seed, config_hash=m.config_hash)
            for m in members
        ],
    )
    (folder / MULTIRUN_FILE).write_text(described.model_dump_json())


def test_runs_of_a_multirun_have_one_command(bench_home: Path, described: Describe) -> None:
    members = [described(variant, seed) for seed in (0, 1, 2, 4) for variant in ("began", "began-v3")]
    write_multirun(bench_home, members)
    alone = described("began", 9, ["run", "--variant", "began", "--seed", "9"])
    found = commands([*members, alone])
    assert [command.line for command in found] == [
        "bench run --variant began,began-v3 --seeds 0-2,4 --dataset mnist-5k --set norm=l1",
        "bench run --variant began --seed 9",
    ]
    assert read_seeds("0-2,4") == [0, 1, 2, 4]
    assert found[0].makes == "8 of the runs"


def test_without_a_multirun_each_run_has_its_own(bench_home: Path, described: Describe) -> None:
    found = commands([described("began", 0), described("began", 1)])
    assert [command.line for command in found] == [
        f"bench run --variant began --seed {seed} --dataset mnist-5k --set norm=l1" for seed in (0, 1)
    ]


@pytest.mark.parametrize("values", [{}, {"gamma": 0.7, "image_size": 32, "seed": 3}, {"steps": 77}])
def test_the_command_of_a_run_made_from_python_resolves_to_its_configuration(
    values: dict[str, Any], described: Describe
) -> None:
    configuration = resolve({"variant": "began-v3", "seed": 3, "experiment": "e"} | values)
    run = described("began-v3", 3, ["-m", "pytest"], values)
    words = shlex.split(commands([run])[0].line)
    given = dict(zip([w.lstrip("-") for w in words[2:6:2]], words[3:6:2], strict=True))
    given |= dict(word.split("=", 1) for word in words[6:] if word != "--set")
    assert resolve(given).hash() == configuration.hash()


def test_an_extended_run_has_a_command_with_its_present_steps(described: Describe) -> None:
    run = described("began", 0, values={"steps": 8000})
    longer = run.model_copy(update={"extended_from": Beginning(steps=2000, config_hash="0")})
    (command,) = commands([longer])
    assert "steps=8000" in shlex.split(command.line)
    assert command.makes == "began-s0, extended"
