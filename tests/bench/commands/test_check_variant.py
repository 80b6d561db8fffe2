"""``bench check-variant``: one line a check, and an exit status that scripts can use."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from torch import Tensor

from bench.checking import CHECKS
from bench.cli import main
from variants.base import Batch
from variants.dcgan import Dcgan
from variants.registry import VARIANTS, register


class Broken(Dcgan):
    """DCGAN for points, with a loss that grows with the batch."""

    name = "broken"
    sample_kinds = ("points",)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return super().generator_loss(fake, latent, batch) * len(fake)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with VARIANTS.restored():
        register(Broken)
        yield


def test_each_check_has_a_line_and_a_failure_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-variant", "broken"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "broken, points 2"
    assert [line.split()[1] for line in lines[1:-1]] == ["build", *(check.__name__ for check in CHECKS)]
    assert [line.split()[0] for line in lines[1:-1]].count("FAIL") == 1
    (failed,) = (line for line in lines if "FAIL" in line)
    assert "the gradient of generator differs by 50.0%: the loss is no mean over samples" in failed
    assert lines[-1] == "broken: 1 of 18 checks failed"


def test_json_has_every_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-variant", "broken", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["variant"], found["passed"]) == ("broken", False)
    outcomes = {each["name"]: each["outcome"] for each in found["checks"]}
    assert outcomes["micro_batches"] == "FAIL"
    assert outcomes["conditional"] == "skip"
    assert outcomes["resume"] == "pass"


def test_a_variant_that_keeps_the_contract_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-variant", "wgan-gp", "--set", "image_size=none", "--set", "critic_steps=1"]) == 0
    assert capsys.readouterr().out.endswith("wgan-gp: 18 checks passed\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["began-v4"], "did you mean 'began-v3'?"),
        (["wgan-gp", "--set", "seed=1"], "unknown setting of a check of wgan-gp 'seed'"),
        (["wgan-gp", "--set", "beta1=9"], "beta1: '9' is not possible"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert main(["check-variant", *words]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert len(captured.err.splitlines()) == 1
