"""Runs without a judge (`extractor: none`): trained, listed and compared like others, judged later."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import bench
from bench.cli import main
from bench.comparing.frame import results
from bench.execution.progress import Progress
from bench.execution.reevaluation import reevaluate
from bench.execution.session import resume, start
from bench.execution.setup import set_up
from bench.execution.verification import verify
from bench.judging.extractors import images, inception_weights
from bench.judging.extractors.registry import EXTRACTORS, ImageExtractor, register
from bench.runs import run_folder
from bench.runs.generator import load
from bench.runs.result import RunResult
from bench.system.errors import RequestError, WorkError
from bench.training.trainer import Interrupted

QUIET = Progress(quiet=True)


@dataclass(frozen=True)
class Pair:
    """Two runs of equal settings in one results folder, one of them judged; read only."""

    home: Path
    unjudged: RunResult
    judged: RunResult


@pytest.fixture(scope="module")
def trained(small: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Pair:
    home = tmp_path_factory.mktemp("unjudged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        judged = small.run(small.tiny("began-v3", ema_decay=0.5))
        return Pair(home, small.run(small.tiny("began-v3", ema_decay=0.5, extractor="none")), judged)


@pytest.fixture
def pair(trained: Pair, bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setenv("BENCH_HOME", str(trained.home))
    return trained


@pytest.fixture
def registry() -> Iterator[None]:
    with EXTRACTORS.restored():
        yield


def test_a_judge_changes_no_bit_of_training(pair: Pair, small: SimpleNamespace) -> None:
    assert pair.unjudged.record.steps == pair.judged.record.steps
    states = [small.final_state(each.run) for each in (pair.unjudged, pair.judged)]
    assert small.same(*states)
    grids = [sorted(each.run.samples.glob("*.png")) for each in (pair.unjudged, pair.judged)]
    assert [path.name for path in grids[0]] == [f"step-0000000{step}.png" for step in (4, 8, 9)]
    assert [path.read_bytes() for path in grids[0]] == [path.read_bytes() for path in grids[1]]


def test_it_records_all_but_metrics_and_keeps_the_checkpoints_that_need_no_distance(pair: Pair) -> None:
    outcome, judged = pair.unjudged, pair.judged
    described = outcome.description
    assert described.config.flat()["extractor"] is None
    assert not described.is_judged
    assert (described.metric, described.protocol, described.paired) == ("", "", 0)
    assert dict(described.metrics) == dict(described.real) == {}
    assert [(each.step, dict(each.values)) for each in outcome.record.evaluations] == [
        (step, {}) for step in (4, 8, 9)
    ]
    of_scalars = {name: value for name, value in judged.best.items() if not name.startswith("fd_")}
    assert outcome.best == of_scalars
    assert set(outcome.best) == {"M_best", "M_best_step"}
    assert load(outcome.run, "best").step == load(outcome.run, "last").step == 9
    assert load(outcome.run, "best-M").step == outcome.best["M_best_step"]
    assert outcome.health == "ok"


def test_python_sees_no_metrics(pair: Pair) -> None:
    outcome = bench.read_run(pair.unjudged.run.id)
    assert outcome.metrics == {}
    assert list(outcome.evaluations().columns) == ["counted"]
    assert outcome.evaluations().empty
    assert len(outcome.trajectory("M", "k")) == 9
    assert repr(outcome) == f"RunResult({outcome.name}: 9 steps, ok)"
    assert outcome._repr_html_().count("<table") == 1


def test_nothing_is_loaded_or_measured(
    small: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: None
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))

    def refuse(*arguments: object, **options: object) -> ImageExtractor:
        raise AssertionError("a judge's network was wanted")

    for kind in EXTRACTORS.entries().values():
        monkeypatch.setattr(kind, "create", refuse)
    outcome = small.run(small.tiny("began", extractor="none", figures=True, steps=4))
    assert outcome.record.end.status == "FINISHED"
    assert {path.stem for path in outcome.run.figures.glob("*.png")} >= {"trajectories", "neighbours"}
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {"images", "sources", "data"}


def test_data_with_known_modes_need_no_judge_and_have_only_one(small: SimpleNamespace) -> None:
    settings = {"dataset": "ring-8", "preset": "points", "steps": 4}
    outcome = small.run(small.tiny("began", **settings, extractor="none"))
    assert outcome.best.keys() == {"M_best", "M_best_step"}
    assert "modes_covered" in reevaluate(outcome.run, QUIET).values


def test_stopped_resumed_and_extended_it_ends_at_the_same_bits_and_is_verified(
    small: SimpleNamespace, bench_home: Path
) -> None:
    whole = small.run(small.tiny("began", extractor="none", steps=12))
    with pytest.raises(Interrupted):
        start(small.tiny("began", extractor="none"), small.StopAfter(5))
    part = run_folder.find("last")
    resume(part, QUIET)
    extended = resume(part, QUIET, steps=12)
    assert small.same(small.final_state(whole.run), small.final_state(part))
    assert extended.record.steps == whole.record.steps
    result = verify(part, QUIET)
    assert result.exact
    assert result.verified, result.undecided


def test_it_is_judged_later_by_a_named_judge_as_if_it_had_been_judged(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    word = pair.unjudged.run.id
    assert main(["eval", word]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"bench: run {pair.unjudged.name} has no judge (extractor none): name one by --extractor, "
        f"allowed are {', '.join(sorted(EXTRACTORS.entries()))}"
    )
    assert main(["eval", word, "--extractor", "none"]) == 2
    assert "unknown extractor 'none': allowed are" in capsys.readouterr().err
    assert main(["eval", word, "--extractor", "shipped", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["values"] == dict(pair.judged.record.evaluations[-1].values)
    assert told["real"] == dict(pair.judged.description.real)
    assert (told["recorded"], told["beside"]) == ({}, {})
    assert told["differences"] == ["the run has no judge"]
    # a metric of one judge names the judge, too
    one = reevaluate(pair.unjudged.run, QUIET, metrics=["fd_digits_garments"])
    assert one.values == {"fd_digits_garments": told["values"]["fd_digits_garments"]}


class Brightness(ImageExtractor):
    """A judge of another package."""

    name = "brightness"
    width = 1
    preprocessing = "none"
    trained_on = ()

    def extract(self, images: Tensor) -> tuple[Tensor, None]:
        return images.float().mean(dim=(1, 2, 3))[:, None], None


def test_another_judge_stands_beside_what_a_judged_run_recorded(
    pair: Pair, registry: None, capsys: pytest.CaptureFixture[str]
) -> None:
    register(Brightness)
    recorded = dict(pair.judged.record.evaluations[-1].values)
    words = ["eval", pair.judged.run.id, "--checkpoint", "last", "--extractor"]
    assert main([*words, "brightness", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "fd_brightness" in told["values"]
    assert "fd_digits_garments" not in told["values"]
    assert all(protocol.startswith("brightness@") for protocol in told["metric.protocol"].values())
    assert told["beside"] == recorded
    assert told["recorded"] == {}
    assert main([*words, "brightness"]) == 0
    *_, table = capsys.readouterr().out.split("\n\n")
    head, *lines = table.splitlines()
    assert head == f"Recorded, by {pair.judged.description.protocol}:"
    assert [line.split()[0] for line in lines[1:]] == list(recorded)
    # the run's own judge by name is no other one
    assert main([*words, "shipped", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recorded"], told["beside"]) == (recorded, {})


@pytest.mark.parametrize(
    "words", [["table"], ["table", "--wide"], ["runs"], ["plot", "--variant", "began-v3"]]
)
def test_commands_over_runs_take_it_among_others(
    words: list[str], pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0] == "plot":
        words = [*words, "--out", str(tmp_path / "figures")]
    assert main(words) == 0
    told = capsys.readouterr().out
    if words[0] == "table":
        row = next(line for line in told.splitlines() if "extractor=none" in line and "|" in line)
        assert "not judged" in row
        assert "Not judged (extractor none), so that a collapse is not seen" in told
        assert "Protocol: ." not in told
    if words == ["runs"]:
        rows = [line for line in told.splitlines() if "began-v3" in line]
        assert len(rows) == 2
        assert "fd_digits_garments" in told.splitlines()[0]


def test_commands_over_runs_take_it_alone(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ["--where", f"run_id == '{pair.unjudged.run.id}'"]
    for words in (
        ["table", *only],
        ["table", *only, "--wide"],
        ["table", *only, "--format", "json"],
        ["report", *only, "--out", str(tmp_path / "page.html")],
        ["runs", pair.unjudged.run.id],
    ):
        assert main(words) == 0, words
        assert capsys.readouterr().out
    assert (
        "1 of 1 runs was not judged, so that a collapse is not seen" in (tmp_path / "page.html").read_text()
    )
    frame = results(where=f"run_id == '{pair.unjudged.run.id}'")
    row = frame.iloc[0]
    assert (row["metric"], row["protocol"], row["step"]) == ("", "", 9)
    last = [step["M"] for step in pair.unjudged.record.steps][-1]
    assert row["M"] == pytest.approx(last)
    assert main(["table", *only, "--metric", "fd_digits_garments"]) == 2
    assert "the runs were judged by no judge (extractor none)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["run", "--variant", "began", "--set", "stop_on=collapse"],
            "stop_on: 'collapse' needs a judge, and extractor is none: give one of them",
        ),
        (
            ["study", "gamma-lr-lambda"],
            "objective 'frechet_distance' needs a judge, and extractor is none: allowed are scalars of ",
        ),
    ],
)
def test_what_needs_a_judge_is_refused_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], bench_home: Path
) -> None:
    assert main([*words, "--set", "extractor=none"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bench: {told}")
    assert not bench_home.exists()


class Heard(Progress):
    """Keeps the lines of a start."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def without_inception(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that neither has Inception's weights nor can fetch them."""

    def fail(cache: Path) -> Path:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: None)
    monkeypatch.setattr(inception_weights, "download", fail)


def test_a_network_that_stands_in_is_named_before_the_first_step_and_goes_on_judging(
    small: SimpleNamespace, without_inception: None, monkeypatch: pytest.MonkeyPatch, bench_home: Path
) -> None:
    heard = Heard()
    outcome = start(small.tiny("began", extractor="inception"), heard)
    (line,) = [line for line in heard.lines if line.startswith("judge: ")]
    assert line.startswith(
        "judge: fd_digits_garments (shipped network), since Inception's weights are not on this machine: "
    )
    assert line.endswith("; extractor=none trains without a judge")
    assert heard.lines.index(line) < next(n for n, text in enumerate(heard.lines) if text.startswith("run "))
    # the wanted one becomes available: the run goes on with the judge that it began with
    monkeypatch.setattr(images.Inception, "create", classmethod(lambda *_: Brightness()))
    resume(outcome.run, QUIET, steps=12)
    assert verify(outcome.run, QUIET).verified
    assert reevaluate(outcome.run, QUIET, "last").recorded


def test_nothing_is_said_of_a_judge_that_was_wanted(small: SimpleNamespace, without_inception: None) -> None:
    heard = Heard()
    set_up(small.tiny("began"), heard)
    set_up(small.tiny("began", dataset="ring-8", preset="points", extractor="inception"), heard)
    assert not [line for line in heard.lines if line.startswith("judge: ")]


def test_a_named_judge_has_no_stand_in(pair: Pair, without_inception: None) -> None:
    with pytest.raises(WorkError, match="extractor inception cannot judge here: Inception's weights are not"):
        reevaluate(pair.judged.run, QUIET, extractor="inception")


class Absent(Brightness):
    """A judge whose weights are missing."""

    name = "absent"

    @classmethod
    def create(
        cls, channels: int, cache: Path, allow_download: bool = False, device: torch.device | str = "cpu"
    ) -> ImageExtractor:
        raise WorkError("the weights are missing")


class Lacking(Brightness):
    """A judge whose file lacks the classifier."""

    name = "lacking"
    lacks = "lacking: the file has no classifier"


def test_what_a_judge_cannot_measure_is_said_in_one_line_before_the_first_step(
    small: SimpleNamespace, registry: None
) -> None:
    register(Lacking)
    heard = Heard()
    start(small.tiny("began", extractor="lacking", steps=2), heard)
    assert heard.lines.count(Lacking.lacks) == 1
    first_line_of_the_run = next(n for n, text in enumerate(heard.lines) if text.startswith("run "))
    assert heard.lines.index(Lacking.lacks) < first_line_of_the_run


class Grey(Brightness):
    """A judge of grey images."""

    name = "grey"
    channels = (1,)


@pytest.mark.parametrize(("judge", "error"), [("absent", WorkError), ("grey", RequestError)])
def test_a_judge_refuses_before_an_image_is_decoded(
    judge: str,
    error: type[Exception],
    small: SimpleNamespace,
    registry: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(Absent)
    register(Grey)
    photos, cache = tmp_path / "photos", tmp_path / "cache"
    photos.mkdir()
    for number in range(12):
        Image.fromarray(np.full((16, 16, 3), number, np.uint8)).save(photos / f"{number}.png")
    monkeypatch.setenv("BENCH_CACHE", str(cache))
    settings = {"dataset": f"folder:{photos}", "image_size": 16, "steps": 2, "eval_every": 0}
    with pytest.raises(error):
        set_up(small.tiny("began", **settings, extractor=judge), QUIET)
    assert not (cache / "images").exists()
    # training is not refused
    assert small.run(small.tiny("began", **settings, extractor="none")).health == "ok"


def test_the_tracking_store_says_that_nothing_judged(pair: Pair) -> None:
    from bench.tracking import notes, store

    described = pair.unjudged.description
    assert store.tags_of(described)["metric.protocol"] == "none"
    told = notes.of_run(described, pair.unjudged.record.end, {})
    assert told.startswith("**ok** after 9 steps\n")
    assert "Judged by" not in told


def test_its_exported_samples_are_judged_by_the_default(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sample", pair.unjudged.run.id, "--count", "100", "--out", str(tmp_path / "samples.npz")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "bench judge" in told
    assert "--extractor" not in told
