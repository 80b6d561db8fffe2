"""The result of judging one set of samples, and the measuring that `bench judge` and `bench eval` share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from types import MappingProxyType

from bench import datasets
from bench.execution.progress import Progress
from bench.health.signs import text_of_signs, verdict_of_samples
from bench.judging import extractors
from bench.judging.extractors import availability, names_by_metric, unfamiliar
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.held_out import held_out_statistics
from bench.judging.judge import Judge
from bench.judging.metrics.registry import distances_of, needs_held_out
from bench.judging.protocol import Better, Extractor, knows
from bench.judging.reference import reference_statistics
from bench.runs.description import HealthRules
from bench.system import paths
from bench.system.errors import RequestError, WorkError, unknown
from bench.system.json_values import Json
from bench.system.ranks import ALONE, Ranks
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
    outside : str
        The held-out samples, outside the data set, whose distances are measured too; empty without any.
    verdict : str
        ``ok``, ``collapsed`` or ``memorised``; empty if not all metrics were measured that the verdict needs.
    signs : str
        The metrics that show a collapse or memorised samples, with their numbers; empty for ``ok``.
    """

    values: dict[str, float]
    spread: dict[str, float]
    real: dict[str, float]
    held_out: int
    better: dict[str, Better]
    protocols: dict[str, str]
    judged_by: dict[str, str]
    outside: str
    verdict: str
    signs: str

    @property
    def verdict_text(self) -> str:
        """The verdict with the signs, such as ``collapsed: vendi 7.3 (real 13.4)``; empty without one."""
        return ": ".join(filter(None, (self.verdict, self.signs)))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Verdict, held-out samples and protocols, each with a heading; without those that there are not."""
        rows = [("verdict", self.verdict_text), ("held out", self.outside)]
        rows += [("judged by", protocol) for protocol in self.judged_by.values()]
        return [row for row in rows if row[1]]

    def table(
        self, own: str, further: Mapping[str, Mapping[str, float]] = MappingProxyType({})
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Return header and rows of a table with a row for each metric.

        Parameters
        ----------
        own : str
            Heading of the values.
        further : mapping
            Further columns, by their headings: values by metric.
        """
        columns: dict[str, Mapping[str, float | str]] = {own: self.values}
        if self.spread:
            columns["±"] = self.spread
        columns |= {f"real, of {self.held_out:,} held out": self.real, **further, "better": self.better}
        rows: list[tuple[object, ...]] = [
            (name, *(column.get(name) for column in columns.values())) for name in self.values
        ]
        return ("", *columns), rows

    def data(self) -> dict[str, Json]:
        """Return the numbers as JSON holds them."""
        return {
            "verdict": self.verdict or None,
            "signs": self.signs,
            "values": dict(self.values),
            "spread": dict(self.spread),
            "real": dict(self.real),
            "held_out": self.held_out,
            "outside": self.outside or None,
            "metric.protocol": dict(self.protocols),
        }


@dataclass(frozen=True)
class ReadyJudge:
    """A judge with its scores of held-out real samples.

    Attributes
    ----------
    judge : Judge
        The judge.
    real : dict
        Score by metric, of those of every evaluation.
    array : DataArray
        The real samples.
    """

    judge: Judge
    real: dict[str, float]
    array: datasets.DataArray

    def scores(self, names: Collection[str]) -> dict[str, float]:
        """Return the scores of held-out real samples in these metrics, also in those on request."""
        requested = [name for name in names if name in self.judge.on_request]
        if not requested:
            return self.real
        array = self.array
        return self.real | self.judge.measure_real(array.samples, paths.cache(), array.labels, requested)


def ready_judge(
    network: Extractor,
    array: datasets.DataArray,
    samples: int,
    generator: str,
    class_names: tuple[str, ...],
    progress: Progress,
    ranks: Ranks = ALONE,
    held_out: datasets.DataArray | None = None,
) -> ReadyJudge:
    """Return the judge of so many samples against those of a data set, with its scores of real samples.

    Parameters
    ----------
    network : Extractor
        The extractor.
    array : DataArray
        The real samples.
    samples : int
        Number of samples to judge.
    generator : str
        Where the samples come from, for the protocol.
    class_names : tuple of str
        Names of the classes with which samples are labelled; empty for samples without labels.
    progress : Progress
        Warns of data that the network was not trained for.
    ranks : Ranks
        The processes that share the extraction.
    held_out : DataArray, optional
        Real samples outside the data set, for the metrics that need them.

    Raises
    ------
    WorkError
        If there are too few real samples.
    """
    content = datasets.content(array.name)
    if ranks.first and (words := extractors.caution(network, content, datasets.label(array.name))):
        progress.warning(words)
    if ranks.first and (words := extractors.shortfall(network)):
        progress.info(words)
    cache = paths.cache()
    reference = reference_statistics(network, array.samples, array.hash, array.name, cache)
    judge = Judge(
        network,
        reference,
        samples,
        generator=generator,
        ranks=ranks,
        class_names=class_names,
        in_training=knows(network, content),
        held_out=None if held_out is None else held_out_statistics(network, reference, held_out, cache),
    )
    return ReadyJudge(judge, judge.measure_real(array.samples, cache, array.labels), array)


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
        Judges of wanted Fréchet distances in other features, as :func:`judges_of_others` returns them.
    metrics : collection of str
        Metrics to measure, also those on request; those of every evaluation where empty.
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
        if each is own:
            names = [name for name in judge.measurable if name in (metrics or judge.metrics)]
        else:
            names = [name for name in distances_of(judge.metric) if name in metrics]
        if not names:
            continue
        judged_by[judge.extractor.name] = protocol_of(judge)
        draws = [judge.measure(sampler, names) for sampler in samplers]
        scores = each.scores(names)
        for name in names:
            found[name] = [values[name] for values in draws]
            protocols[name] = protocol_of(judge, _settings(judge, name))
            real[name], better[name] = scores[name], judge.measurable[name].better
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
        outside="" if own.judge.held_out is None else own.judge.held_out.label,
        verdict=verdict,
        signs=text_of_signs(values, real, rules) if verdict else "",
    )


def protocol_of(judge: Judge, settings: str = "") -> str:
    """Return the protocol of a judge's metrics, with the settings of one of them where given."""
    return "; ".join(filter(None, (judge.protocol, f"{judge.paired} of each side compared", settings)))


def _settings(judge: Judge, name: str) -> str:
    """Return what decides the value of a metric beside the judge's protocol."""
    metric = judge.measurable[name]
    if judge.held_out is None or metric.needs != "held-out":
        return metric.settings
    return "; ".join(filter(None, (judge.held_out.label, metric.settings)))


def judges_of_others(
    metrics: Sequence[str],
    own: Judge,
    array: datasets.DataArray,
    make: Callable[[str], ReadyJudge],
) -> list[ReadyJudge]:
    """Return a judge for each extractor other than the own judge's that metrics need.

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
    found: dict[str, ReadyJudge] = {}
    for metric in metrics:
        if metric in own.measurable:
            continue
        if metric in own.left_out:
            reason = unfamiliar(own.extractor, datasets.content(array.name), datasets.label(array.name))
            raise RequestError(f"metric {metric} is not measured: {reason}")
        if own.held_out is None and needs_held_out(metric):
            raise RequestError(
                f"metric {metric} needs held-out samples, and {datasets.label(array.name)} has none here: "
                "a published test split is not on this machine, and no share is held out"
            )
        wanted = () if needs_held_out(metric) else others
        distance = next((known for known in wanted if metric in distances_of(known)), None)
        if distance is None:
            raise unknown("metric", metric, [*own.measurable, *_measurable(array, others)])
        if distance in found:
            continue
        ready = make(others[distance])
        if ready.judge.metric != distance:
            raise WorkError(f"metric {metric!r} cannot be measured here: `bench doctor` says what is missing")
        found[distance] = ready
    return list(found.values())


def _measurable(array: datasets.DataArray, others: Mapping[str, str]) -> list[str]:
    """Return the metrics of other extractors that can be measured on this machine, on such images."""
    known, channels = EXTRACTORS.entries(), array.samples.shape[1]
    here = {row.metric: row.channels for row in availability(paths.cache()) if row.present}
    return [
        metric
        for metric, name in others.items()
        if metric in here and channels in (here[metric] or known[name].channels)
    ]
