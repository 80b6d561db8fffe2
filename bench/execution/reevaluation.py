"""Re-evaluation of a trained generator: other checkpoints, more samples, another extractor."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from bench import datasets
from bench.configuration import Configuration
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.judging.extractors import availability, names_by_metric, require_extractor, unfamiliar
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.judge import Judge
from bench.judging.metrics.registry import distances_of, needs_held_out
from bench.runs import generator, record
from bench.runs.data_location import configuration_at, samples_of
from bench.runs.description import RunDescription
from bench.runs.generator import TrainedGenerator
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import RequestError, WorkError, unknown
from bench.training.sampler import EVALUATION, Sampler, make_sampler


@dataclass(frozen=True)
class Reevaluation:
    """Metrics of a checkpoint.

    Attributes
    ----------
    step : int
        Step of the checkpoint.
    values : dict
        Mean over the evaluation seeds, by metric.
    spread : dict
        Standard deviation over the evaluation seeds, by metric; empty for one seed.
    real : dict
        Metrics of held-out real samples.
    held_out : int
        Number of held-out real samples.
    protocols : dict
        Protocol by metric.
    judged_by : dict
        For each extractor of the metrics, the part of their protocols that all of them share.
    recorded : dict
        Recorded values of the metrics at this step, if the protocol is the same.
    beside : dict
        Recorded values of the run's own judge at this step, if another judge was asked for; else empty.
    differences : tuple of str
        What differs from the recorded evaluations, a part of the protocol each; empty if nothing does.
    """

    step: int
    values: dict[str, float]
    spread: dict[str, float]
    real: dict[str, float]
    held_out: int
    protocols: dict[str, str]
    judged_by: dict[str, str]
    recorded: dict[str, float]
    beside: dict[str, float]
    differences: tuple[str, ...]


@dataclass(frozen=True)
class _Judged:
    """A setup and its judge, which measures the checkpoint."""

    setup: TrainingSetup
    judge: Judge

    @classmethod
    def of(cls, setup: TrainingSetup) -> "_Judged":
        assert isinstance(setup.judge, Judge)
        return cls(setup, setup.judge)

    def real(self, names: Sequence[str]) -> dict[str, float]:
        """Metrics of held-out real samples: of every evaluation, and those of these names on request."""
        requested = [name for name in names if name in self.judge.on_request]
        if not requested:
            return self.setup.real
        array = self.setup.array
        more = self.judge.measure_real(array.samples, paths.cache(), array.labels, requested)
        return self.setup.real | more


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
    if extractor is None:
        setup = set_up(configuration, progress, stand_in=False, distance=description.metric)
    else:
        configuration = configuration.with_values(extractor=extractor)
        setup = set_up(configuration, progress, stand_in=False)
    setup.require_same_data(description)
    own = _Judged.of(setup)
    measuring = [*_others(configuration, own, metrics, progress), own]
    found: dict[str, list[float]] = {}
    protocols: dict[str, str] = {}
    judged_by: dict[str, str] = {}
    real: dict[str, float] = {}
    for each in measuring:
        judge = each.judge
        if each is own:
            names = [name for name in judge.measurable if name in (metrics or judge.metrics)]
        else:
            names = [name for name in distances_of(judge.metric) if name in metrics]
        if not names:
            continue
        judged_by[judge.extractor.name] = _protocol(judge)
        draws = [judge.measure(_sampler(loaded, each.setup, draw), names) for draw in range(eval_seeds)]
        scores = each.real(names)
        for name in names:
            found[name] = [values[name] for values in draws]
            protocols[name] = _protocol(judge, judge.measurable[name].settings)
            real[name] = scores[name]
    values = {name: fmean(draws) for name, draws in found.items()}
    spread = {name: stdev(draws) for name, draws in found.items()} if eval_seeds > 1 else {}
    at_step = _at_step(run, loaded.step)
    same = own.judge.protocol == description.protocol
    differences = _differences(description, own.judge, found)
    if eval_seeds > 1 and description.is_judged:
        differences.append(f"means of {eval_seeds} draws of latents (recorded: 1 draw)")
    return Reevaluation(
        step=loaded.step,
        values=values,
        spread=spread,
        real=real,
        held_out=own.judge.paired,
        protocols=protocols,
        judged_by=judged_by,
        recorded={
            name: at_step[name]
            for name in found
            if same and eval_seeds == 1 and name in at_step and name in own.judge.metrics
        },
        beside=at_step if extractor is not None and not same else {},
        differences=tuple(differences),
    )


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


def _others(
    configuration: Configuration, own: _Judged, metrics: Sequence[str], progress: Progress
) -> list[_Judged]:
    """Return a setup for each extractor other than the run's that metrics need.

    Raises
    ------
    RequestError
        If a metric does not exist.
    WorkError
        If its weights are missing.
    """
    images = datasets.judged_by(configuration.harness.dataset) == "images"
    others, judge, array = names_by_metric() if images else {}, own.judge, own.setup.array
    found: dict[str, _Judged] = {}
    for metric in metrics:
        if metric in judge.measurable:
            continue
        if metric in judge.left_out:
            reason = unfamiliar(judge.extractor, datasets.content(array.name), datasets.label(array.name))
            raise RequestError(f"metric {metric} is not measured: {reason}")
        wanted = () if needs_held_out(metric) else others
        distance = next((known for known in wanted if metric in distances_of(known)), None)
        if distance is None:
            raise unknown("metric", metric, [*judge.measurable, *_measurable(own.setup, others)])
        if distance in found:
            continue
        setup = set_up(configuration.with_values(extractor=others[distance]), progress, stand_in=False)
        if setup.judge.metric != distance:
            raise WorkError(f"metric {metric!r} cannot be measured here: `bench doctor` says what is missing")
        found[distance] = _Judged.of(setup)
    return list(found.values())


def _measurable(own: TrainingSetup, others: Mapping[str, str]) -> list[str]:
    """Return the metrics of other extractors that can be measured on this machine, on the run's images."""
    known, channels = EXTRACTORS.entries(), own.configuration.harness.channels
    here = {row.metric for row in availability(paths.cache()) if row.present}
    return [metric for metric, name in others.items() if metric in here and channels in known[name].channels]


def _sampler(loaded: TrainedGenerator, setup: TrainingSetup, draw: int) -> Sampler:
    purpose = EVALUATION if draw == 0 else f"{EVALUATION} {draw}"
    generator = loaded.generator.to(setup.device)
    seed = setup.configuration.harness.seed
    classes = len(loaded.class_names)
    return make_sampler(generator, loaded.variant.draw_latent, seed, setup.device, purpose, classes)


def _protocol(judge: Judge, settings: str = "") -> str:
    return "; ".join(filter(None, (judge.protocol, f"{judge.paired} of each side compared", settings)))


def _differences(description: RunDescription, judge: Judge, metrics: Collection[str]) -> list[str]:
    """Return what differs from the recorded evaluations: parts of the protocol, and settings of metrics."""
    if not description.is_judged:
        return ["the run has no judge"]
    parts = list(zip(judge.protocol.split("; "), description.protocol.split("; "), strict=False))
    found = [f"{now} (recorded: {then})" for now, then in parts if now != then]
    if judge.paired != description.paired:
        found.append(f"{judge.paired} of each side compared (recorded: {description.paired})")
    for name in metrics:
        if name in judge.on_request:
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
