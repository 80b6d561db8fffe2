"""Re-evaluation of a trained generator: other checkpoints, more samples, another extractor."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import datasets
from bench.execution.evaluation_sampler import evaluation_sampler
from bench.execution.judge_of_run import build_judge, choose_extractor
from bench.execution.judgement import Judgement, ReadyJudge, judge_samplers, judges_of_others
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.judging.extractors import names_by_metric, require_extractor
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.judge import Judge
from bench.judging.metrics.registry import needs_held_out
from bench.runs import generator, record
from bench.runs.data_location import configuration_at, samples_of
from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError
from bench.system.ranks import ALONE


@dataclass(frozen=True)
class Reevaluation(Judgement):
    """Metrics of a checkpoint.

    Attributes
    ----------
    step : int
        Step of the checkpoint.
    recorded : dict
        Recorded values of the metrics at this step, if the protocol is the same.
    beside : dict
        Recorded values of the run's own judge at this step, if another judge was asked for; else empty.
    differences : tuple of str
        What differs from the recorded evaluations, a part of the protocol each; empty if nothing does.
    """

    step: int
    recorded: dict[str, float]
    beside: dict[str, float]
    differences: tuple[str, ...]


def reevaluate(
    run: RunFolder,
    progress: Progress,
    checkpoint: str = "best",
    metrics: Sequence[str] = (),
    samples: int | None = None,
    eval_seeds: int = 1,
    data: Path | None = None,
    extractor: str | None = None,
) -> Reevaluation:
    """Evaluate a checkpoint of a run.

    Parameters
    ----------
    run : RunFolder
        The run; its folder is only read.
    progress : Progress
        Prints downloads.
    checkpoint : str
        ``best``, ``best-NAME`` for a scalar that selects checkpoints, ``last`` or a step.
    metrics : sequence of str
        Metrics, also those on request; by default those of every evaluation.
    samples : int, optional
        Generated samples; by default as many as in the run's evaluations.
    eval_seeds : int
        Number of draws of latents; the first draw is that of the run's evaluations.
    data : Path, optional
        Folder to which the run's data moved.
    extractor : str, optional
        Judge by this extractor; by default by that of the run.

    Raises
    ------
    RequestError
        If a metric, a checkpoint or the extractor does not exist, or a count is not possible; if the run's
        data are not in the folder; if the run has no judge and none is named.
    WorkError
        If the data changed since the run, or a metric's weights are missing.
    """
    description = run.describe()
    if eval_seeds < 1:
        raise RequestError(
            f"evaluation seeds: {eval_seeds} is not possible: allowed is a whole number from 1"
        )
    if extractor is not None:
        require_extractor(extractor, description.config.dataset)
    elif not description.is_judged:
        extractor = _judge_of_metrics(description, metrics)
    loaded = generator.load(run, checkpoint)
    # evaluation is in float32, so runs in bfloat16 can be evaluated on a CPU without bfloat16
    configuration = configuration_at(description, data).with_values(compute_dtype="float32")
    if samples is not None:
        configuration = configuration.with_values(eval_samples=samples)
    if data is not None:
        samples_of(description, data, progress.info)
    if extractor is not None:
        configuration = configuration.with_values(extractor=extractor)
    setup = set_up(
        configuration,
        progress,
        stand_in=False,
        distance=description.metric if extractor is None else "",
        with_held_out=not metrics or any(map(needs_held_out, metrics)),
    )
    setup.require_same_data(description)
    assert isinstance(setup.judge, Judge)
    own = ReadyJudge(setup.judge, setup.real, setup.array)
    others = judges_of_others(metrics, own.judge, setup.array, partial(_another, setup, progress))
    harness = setup.configuration.harness
    samplers = [
        evaluation_sampler(loaded, harness, setup.device, harness.seed, draw) for draw in range(eval_seeds)
    ]
    found = judge_samplers(own, others, metrics, samplers, description.health_rules)
    at_step = _at_step(run, loaded.step)
    same = own.judge.protocol == description.protocol
    differences = _differences(description, own.judge, found.values)
    if eval_seeds > 1 and description.is_judged:
        differences.append(f"means of {eval_seeds} draws of latents (recorded: 1 draw)")
    return Reevaluation(
        **vars(found),
        step=loaded.step,
        recorded={
            name: at_step[name]
            for name in found.values
            if same and eval_seeds == 1 and name in at_step and name in own.judge.metrics
        },
        beside=at_step if extractor is not None and not same else {},
        differences=tuple(differences),
    )


def _another(setup: TrainingSetup, progress: Progress, extractor: str) -> ReadyJudge:
    """Return the judge of a setup with another extractor."""
    harness = setup.configuration.with_values(extractor=extractor).harness
    network = choose_extractor(
        harness, harness.channels, setup.device, progress, ALONE, stand_in=False, distance=""
    )
    assert network is not None
    class_names = setup.array.class_names if setup.variant.conditional else ()
    judge, real = build_judge(network, harness, setup.array, class_names, progress, ALONE)
    assert isinstance(judge, Judge)
    return ReadyJudge(judge, real, setup.array)


def _judge_of_metrics(description: RunDescription, metrics: Sequence[str]) -> str:
    """Return the extractor that judges a run without a judge: that of the first metric that names one.

    Raises
    ------
    RequestError
        If no metric names one, unless the data have only one judge, that of their known modes.
    """
    if datasets.judged_by(description.config.dataset) != "images":
        return DigitsGarments.name
    known = names_by_metric()
    named = [known[metric] for metric in metrics if metric in known]
    if not named:
        allowed = ", ".join(sorted(EXTRACTORS.entries()))
        raise RequestError(
            f"run {description.name} has no judge (extractor none): name one by --extractor, "
            f"allowed are {allowed}"
        )
    return named[0]


def _differences(description: RunDescription, judge: Judge, metrics: Collection[str]) -> list[str]:
    """Return what differs from the recorded evaluations: parts of the protocol, and settings of metrics."""
    if not description.is_judged:
        return ["the run has no judge"]
    parts = list(zip(judge.protocol.split("; "), description.protocol.split("; "), strict=False))
    found = [f"{now} (recorded: {then})" for now, then in parts if now != then]
    if judge.paired != description.paired:
        found.append(f"{judge.paired} of each side compared (recorded: {description.paired})")
    for name in metrics:
        if name in judge.on_request or needs_held_out(name):
            continue  # no record has them
        now, then = judge.metrics.get(name), description.metrics.get(name)
        if now is None or then is None:
            found.append(f"{name} is not in the record")
        elif now.settings != then.settings:
            found.append(f"{name} with {now.settings} (recorded: {then.settings})")
    return found


def _at_step(run: RunFolder, step: int) -> dict[str, float]:
    """Return what the run recorded at a step; empty where there was no evaluation."""
    evaluations = record.read(run.record_path).evaluations
    return next((dict(each.values) for each in evaluations if each.step == step), {})
