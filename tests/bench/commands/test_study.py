"""``bench study``: dry runs, refusals, the search to its end, the winners on fresh seeds."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import bench
from bench.cli import main
from bench.configuration import resolve
from bench.execution.progress import Progress
from bench.execution.session import start
from bench.runs import record, run_folder
from bench.runs.description import StudyTrial
from bench.system import paths
from bench.system.errors import RequestError
from bench.training.trainer import Callback, Interrupted
from studies import shipped

FILE = """
variant: began
search: {gamma: declared, lr: {knobs: [lr_g, lr_d]}, alpha: declared}
settings:
  preset: quick
  steps: 12
  filters: 4
  latent_dim: 6
  batch_size: 8
  eval_every: 4
  eval_samples: 100
sampler: {name: tpe, startup_trials: 2}
pruner: {name: none, collapse_after: 1}
trials: 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tried.yaml"
    path.write_text(FILE)
    return path


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_dry_run_of_each_shipped_study_tells_what_would_be_searched(
    name: str, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", name, "--dry-run", "--json"]) == 0
    (study,) = told(capsys)["studies"]
    assert study["name"].startswith(f"{name}-began-v3-")
    assert {"gamma", "lambda_k"} <= set(study["search"])
    assert not bench_home.exists()


def test_a_dry_run_tells_what_a_variant_lacks(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(file), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "alpha: began has no such knob" in out
    assert "lr_g = lr_d: 1e-05 to 0.005 (log)" in out
    assert "3 trials of 12 steps" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smok"], "unknown study 'smok': .*did you mean 'smoke'"),
        (["smoke", "--variant", "began-v4"], "unknown variant 'began-v4'.*did you mean 'began-v3'"),
        (["smoke", "--set", "gamma=0.5"], "gamma is searched: it cannot be set"),
        (["smoke", "--set", "seed=3"], "seed: a study's seeds are those of its file"),
        (["smoke", "--set", "variant=began"], "variant: a study's variants are named by --variant"),
        (["smoke", "--set", "filterz=3"], "unknown configuration key for began-v3 'filterz'"),
        (
            ["smoke", "--set", "collapse_after=1"],
            "no key of a run: it belongs into the study file, as pruner: {collapse_after: 1}",
        ),
        (
            ["smoke", "--set", "startup_trials=3"],
            "as pruner: {startup_trials: 3} or sampler: {startup_trials: 3}",
        ),
        (["smoke", "--set", "trials=3"], "trials is no key of a run: .* the study file, as trials: 3$"),
        (["smoke", "--set", "stop_on=collapse"], "stop_on: leave it out: .* by collapse_after of its pruner"),
        (["smoke", "--set", "eval_samples=1"], "eval_samples: '1' is not possible"),
        (["smoke", "--storage", "sqlite:///x.db"], "--storage 'sqlite': give postgresql://"),
        (["smoke", "--trials", "0"], "0 is not in the range"),
        (["smoke", "--workers", "0"], "0 is not in the range"),
        (["smoke", "--cluster", "slurm"], "--cluster slurm: "),
        (["smoke", "--set", "dataset=mnits"], "unknown data set 'mnits'|unknown dataset 'mnits'"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line_and_leaves_nothing(
    words: list[str], message: str, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert re.search(message, error[0])
    assert not bench_home.exists()


def test_a_search_of_an_unknown_knob_names_the_file_and_what_this_variant_can_search(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE.replace("gamma: declared", "gama: declared"))
    assert main(["study", str(file)]) == 2
    line = capsys.readouterr().err
    assert line.startswith("bench: study tried: search.gama: unknown knob 'gama': allowed are ")
    assert line.endswith("did you mean 'gamma'?\n")
    assert not re.search("dataset|alpha|device", line)


def test_settings_of_a_file_hold_no_keys_of_its_pruner(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE.replace("settings:", "settings:\n  warmup: 0.5"))
    assert main(["study", str(file)]) == 2
    assert (
        "warmup is no key of a run: it belongs into the study file, as pruner: {warmup: 0.5}"
        in capsys.readouterr().err
    )


def test_a_study_that_was_begun_is_continued_by_its_file(
    file: Path, bench_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    assert main(["study", "tried"]) == 2
    assert (
        "study 'tried' is none of the project's: did you mean the file tried.yaml?" in capsys.readouterr().err
    )
    for name in ("tried-began-1a2b3c", "smoke-began-123456"):
        (bench_home / "mlruns" / "studies" / name).mkdir(parents=True)
        (bench_home / "mlruns" / "studies" / name / "study.json").write_text("{}")
    for words in (["tried"], ["tried-began-1a2b3c"]):
        assert main(["study", *words, "--dry-run"]) == 2
        line = capsys.readouterr().err
        assert f"study {words[0]!r} has begun, as tried-began-1a2b3c in {bench_home}" in line
        assert line.endswith("and its file continues it: bench study tried.yaml\n")
    file.rename(file.with_name("elsewhere.yaml"))
    assert main(["study", "tried"]) == 2
    assert capsys.readouterr().err.endswith("bench study FILE.yaml\n")
    assert main(["study", "smoke-began-123456"]) == 2
    assert capsys.readouterr().err.endswith("bench study smoke\n")


def test_a_length_in_epochs_takes_the_place_of_the_files_steps(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "epochs=1", "--set", "batch_size=50", "--dry-run", "--json"]
    assert main(["study", "smoke", *words]) == 0
    assert told(capsys)["studies"][0]["config"]["steps"] == 100


def test_a_dry_run_of_two_objectives_says_what_ends_a_trial_early(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = "objectives: [{metric: frechet_distance}, {metric: effective_classes}]\n"
    file.write_text(FILE.replace("{name: none, collapse_after: 1}", "{name: median}") + two)
    assert main(["study", str(file), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    early = {line.partition("  ")[0]: line.partition("  ")[2].strip() for line in lines}
    assert early["pruner"] == "none: median needs one objective, and there are 2"
    assert early["collapse"] == (
        "a collapsed evaluation from step 8 of a run on ends its trial (collapse_after 0.5)"
    )
    assert early["divergence"] == "a trial whose loss is not finite ends at once"


def test_an_objective_may_not_be_named_twice_by_two_names(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE + "objectives: [{metric: frechet_distance}, {metric: fd_digits_garments}]\n")
    assert main(["study", str(file), "--dry-run"]) == 2
    assert "objectives name 'fd_digits_garments' twice" in capsys.readouterr().err


def test_an_objective_that_no_run_records_is_refused(
    file: Path, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE + "objectives: [{metric: coverge}]\n")
    assert main(["study", str(file)]) == 2
    assert "unknown metric 'coverge': allowed are " in (line := capsys.readouterr().err)
    assert line.endswith("did you mean 'coverage'?\n")
    assert not bench_home.exists()


@pytest.mark.slow
def test_variants_get_the_same_budget_and_winners_are_trained_on_fresh_seeds(
    file: Path, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE + "fresh_seeds: [7]\nseeds: [0, 1]\n")
    command = ["study", str(file), "--variant", "began,began-cs", "--workers", "2", "--json"]
    command += ["--set", "figures=false", "--set", "tracking=false"]
    assert main(command) == 0
    outcome = told(capsys)
    assert [study["spent"] for study in outcome["studies"]] == [3, 3]
    for study, variant in zip(outcome["studies"], ("began", "began-cs"), strict=True):
        folder = Path(study["folder"])
        made = {path.name for path in folder.iterdir()}
        assert {"table.md", "trials.csv", "best.yaml"} <= made
        assert "figures" not in made
        best = resolve({}, folder / "best.yaml")
        assert best.variant.name == variant
        # the value is the mean over seeds, each seed's run is below mlruns/runs
        runs = [
            run for run in run_folder.all_runs() if trial_of(run) == (study["name"], study["best"]["number"])
        ]
        values = [record.read(run.record_path).evaluations[-1].values["fd_digits_garments"] for run in runs]
        assert len(values) == 2
        assert study["best"]["values"]["fd_digits_garments"] == pytest.approx(sum(values) / 2, rel=1e-12)
        fresh = [run.describe().config.flat() for run in run_folder.all_runs() if trial_of(run) is None]
        mine = [config for config in fresh if config["variant"] == variant]
        assert [config["seed"] for config in mine] == [7]
        assert {(config["gamma"], config["lr_g"]) for config in mine} == {
            (study["best"]["params"]["gamma"], study["best"]["params"]["lr"])
        }
    multirun = next((bench_home / "mlruns" / "multiruns").iterdir())
    table = (multirun / "table.md").read_text()
    assert "winners of 3 trials a variant on seeds 0, 1" in table
    assert "trained again on seeds 7, which no trial saw" in table

    # tables are of the winners, unless a study is asked for
    assert list(bench.results()["seed"]) == [7, 7]
    name = outcome["studies"][0]["name"]
    trials = bench.results(study=name)
    assert set(trials["study"]) == {name}
    assert sorted(trials["trial"]) == [0, 0, 1, 1, 2, 2]
    with pytest.raises(RequestError, match="unknown study"):
        bench.results(study="another")

    before = {run.id: run.record_path.read_bytes() for run in run_folder.all_runs()}
    assert main(command) == 0
    assert told(capsys) == outcome
    assert {run.id: run.record_path.read_bytes() for run in run_folder.all_runs()} == before


@pytest.mark.parametrize(("study", "interrupted"), [(None, 1), (StudyTrial(name="tried", trial=0), 0)])
def test_the_doctor_lists_interrupted_runs_but_no_trials(
    study: StudyTrial | None, interrupted: int, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stop(Callback):
        def should_stop(self) -> bool:
            return True

    with pytest.raises(Interrupted):
        start(small.tiny("began"), Progress(quiet=True), study=study, on_start=lambda run, setup: [Stop()])
    assert main(["doctor", "--json"]) == 0
    assert len(told(capsys)["interrupted"]) == interrupted


def trial_of(run: run_folder.RunFolder) -> tuple[str, int] | None:
    study = run.describe().study
    return (study.name, study.trial) if study else None


@pytest.mark.slow
def test_from_python_a_larger_budget_goes_on(file: Path) -> None:
    knobs = {"tracking": False, "quiet": True}
    first = bench.study(str(file), trials=1, **knobs)
    assert [trial.number for trial in first.studies[0].result.ranked] == [0]
    assert (first.studies[0].plan.folder / "figures" / "history.png").exists()
    assert not list(run_folder.all_runs()[0].figures.iterdir())
    more = bench.study(str(file), trials=2, **knobs)
    assert first.studies[0].plan.name == more.studies[0].plan.name
    assert sorted(trial.number for trial in more.studies[0].result.ranked) == [0, 1]


@pytest.mark.slow
def test_a_trial_that_diverges_is_pruned_at_once_and_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        FILE.replace("declared, lr: {knobs: [lr_g, lr_d]}", "declared, lr_d: {choices: [1.0e+30]}")
    )
    assert main(["study", str(file), "--trials", "1", "--set", "tracking=false"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "no trial was completed: of 1 that ended, 1 diverged; search lower learning rates" in lines[-1]
    # before it began it said what ends a trial, and then why this one ended
    assert "pruner      none" in lines
    assert "collapse    ends no trial (collapse_after 1)" in lines
    assert any(re.match(r"\[1/1\] trial 0 pruned: diverged at step \d+, took", line) for line in lines)
    # and at once what to change
    (place,) = [place for place, line in enumerate(lines) if line.startswith("to change that: ")]
    assert lines[place - 1].startswith("[1/1] trial 0 pruned")
    assert "search lower learning rates (lr_g, lr_d)" in lines[place]
    assert not any("{" in line for line in lines)
    (run,) = run_folder.all_runs()
    end = record.read(run.record_path).end
    assert end
    assert end.health.startswith("diverged@")
    (study,) = (paths.results() / "studies").iterdir()
    (trial,) = pd.read_csv(study / "trials.csv").to_dict("records")
    assert [trial["health"], trial["runs"]] == [end.health, run.describe().name]
