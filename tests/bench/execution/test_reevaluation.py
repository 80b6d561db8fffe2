"""Checkpoints are measured again."""

import json
import shutil
from pathlib import Path
from statistics import stdev
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from bench.cli import main
from bench.execution.progress import Progress
from bench.execution.reevaluation import reevaluate
from bench.judging.extractors import inception_weights
from bench.judging.extractors.efficientnet import EfficientNetLite0
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.registry import EXTRACTORS, Availability, ImageExtractor, register
from bench.judging.metrics import metrics_for
from bench.runs import record
from bench.runs.result import RunResult
from bench.runs.run_folder import RunFolder
from bench.system import errors
from bench.system.errors import RequestError

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def trained(
    small: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory, cache_folder: Path
) -> tuple[Path, RunResult]:
    """A run and the results folder that has nothing else."""
    home = tmp_path_factory.mktemp("reevaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        return home, small.run(small.tiny("began-v3", ema_decay=0.5))


@pytest.fixture
def outcome(trained: tuple[Path, RunResult], bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> RunResult:
    """The run, read only."""
    home, found = trained
    monkeypatch.setenv("BENCH_HOME", str(home))
    return found


@pytest.mark.parametrize("checkpoint", ["last", "best", "8"])
def test_the_same_protocol_gives_the_recorded_numbers_to_the_bit(checkpoint: str, outcome: RunResult) -> None:
    result = reevaluate(outcome.run, QUIET, checkpoint)
    evaluation = next(each for each in outcome.record.evaluations if each.step == result.step)
    assert result.values == evaluation.values
    assert result.recorded == result.values
    assert result.protocols.keys() == result.values.keys() == result.real.keys()
    assert all(words.startswith(outcome.description.protocol + "; ") for words in result.protocols.values())
    assert "k = 5" in result.protocols["coverage"]
    shared = f"{outcome.description.protocol}; 100 of each side compared"
    assert result.judged_by == {"digits-garments": shared}
    assert result.differences == ()
    assert result.spread == {}
    assert result.real == outcome.description.real


def test_more_samples_are_another_protocol_and_nothing_is_set_beside(outcome: RunResult) -> None:
    result = reevaluate(outcome.run, QUIET, "last", ["fd_digits_garments"], 150)
    assert list(result.values) == ["fd_digits_garments"]
    assert "; 150 samples;" in result.protocols["fd_digits_garments"]
    assert result.recorded == {}
    assert result.differences == (
        "150 samples (recorded: 100 samples)",
        "150 of each side compared (recorded: 100)",
    )
    assert result.values["fd_digits_garments"] != outcome.record.evaluations[-1].values["fd_digits_garments"]


def test_metrics_on_request_stand_beside_real_samples_and_no_record_has_them(outcome: RunResult) -> None:
    names = ["rke", "fd_digits_garments_infinity", "kid"]
    result = reevaluate(outcome.run, QUIET, "last", names)
    assert set(result.values) == set(result.real) == set(result.protocols) == set(names)
    last = outcome.record.evaluations[-1].values
    assert result.recorded == {"kid": last["kid"]} == {"kid": result.values["kid"]}
    assert result.differences == ()
    assert "Gaussian kernel" in result.protocols["rke"]
    assert not {"rke", "fd_digits_garments_infinity"} & {*last, *outcome.description.metrics}


def test_several_draws_give_mean_and_deviation_and_the_first_is_the_recorded_one(outcome: RunResult) -> None:
    names = ["fd_digits_garments", "vendi", "precision"]
    one, two, three = (reevaluate(outcome.run, QUIET, "last", names, eval_seeds=seeds) for seeds in (1, 2, 3))
    assert list(three.values) == list(three.spread) == list(three.real) == list(one.values)
    assert one.recorded == one.values
    assert two.recorded == three.recorded == {}
    assert one.differences == ()
    assert three.differences == ("means of 3 draws of latents (recorded: 1 draw)",)
    for name in names:
        first = one.values[name]
        second = 2 * two.values[name] - first
        third = 3 * three.values[name] - first - second
        assert two.spread[name] == pytest.approx(abs(first - second) / 2**0.5, abs=1e-9)
        assert three.spread[name] == pytest.approx(stdev([first, second, third]), abs=1e-9)
    assert three.spread["fd_digits_garments"] > 0


def test_the_command_tells_values_spread_real_and_recorded(
    outcome: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "last", "--metrics", "kid,vendi", "--checkpoint", "last"]
    told = {}
    for seeds in (1, 2):
        assert main([*words, "--eval-seeds", str(seeds), "--json"]) == 0
        told[seeds] = json.loads(capsys.readouterr().out)
        assert told[seeds]["eval_seeds"] == seeds
    result = reevaluate(outcome.run, QUIET, "last", ["kid", "vendi"], eval_seeds=2)
    assert (told[2]["values"], told[2]["spread"]) == (result.values, result.spread)
    assert told[1]["spread"] == told[2]["recorded"] == {}
    assert told[1]["real"] == told[2]["real"] == result.real
    assert told[1]["held_out"] == result.held_out == outcome.description.paired == 100
    row = outcome.record.evaluations[-1].values
    assert told[1]["recorded"] == told[1]["values"] == {name: row[name] for name in ("kid", "vendi")}

    assert told[1]["differences"] == []

    assert main(words) == 0
    head, body = capsys.readouterr().out.split("\n\n")
    # one line says by which protocol, however many metrics have settings of their own
    assert [line.split("  ")[0] for line in head.splitlines()] == [
        "run",
        "checkpoint",
        "judged by",
        "other than recorded",
    ]
    assert head.endswith("  nothing")
    heads, *rows = body.splitlines()
    assert " ".join(heads.split()) == "measured now real, of 100 held out recorded better"
    assert [line.split()[0] for line in rows] == ["kid", "vendi"]
    numbers = (row["vendi"], result.real["vendi"], row["vendi"])
    assert rows[1].split()[1:] == [*(f"{value:.4g}" for value in numbers), "higher"]
    assert main([*words, "--eval-seeds", "2"]) == 0
    head, body = capsys.readouterr().out.split("\n\n")
    assert head.splitlines()[-1].split("  ")[-1] == "means of 2 draws of latents (recorded: 1 draw)"
    heads, *rows = body.splitlines()
    assert " ".join(heads.split()) == "measured now ± real, of 100 held out recorded better"
    numbers = (result.values["vendi"], result.spread["vendi"], result.real["vendi"])
    assert rows[1].split()[1:] == [*(f"{value:.4g}" for value in numbers), "-", "higher"]


def test_the_command_gives_the_verdict_of_a_run_if_all_is_measured_that_it_needs(
    outcome: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome.health is not None
    assert outcome.health.startswith("collapsed@"), "after nine steps nothing is formed"
    assert main(["eval", "last", "--checkpoint", "last", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "collapsed"
    assert main(["eval", "last", "--checkpoint", "last"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"verdict collapsed: {told['signs']}" in lines
    assert main(["eval", "last", "--metrics", "vendi", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["signs"]) == (None, "")


def test_held_out_samples_are_measured_beside_and_are_no_difference_to_the_record(
    outcome: RunResult, small: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "another"))
    run = small.run(small.tiny("began", held_out=0.2, steps=1, checkpoint_every=1, eval_every=1)).run
    names = ["fd_digits_garments_held_out", "fd_digits_garments_gap"]
    result = reevaluate(run, QUIET, "last")
    assert result.differences == ()
    assert set(result.values) - set(result.recorded) == set(names)
    assert set(run.describe().metrics).isdisjoint(names)
    assert result.outside.startswith("held-out 1017@")
    assert result.outside in result.protocols[names[1]]
    assert reevaluate(run, QUIET, "last", ["vendi"]).outside == ""
    with pytest.raises(RequestError, match="mnist-5k has none here"):
        reevaluate(outcome.run, QUIET, "last", names)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metrics", "fd_digit"], "did you mean 'fd_digits_garments'"),
        (["--checkpoint", "7"], "checkpoint '7' does not exist"),
        (["--samples", "1"], "'--samples': 1 is not in the range 100<=x<=100000000"),
        (["--eval-seeds", "0"], "'--eval-seeds': 0 is not in the range 1<=x<=1000"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], told: str, outcome: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", outcome.run.id, *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]


class Brightness(ImageExtractor):
    """An extractor of another package."""

    name = "brightness"
    width = 1
    preprocessing = "none"
    trained_on = ()

    def extract(self, images: Tensor) -> tuple[Tensor, None]:
        return images.float().mean(dim=(1, 2, 3))[:, None], None


def test_another_metric_than_measured_is_answered_with_each_that_can_be_had_here_once(
    outcome: RunResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # of the wishes, `fid` needs weights that are not here, and two others have networks for other images
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/no/such/folder")
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: None)
    monkeypatch.setattr(EfficientNetLite0, "modules", ("no_such_module",))
    monkeypatch.setattr(errors, "LONGEST_LIST", 1000)
    measured = set(outcome.record.evaluations[-1].values)
    network = DigitsGarments()
    requested = {metric.recorded_as(network) for metric in metrics_for(network, on_request=True)}
    with EXTRACTORS.restored():
        for name, present, channels in (("a", True, (1,)), ("b", True, (3,)), ("c", False, (1, 3))):
            row = Availability(name, f"fd_{name}", present, "", (), None, "", "")
            members = {
                "name": name,
                "channels": channels,
                "availability": classmethod(lambda *_, row=row: row),
            }
            register(type("Thumbnail", (Brightness,), members | {"__qualname__": name}))
        assert main(["eval", outcome.run.id, "--metrics", "prec"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    listed = line.partition("allowed are ")[2].partition(";")[0].split(", ")
    assert listed == sorted({*measured, *requested, "fd_a"})
    assert line.endswith("; did you mean 'precision'?")


def test_the_run_is_only_read(outcome: RunResult, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in outcome.run.path.rglob("*") if path.is_file()}
    assert main(["eval", "last", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["values"] == told["recorded"]
    assert {path: path.read_bytes() for path in outcome.run.path.rglob("*") if path.is_file()} == before
    assert record.read(outcome.run.record_path).resumes == 0


def test_a_run_without_a_checkpoint_is_refused(outcome: RunResult, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / outcome.run.id)
    shutil.copytree(outcome.run.path, run.path)
    for path in run.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(RequestError, match="has none"):
        reevaluate(run, QUIET)
