"""The result of judging one set of samples, and the measuring that `bench judge` and `bench eval` share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from bench import datasets
from bench.execution.progress import Progress
from bench.health.signs import text_of_signs, verdict_of_samples
from bench.judging import extractors
from bench.judging.extractors import availability, names_by_metric, unfamiliar
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.held_out import held_out_statistics
from bench.judging.judge import Judge
from bench.judging.metrics.registry import needs_held_out
from bench.judging.protocol import Better, knows
from bench.judging.reference import reference_statistics
from bench.runs.description import HealthRules
from bench.system import paths
from bench.system.errors import RequestError, WorkError, unknown
from bench.training.sampler import Sampler


@dataclass(frozen=True)
class Judgement:
    """Metrics of one set of samples.

    Attributes
    ----------
    values : dict
        Value by metric; the mean over several draws.
    spread : dict
        Standard deviation over the draws, by metric; empty for one draw.
    real : dict
        Metrics of held-out real samples.
    held_out : int
        Number of held-out real samples.
    better : dict
        ``lower`` or ``higher``, the direction of better values, by metric.
    protocols : dict
        Protocol by metric.
    judged_by : dict
        For each extractor of the metrics, the part of their protocols that all of them share.
    verdict : str
        ``ok`` or ``collapsed``; empty if not all metrics were measured that the verdict needs.
    signs : str
        The metrics that show the collapse, with their numbers; empty without a collapse.
    """

    values: dict[str, float]
    spread: dict[str, float]
    real: dict[str, float]
    held_out: int
    better: dict[str, Better]
    protocols: dict[str, str]
    judged_by: dict[str, str]
    verdict: str
    signs: str

    @property
    def verdict_text(self) -> str:
        """The verdict with the signs, such as ``collapsed: vendi 7.3 (real 13.4)``; empty without one."""
        return ": ".join(filter(None, (self.verdict, self.signs)))

    def columns(self, own: str) -> dict[str, Mapping[str, float | str]]:
        """Return the columns of a table with a row for each metric, by their headings.

        Parameters
        ----------
        own : str
            Heading of the values.
        """
        columns: dict[str, Mapping[str, float | str]] = {own: self.values}
        if self.spread:
            columns["±"] = self.spread
        return columns | {f"real, of {self.held_out:,} held out": self.real, "better": self.better}


@dataclass(frozen=True)
class ReadyJudge:
    """A judge with its scores of held-out real samples."""

    judge: Judge
    real: dict[str, float]


def ready_judge(
    array: datasets.DataArray,
    extractor: str,
    samples: int,
    generator: str,
    labelled: bool,
    device: str,
    progress: Progress,
    held_out: datasets.DataArray | None = None,
) -> ReadyJudge:
    """Return the judge of so many samples against those of a data set.

    Parameters
    ----------
    array : DataArray
        The real samples.
    extractor : str
        Value of the knob `extractor`.
    samples : int
        Number of samples to judge.
    generator : str
        Where the samples come from, for the protocol.
    labelled : bool
        Whether the samples are labelled with the classes of the data set.
    device : str
        Device of the extractor.
    progress : Progress
        Prints warnings.
    held_out : DataArray, optional
        Real samples outside the data set, for the metrics that need them.

    Raises
    ------
    RequestError, WorkError
        If the extractor cannot judge such samples here.
    """
    network = extractors.extractor_for(
        datasets.judged_by(array.name),
        paths.cache(),
        channels=array.samples.shape[1] if array.modes is None else None,
        modes=array.modes,
        preferred=extractor,
        allow_download=True,
        device=device,
    )
    if reason := extractors.missing_network(network, extractor, paths.cache()):
        progress.info(f"judge: {network.metric} (shipped network), since {reason}")
    content = datasets.content(array.name)
    if words := extractors.caution(network, content, datasets.label(array.name)):
        progress.warning(words)
    judge = Judge(
        network,
        reference_statistics(network, array.samples, array.hash, array.name, paths.cache()),
        samples,
        generator=generator,
        class_names=array.class_names if labelled else (),
        in_training=knows(network, content),
        held_out=None if held_out is None else held_out_statistics(network, array, held_out, paths.cache()),
    )
    return ReadyJudge(judge, judge.measure_real(array.samples, paths.cache(), array.labels))


def judge_samplers(
    own: ReadyJudge,
    others: Sequence[ReadyJudge],
    metrics: Collection[str],
    samplers: Sequence[Sampler],
    rules: HealthRules,
) -> Judgement:
    """Measure draws of samples by a judge, and by further ones for the distances in their features.

    Parameters
    ----------
    own : ReadyJudge
        The judge of all metrics.
    others : sequence of ReadyJudge
        Judges each of which measures its Fréchet distance alone, as :func:`judges_of_others` returns them.
    metrics : collection of str
        Metrics of the own judge to measure; all where empty.
    samplers : sequence of Sampler
        The draws, at least one.
    rules : HealthRules
        The bounds of a collapse.
    """
    found: dict[str, list[float]] = {}
    protocols: dict[str, str] = {}
    judged_by: dict[str, str] = {}
    real: dict[str, float] = {}
    better: dict[str, Better] = {}
    for each in [*others, own]:
        judge = each.judge
        names = [judge.extractor.metric]
        if each is own:
            names = [name for name in judge.metrics if not metrics or name in metrics]
        if not names:
            continue
        judged_by[judge.extractor.name] = protocol_of(judge)
        draws = [judge.measure(sampler, names) for sampler in samplers]
        for name in names:
            found[name] = [values[name] for values in draws]
            protocols[name] = protocol_of(judge, _settings(judge, name))
            real[name], better[name] = each.real[name], judge.metrics[name].better
    values = {name: fmean(draws) for name, draws in found.items()}
    verdict = verdict_of_samples(values, real, own.judge.metrics, rules)
    return Judgement(
        values=values,
        spread={name: stdev(draws) for name, draws in found.items()} if len(samplers) > 1 else {},
        real=real,
        held_out=own.judge.paired,
        better=better,
        protocols=protocols,
        judged_by=judged_by,
        verdict=verdict,
        signs=text_of_signs(values, real, rules) if verdict else "",
    )


def protocol_of(judge: Judge, settings: str = "") -> str:
    """Return the protocol of a judge's metrics, with the settings of one of them where given."""
    return "; ".join(filter(None, (judge.protocol, f"{judge.paired} of each side compared", settings)))


def _settings(judge: Judge, name: str) -> str:
    """Return what decides the value of a metric beside the judge's protocol."""
    metric = judge.metrics[name]
    if judge.held_out is None or metric.needs != "held-out":
        return metric.settings
    return "; ".join(filter(None, (judge.held_out.label, metric.settings)))


def judges_of_others(
    metrics: Sequence[str],
    own: Judge,
    array: datasets.DataArray,
    make: Callable[[str], ReadyJudge],
) -> list[ReadyJudge]:
    """Return a judge for each metric that needs another extractor than the own judge's.

    Parameters
    ----------
    metrics : sequence of str
        The wanted metrics.
    own : Judge
        The own judge.
    array : DataArray
        The real samples.
    make : callable
        Returns the judge with the extractor of a name.

    Raises
    ------
    RequestError
        If a metric does not exist, or is not measured on such data.
    WorkError
        If its weights are missing.
    """
    others = names_by_metric() if datasets.judged_by(array.name) == "images" else {}
    found = []
    for metric in metrics:
        if metric in own.metrics:
            continue
        if metric in own.left_out:
            reason = unfamiliar(own.extractor, datasets.content(array.name), datasets.label(array.name))
            raise RequestError(f"metric {metric} is not measured: {reason}")
        if own.held_out is None and needs_held_out(metric):
            raise RequestError(
                f"metric {metric} needs held-out samples, and {datasets.label(array.name)} has none here: "
                "a published test split is not on this machine, and no share is held out"
            )
        if metric not in others:
            raise unknown("metric", metric, [*own.metrics, *_measurable(array, others)])
        ready = make(others[metric])
        if ready.judge.extractor.metric != metric:
            raise WorkError(f"metric {metric!r} cannot be measured here: `bench doctor` says what is missing")
        found.append(ready)
    return found


def _measurable(array: datasets.DataArray, others: Mapping[str, str]) -> list[str]:
    """Return the metrics of other extractors that can be measured on this machine, on such images."""
    known, channels = EXTRACTORS.entries(), array.samples.shape[1]
    here = {row.metric for row in availability(paths.cache()) if row.present}
    return [metric for metric, name in others.items() if metric in here and channels in known[name].channels]
