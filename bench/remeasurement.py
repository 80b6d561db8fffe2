"""Measuring a trained generator again: other checkpoints, more samples, another extractor."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench import places, record, trained
from bench.errors import WorkError, unknown
from bench.judging.extractors import availability
from bench.judging.measurement import CLASSES_COVERED, EFFECTIVE_CLASSES
from bench.progress import Progress
from bench.run_folder import RunFolder
from bench.sampler import make_sampler
from bench.trained import configuration_of
from bench.workbench import prepare_workbench

# Frechet distances by the extractor knob that brings them
BROUGHT_BY = {"fid": "inception", "fd_digits_garments": "shipped"}


@dataclass(frozen=True)
class Remeasurement:
    """One measurement of a checkpoint.

    Attributes
    ----------
    step : int
        The checkpoint's step.
    values : dict
        Metric name to number.
    protocols : dict
        Metric name to how it came about.
    recorded : dict
        What the run's record holds of these metrics at this step by the same protocol.
    """

    step: int
    values: dict[str, float]
    protocols: dict[str, str]
    recorded: dict[str, float]


def remeasure(
    run: RunFolder,
    progress: Progress,
    checkpoint: str = "best",
    metrics: Sequence[str] = (),
    samples: int | None = None,
) -> Remeasurement:
    """Measure a checkpoint of a run.

    Parameters
    ----------
    run : RunFolder
        The run; it is only read.
    progress : Progress
        Told what is fetched.
    checkpoint : str
        ``best``, ``best-M``, ``last`` or a step.
    metrics : sequence of str
        What to measure; by default what the run itself did.
    samples : int, optional
        Generated images; by default as many as the run's own evaluations took.

    Raises
    ------
    RequestError
        If a metric or a checkpoint does not exist, or a count is not possible.
    WorkError
        If the data changed since the run, or what a metric needs is missing.
    """
    description = run.describe()
    known = [row.metric for row in availability(places.cache())] + [CLASSES_COVERED, EFFECTIVE_CLASSES]
    for metric in metrics:
        if metric not in known:
            raise unknown("metric", metric, known)
    loaded = trained.load(run, checkpoint)
    configuration = configuration_of(description)
    if samples is not None:
        configuration = configuration.with_values(eval_samples=samples)
    distances = [metric for metric in metrics if metric in BROUGHT_BY] or [description["metric"]]
    values: dict[str, float] = {}
    protocols: dict[str, str] = {}
    for distance in distances:
        workbench = prepare_workbench(configuration.with_values(extractor=BROUGHT_BY[distance]), progress)
        if workbench.array.hash != description["data"]["hash"]:
            raise WorkError(
                f"the data of run {run.id} changed since: {workbench.array.name} has another hash"
            )
        if workbench.judge.extractor.metric != distance:
            raise WorkError(
                f"metric {distance!r} cannot be measured here: `bench doctor` says what is missing"
            )
        sampler = make_sampler(
            loaded.generator.to(workbench.device),
            loaded.variant.draw_latent,
            configuration.harness.seed,
            workbench.device,
        )
        for name, value in workbench.judge.measure(sampler).values.items():
            if not metrics or name in metrics:
                values[name], protocols[name] = value, workbench.judge.protocol
    at_step = {row["step"]: row for row in record.read(run.record_path).evaluations}.get(loaded.step, {})
    same = [name for name, protocol in protocols.items() if protocol == description["protocol"]]
    recorded = {name: at_step[name] for name in same if name in at_step}
    return Remeasurement(loaded.step, values, protocols, recorded)
