"""Whole runs: what is recorded, repeated and resumed."""

import json
import math
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.execution.setup import set_up
from bench.health import alarms
from bench.health.verdict import RULES
from bench.runs import record, run_folder
from bench.runs.description import HealthSign
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, WorkError
from bench.training.trainer import Diverged, Interrupted
from variants.registry import all_variants
from variants.scalars import TrainingScalar

VARIANTS = sorted(all_variants())


class StopAt(Progress):
    """Sends this process a signal when a step has been evaluated."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        super().__init__(quiet=True)
        self.step, self.number = step, number

    def on_evaluation(self, evaluation: record.Evaluation, grid: torch.Tensor) -> None:
        super().on_evaluation(evaluation, grid)
        if evaluation.step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_records_every_step_judges_itself_and_keeps_its_best(
    variant: str, small: SimpleNamespace
) -> None:
    outcome = small.run(small.tiny(variant))
    rows, run = outcome.record, outcome.run
    assert [row["step"] for row in rows.steps] == list(range(1, 10))
    assert {"loss_d", "loss_g", "lr_d", "lr_g"} <= set(rows.steps[0])
    assert [evaluation.step for evaluation in rows.evaluations] == [4, 8, 9]
    assert rows.end is not None
    assert rows.end.status == "FINISHED"
    metric = outcome.description.metric
    assert rows.end.best[f"{metric}_best"] == min(each.values[metric] for each in rows.evaluations)
    at_six = next(saved for saved in rows.checkpoints if saved.step == 6)
    selecting = [scalar.name for scalar in all_variants()[variant].scalars if scalar.selects]
    assert list(at_six.means) == selecting
    for name in selecting:
        last = [row[name] for row in rows.steps if 4 < row["step"] <= 6]
        assert at_six.means[name] == pytest.approx(sum(last) / 2)
        means = {saved.step: saved.means[name] for saved in rows.checkpoints}
        assert list(means) == [3, 4, 6, 8, 9]
        assert rows.end.best[f"{name}_best"] == min(means.values())
        assert means[rows.end.best[f"{name}_best_step"]] == min(means.values())
        assert load(run, f"best-{name}").step == rows.end.best[f"{name}_best_step"]
    assert {path.name for path in run.samples.iterdir()} == {f"step-0000000{n}.png" for n in (4, 8, 9)}
    assert load(run, "best").step == rows.end.best[f"{metric}_best_step"]
    assert load(run, "last").step == 9


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    variant: str, small: SimpleNamespace
) -> None:
    first, second = (small.run(small.tiny(variant, steps=4)).run for _ in range(2))
    assert small.same(small.final_state(first), small.final_state(second))
    assert small.numbers(first) == small.numbers(second)
    other = small.run(small.tiny(variant, steps=4, seed=1)).run
    assert small.numbers(first) != small.numbers(other)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_and_resumed_run_ends_as_one_never_stopped(
    variant: str, number: int, small: SimpleNamespace
) -> None:
    values = {"ema_decay": 0.9, "lr_rule": "halve_every", "lr_window": 3, "lr_floor": 0.0}
    whole = small.run(small.tiny(variant, **values)).run
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny(variant, **values), StopAt(4, number))
    run = run_folder.find(str(stopped.value))
    end = record.read(run.record_path).end
    assert end is not None
    assert end.status == "KILLED"
    outcome = resume(run, Progress(quiet=True))
    assert outcome.record.end is not None
    assert outcome.record.end.status == "FINISHED"
    assert small.same(small.final_state(run), small.final_state(whole))
    assert small.numbers(run) == small.numbers(whole)


def test_rates_that_wait_for_a_stall_resume_alike(small: SimpleNamespace) -> None:
    # networks that hardly move: M of a single step goes up as often as down
    values = {"lr_rule": "halve_on_stall", "lr_window": 1, "lr_floor": 0.0, "lr_g": 1e-9, "lr_d": 1e-9}
    whole = small.run(small.tiny("began", **values)).run
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("began", **values), StopAt(4))
    run = run_folder.find(str(stopped.value))
    resume(run, Progress(quiet=True))
    rows = small.numbers(run)[0]
    assert (rows, small.numbers(run)[1]) == small.numbers(whole)
    lowest, rate = rows[0]["M"], 1e-9
    for before, row in zip(rows[:-1], rows[1:], strict=True):
        if before is not rows[0]:
            rate = rate / 2 if before["M"] >= lowest else rate
            lowest = min(lowest, before["M"])
        assert row["lr_g"] == rate
    assert rate < 1e-9


@pytest.fixture
def wakeful(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> tuple[TrainingScalar, ...]:
    """New runs of BEGAN v3 have rules by which even nine steps raise alarms; returns the usual scalars."""
    usual = all_variants()["began-v3"].scalars
    small.quick_alarms(monkeypatch, "began-v3")
    return usual


def test_alarms_stand_in_the_record_after_the_rows_that_raised_them(
    wakeful: tuple[TrainingScalar, ...], small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = small.run(small.tiny("began-v3"))
    rows, scalars = outcome.record, outcome.description.scalars
    assert scalars == all_variants()["began-v3"].scalars != wakeful
    assert rows.alarms == alarms.alarms_of(rows.steps, scalars)
    assert rows.alarms
    lines = [json.loads(line) for line in outcome.run.record_path.read_text().splitlines()]
    for place, line in enumerate(lines):
        if line.get("event") == "alarm":
            assert max(row["step"] for row in lines[:place] if "event" not in row) >= line["step"]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: step")]
    assert said == [f"warning: step {alarm.step:,}: {alarm.message}" for alarm in rows.alarms]


@pytest.mark.parametrize("stop", [4, 8])
def test_a_stopped_and_resumed_run_has_the_alarms_of_one_never_stopped(
    stop: int, wakeful: tuple[TrainingScalar, ...], small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small.run(small.tiny("began-v3")).record.alarms
    steps = [alarm.step for alarm in whole]
    assert min(steps) <= 4 < max(steps)
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("began-v3"), StopAt(stop))
    run = run_folder.find(str(stopped.value))
    assert record.read(run.record_path).alarms == [alarm for alarm in whole if alarm.step <= stop]
    # what a kill leaves: no end, and alarms of steps after the newest checkpoint
    lines = [json.loads(line) for line in run.record_path.read_text().splitlines()][:-1]
    last = next(line for line in reversed(lines) if "event" not in line)
    lines.append(last | {"step": stop + 1})
    lines.append({"event": "alarm", "step": stop + 1, "kind": "k-at-1", "message": ""})
    run.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    # a version with other rules goes on with those of the run
    monkeypatch.setattr(all_variants()["began-v3"], "scalars", wakeful)
    assert resume(run, Progress(quiet=True)).record.alarms == whole


def test_a_damaged_newest_checkpoint_is_passed_over(small: SimpleNamespace) -> None:
    whole = small.run(small.tiny("began")).run
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("began"), StopAt(4))
    run = run_folder.find(str(stopped.value))
    newest = max(run.checkpoints.iterdir())
    newest.write_bytes(newest.read_bytes()[:-7])
    resume(run, Progress(quiet=True))
    assert small.numbers(run) == small.numbers(whole)
    assert small.same(small.final_state(run), small.final_state(whole))


def test_a_run_killed_before_its_first_checkpoint_starts_again(small: SimpleNamespace) -> None:
    whole = small.run(small.tiny("began")).run
    run = small.run(small.tiny("began")).run
    for path in run.checkpoints.iterdir():
        path.unlink()
    lines = run.record_path.read_bytes().splitlines(keepends=True)
    run.record_path.write_bytes(b"".join(lines[:2]) + lines[2][:5])
    resume(run, Progress(quiet=True))
    assert small.numbers(run) == small.numbers(whole)


def test_resuming_a_complete_run_changes_nothing(small: SimpleNamespace) -> None:
    run = small.run(small.tiny("began", steps=3)).run
    before = run.record_path.read_bytes()
    outcome = resume(run, Progress(quiet=True))
    assert outcome.record.end is not None
    assert run.record_path.read_bytes() == before


def test_a_run_in_training_cannot_be_resumed_by_another_process(small: SimpleNamespace) -> None:
    run = small.run(small.tiny("began", steps=3)).run
    with run.lock(), pytest.raises(RequestError, match="being trained"):
        resume(run_folder.RunFolder(run.path), Progress(quiet=True))


def test_data_that_changed_cannot_be_resumed_on(small: SimpleNamespace, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for shade in range(16):
        Image.new("L", (28, 28), shade * 16).save(folder / f"{shade:02}.png")
    configuration = small.tiny("began", dataset=f"folder:{folder}", channels=1)
    with pytest.raises(Interrupted) as stopped:
        start(configuration, StopAt(4))
    Image.new("L", (28, 28), 255).save(folder / "00.png")
    with pytest.raises(WorkError, match="changed"):
        resume(run_folder.find(str(stopped.value)), Progress(quiet=True))


def test_a_diverged_run_fails_and_says_where(small: SimpleNamespace) -> None:
    with pytest.raises(Diverged) as error:
        small.run(small.tiny("began", lr_g=1e30, lr_d=1e30, norm="l2", steps=40, eval_every=0))
    run = run_folder.find("last")
    rows = record.read(run.record_path)
    assert rows.end is not None
    assert rows.end.status == "FAILED"
    assert rows.end.health == f"diverged@{error.value.step}"
    assert rows.steps[-1]["step"] == error.value.step


def test_a_run_whose_samples_are_not_finite_has_diverged_in_that_evaluation(small: SimpleNamespace) -> None:
    # the first update ruins the generator; all scalars so far are of the step before it
    with pytest.raises(Diverged, match="diverged at step 1: a generated sample is not finite"):
        small.run(small.tiny("began", lr_g=1e30, steps=3, eval_every=1))
    run = run_folder.find("last")
    rows = record.read(run.record_path)
    assert rows.end is not None
    assert (rows.end.status, rows.end.health) == ("FAILED", "diverged@1")
    assert rows.evaluations == []
    assert all(math.isfinite(value) for value in rows.steps[-1].values())


def test_a_diverged_run_has_its_end_and_its_trajectories(small: SimpleNamespace) -> None:
    with pytest.raises(Diverged):
        small.run(small.tiny("began", lr_g=1e30, lr_d=1e30, steps=40, eval_every=0, figures=True))
    run = run_folder.find("last")
    rows = record.read(run.record_path)
    assert rows.end is not None
    assert rows.end.health.startswith("diverged@")
    assert not all(math.isfinite(value) for value in rows.steps[-1].values())
    assert {path.name for path in run.figures.iterdir()} == {"trajectories.png", "trajectories.svg"}


def test_trajectories_that_cannot_be_drawn_do_not_hide_how_a_run_ended(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(run: RunFolder) -> None:
        end = record.read(run.record_path).end
        raise ValueError(f"no pen, {end and end.status}")

    monkeypatch.setattr("bench.figures.of_run.draw_trajectories", fail)
    with pytest.raises(Diverged):
        small.run(small.tiny("began", lr_g=1e30, lr_d=1e30, steps=40, eval_every=0, figures=True))
    run = run_folder.find("last")
    assert f"(no pen, FAILED): try bench plot {run.id}" in capsys.readouterr().err
    assert run.is_over()


@pytest.mark.parametrize(("real", "health"), [(1e6, "collapsed@4"), (0.0, "ok")])
def test_a_resumed_run_is_judged_by_the_real_scores_that_it_began_with(
    real: float, health: str, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.judging.judge.Judge.measure_real", lambda *_: {"vendi": 0.0})
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("wgan-gp"), StopAt(4))
    run = run_folder.find(str(stopped.value))
    assert run.describe().real == {"vendi": 0.0}
    before = run.describe().model_copy(update={"real": {"vendi": real}})
    run.write_description(before)
    outcome = resume(run, Progress(quiet=True))
    assert outcome.record.end is not None
    assert outcome.record.end.health == health
    assert run.describe() == before


@pytest.mark.parametrize(("part", "health"), [(0.65, "collapsed@4"), (0.0, "ok")])
def test_a_resumed_run_is_judged_by_the_rules_of_health_that_it_began_with(
    part: float, health: str, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.judging.judge.Judge.measure_real", lambda *_: {"vendi": 1e6})
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("wgan-gp"), StopAt(4))
    run = run_folder.find(str(stopped.value))
    rules = {"collapse": (HealthSign(metric="vendi", below=part),), "memorisation": ()}
    before = run.describe()
    changed = before.health_rules.model_copy(update=rules)
    run.write_description(before.model_copy(update={"health_rules": changed}))
    outcome = resume(run, Progress(quiet=True))
    assert outcome.record.end is not None
    assert outcome.record.end.health == health


def test_rules_of_health_that_are_none_are_told_in_one_line(small: SimpleNamespace) -> None:
    with pytest.raises(Interrupted) as stopped:
        start(small.tiny("wgan-gp"), StopAt(4))
    run = run_folder.find(str(stopped.value))
    usual = RULES.model_dump()
    for rules, message in (
        (usual | {"x": 1}, "health_rules: x is unknown"),
        ([], "health_rules has a value of the wrong type"),
        (usual | {"memorisation": "much"}, "health_rules: memorisation has a value of the wrong type"),
        (usual | {"stuck_over_last": 7}, "health_rules: stuck_over_last is out of range: .* equal to 1"),
        (
            usual | {"collapse": [{"metric": "vendi", "below": "half"}]},
            "collapse: 0: below has a value of the wrong type",
        ),
    ):
        small.redescribe(run, "health_rules", value=rules)
        with pytest.raises(WorkError, match=f"is damaged: .*{message}"):
            resume(run, Progress(quiet=True))


def test_a_run_says_what_it_measures_and_by_what_rules_it_is_judged(small: SimpleNamespace) -> None:
    outcome = small.run(small.tiny("began", steps=2))
    description = outcome.run.describe()
    assert set(description.metrics) == set(description.real)
    assert "k = 5" in description.metrics["coverage"].settings
    assert description.paired == 100
    assert description.health_rules == RULES


@pytest.mark.parametrize("word", ["last", "name", "id", "prefix"])
def test_a_run_is_found_by_id_prefix_name_or_last(word: str, small: SimpleNamespace) -> None:
    run = small.run(small.tiny("began", steps=2)).run
    words = {"last": "last", "name": run.describe().name, "id": run.id, "prefix": run.id[:7]}
    assert run_folder.find(words[word]).path == run.path


def test_a_run_that_does_not_exist_is_refused(small: SimpleNamespace) -> None:
    with pytest.raises(RequestError, match="there are no runs"):
        run_folder.find("last")
    small.run(small.tiny("began", steps=2))
    with pytest.raises(RequestError, match="does not exist"):
        run_folder.find("zzz")


def test_two_variants_of_one_seed_see_the_same_images_in_the_same_order(small: SimpleNamespace) -> None:
    setups = [set_up(small.tiny(name), Progress(quiet=True)) for name in ("began", "began-v3")]
    for index in (0, 3, 700):
        assert torch.equal(setups[0].batches.get(index), setups[1].batches.get(index))
