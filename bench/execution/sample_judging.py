"""Judging of samples that somebody made: files, arrays, and functions that draw them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench import datasets
from bench.configuration import Harness, harness_of
from bench.datasets.registry import require_dataset
from bench.datasets.samples.form import Form, stored
from bench.datasets.samples.reading import SampleSet, read_samples, sample_set
from bench.execution.judgement import Judgement, ReadyJudge, judge_samplers, judges_of_others, ready_judge
from bench.execution.progress import Progress
from bench.health.verdict import RULES
from bench.judging import extractors
from bench.judging.extractors import require_extractor
from bench.judging.extractors.images import Inception
from bench.judging.given_samples import DrawnSamples, GivenSamples, LabelledSamples, shuffled
from bench.judging.metrics.registry import needs_held_out
from bench.judging.reference import MINIMUM_SAMPLES
from bench.runs import notebook_html
from bench.runs.data_location import load_configured, load_configured_held_out
from bench.system import paths
from bench.system.errors import RequestError, printable, shown
from bench.training.device import prepare
from bench.training.sampler import Sampler

Batch = np.ndarray | Tensor
Draw = Callable[[int], Batch | Iterable[Batch]]
"""Given a number of samples, returns them or yields them in batches."""


@dataclass(frozen=True)
class SampleRequest:
    """How samples are judged.

    Attributes
    ----------
    against : str
        The data set of the real samples.
    metrics : tuple of str
        Metrics; all where empty.
    count : int or None
        Number of samples to judge, the first ones; None for all.
    in_order : bool
        Whether samples are judged in their own order, as independent draws; else in a fixed random one.
    extractor : str
        Value of the knob `extractor`.
    form : Form
        What is stated of the samples.
    held_out : float
        Share of the real samples that is held out, as the knob of that name; with 0 the published test split
        is held out, where its files are there.
    crop : str or None
        Square that is cut out of the real images, as the knob of that name; None for the data set's own.
    data_root : str or None
        Folder of the published data sets; None for the default.
    device : {"auto", "cpu", "cuda"}
        Where to compute.
    threads : int
        CPU threads; 0 leaves them to torch.
    """

    against: str
    metrics: tuple[str, ...] = ()
    count: int | None = None
    in_order: bool = False
    extractor: str = Inception.name
    form: Form = field(default_factory=Form)
    held_out: float = 0.0
    crop: str | None = None
    data_root: str | None = None
    device: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class SampleJudgement(Judgement):
    """Metrics of samples that somebody made; a notebook shows them as a table.

    Attributes
    ----------
    samples : str
        Path of the samples as typed, or what they are.
    count : int
        Number of samples.
    shape : tuple of int
        Shape of one sample: (C, S, S), or (2,) of points.
    against : str
        The data set of the real samples.
    real_count : int
        Number of its samples.
    notes : tuple of str
        What to bear in mind with the numbers, a line each.
    """

    samples: str
    count: int
    shape: tuple[int, ...]
    against: str
    real_count: int
    notes: tuple[str, ...]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Samples, data, verdict, held-out samples, protocols and notes, each with a heading."""
        kind = "points" if len(self.shape) == 1 else f"images {'x'.join(map(str, self.shape))}"
        rows = [
            ("samples", f"{self.samples}: {self.count:,} {kind}"),
            ("against", f"{self.against}: {self.real_count:,} samples"),
        ]
        if not self.verdict:
            rows.append(("verdict", "none, since not all metrics that it needs were measured"))
        return [*rows, *super().facts, *(("note", note) for note in self.notes)]

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {value:.4g}" for name, value in list(self.values.items())[:3])
        verdict = self.verdict or "no verdict"
        return f"SampleJudgement({self.samples} against {self.against}: {verdict}, {values})"

    def _repr_html_(self) -> str:
        """Facts and metrics, for notebooks."""
        header, rows = self.table("samples")
        return notebook_html.table(self.facts) + notebook_html.table(rows, header)


@dataclass(frozen=True)
class _Source:
    """Samples that are ready to be drawn.

    Attributes
    ----------
    name : str
        What they are called.
    generator : str
        Where they come from, for the protocol.
    count : int
        Number of samples to judge.
    shape : tuple of int
        Shape of one sample.
    sampler : callable
        Given the names of the data set's classes, returns the sampler; one with labels if it has any.
    notes : tuple of str
        What else is worth knowing, a line each.
    hash : str
        Hash of all samples; empty where they are drawn.
    has_labels : bool
        Whether there are labels, also such as name no class of the data set.
    """

    name: str
    generator: str
    count: int
    shape: tuple[int, ...]
    sampler: Callable[[tuple[str, ...]], Sampler]
    notes: tuple[str, ...] = ()
    hash: str = ""
    has_labels: bool = False


def judge_file(path: str | Path, request: SampleRequest, progress: Progress) -> SampleJudgement:
    """Judge the samples in a folder of images, an .npz or an .npy file.

    Parameters
    ----------
    path : str or Path
        As of :func:`bench.datasets.samples.reading.read_samples`.
    request : SampleRequest
        How to judge them.
    progress : Progress
        Prints slow work and warnings.

    Raises
    ------
    RequestError
        If the samples cannot be read or do not fit the data set, or a name is unknown.
    WorkError
        If data or weights are missing.
    """
    _require(request)
    return _judge(_source_of(read_samples(path, request.form, progress.info), request), request, progress)


def judge_array(
    samples: np.ndarray, labels: np.ndarray | None, request: SampleRequest, progress: Progress
) -> SampleJudgement:
    """Judge an array of samples.

    Parameters
    ----------
    samples : ndarray
        As of :func:`bench.datasets.samples.form.stored`.
    labels : ndarray, optional
        Class of each sample, whole numbers (N,), by the data set's numbers.
    request, progress
        As of :func:`judge_file`; so are the errors.
    """
    _require(request)
    found = sample_set(samples, request.form, f"array of shape {samples.shape}", labels)
    return _judge(_source_of(found, request), request, progress)


def judge_draws(draw: Draw, request: SampleRequest, progress: Progress) -> SampleJudgement:
    """Judge what a function draws.

    Parameters
    ----------
    draw : callable
        Given a number of samples, returns them or yields them in batches. It is called once for each
        extractor and must draw the same samples.
    request : SampleRequest
        How to judge them, with their number.
    progress : Progress
        As of :func:`judge_file`; so are the errors.
    """
    _require(request)
    name = printable(getattr(draw, "__name__", type(draw).__name__))
    if request.count is None:
        raise RequestError(f"samples {name}: a function has no number of samples: count must be given")
    first = next(_batches(draw, min(request.count, MINIMUM_SAMPLES)), None)
    if first is None or not len(first):
        raise RequestError(f"samples {name}: the function drew nothing")
    one = stored(first, request.form, name)
    source = _Source(
        name=name,
        generator=f"function {name}" + (f" {one.conversion}" if one.conversion else ""),
        count=request.count,
        shape=one.values.shape[1:],
        sampler=lambda _: DrawnSamples(
            partial(_batches, draw), lambda batch: stored(batch, request.form, name).values
        ),
        notes=one.notes,
    )
    return _judge(source, request, progress)


def _batches(draw: Draw, count: int) -> Iterator[np.ndarray]:
    drawn = draw(count)
    for batch in [drawn] if isinstance(drawn, np.ndarray | Tensor) else drawn:
        yield as_array(batch)


def as_array(values: Batch) -> np.ndarray:
    """Return a tensor as an array on the CPU; an array as it is.

    Raises
    ------
    RequestError
        If the values are neither.
    """
    if isinstance(values, Tensor):
        # numpy knows no bfloat16
        return (values.detach().float() if values.is_floating_point() else values).cpu().numpy()
    if not isinstance(values, np.ndarray):
        raise RequestError(f"samples of type {type(values).__name__}: allowed are arrays and tensors")
    return values


def _require(request: SampleRequest) -> None:
    """Refuse unknown names and a missing GPU before samples are read."""
    require_dataset(request.against)
    require_extractor(request.extractor, request.against)
    _harness(request, request.form.image_size, request.form.channels)


def _source_of(samples: SampleSet, request: SampleRequest) -> _Source:
    if samples.count < MINIMUM_SAMPLES:
        raise RequestError(
            f"samples {printable(samples.name)}: {samples.count:,} are too few: "
            f"at least {MINIMUM_SAMPLES} are needed"
        )
    count = samples.count if request.count is None else request.count
    if count > samples.count:
        raise RequestError(
            f"samples {printable(samples.name)}: there are {samples.count:,}, {count:,} were asked for"
        )
    drawn = samples.origin is not None or request.in_order
    order = None if drawn else shuffled(samples.count)
    words = [f"file {samples.hash[:8]}", samples.conversion, "" if drawn else "shuffled"]

    def sampler(class_names: tuple[str, ...]) -> Sampler:
        labels = samples.labels_among(class_names)
        if labels is None:
            return GivenSamples(samples.samples, order)
        return LabelledSamples(samples.samples, order, labels)

    notes = list(samples.notes)
    if samples.origin:
        notes.append(f"made by run {samples.origin.run} at step {samples.origin.step:,}")
    return _Source(
        name=samples.name,
        generator=", ".join(filter(None, words)),
        count=count,
        shape=samples.samples.shape[1:],
        sampler=sampler,
        notes=tuple(notes),
        hash=samples.hash,
        has_labels=samples.labels is not None,
    )


def _judge(source: _Source, request: SampleRequest, progress: Progress) -> SampleJudgement:
    harness = _harness_for(source, request)
    device = prepare(harness)
    array = load_configured(harness, progress.info)
    outside = None
    if not request.metrics or any(map(needs_held_out, request.metrics)):
        outside = load_configured_held_out(harness, progress.info)
    sampler = source.sampler(array.class_names)
    labelled = isinstance(sampler, LabelledSamples)
    class_names = array.class_names if labelled else ()

    def make(extractor: str, outside: datasets.DataArray | None = None) -> ReadyJudge:
        network = _network(array, extractor, device, progress)
        return ready_judge(
            network, array, source.count, source.generator, class_names, progress, held_out=outside
        )

    own = make(request.extractor, outside)
    others = judges_of_others(request.metrics, own.judge, array, make)
    progress.info(f"judging {source.count:,} samples against {datasets.label(array.name)}")
    measured = judge_samplers(own, others, request.metrics, [sampler], RULES)
    return SampleJudgement(
        **vars(measured),
        samples=source.name,
        count=source.count,
        shape=source.shape,
        against=array.name,
        real_count=array.count,
        notes=(*source.notes, *_notes(source, array, labelled)),
    )


def _network(
    array: datasets.DataArray, extractor: str, device: torch.device, progress: Progress
) -> extractors.Extractor:
    """Return the wanted extractor, or the shipped one that stands in for it; a line says so."""
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
    return network


def _harness_for(source: _Source, request: SampleRequest) -> Harness:
    """Return the knobs of the data set at the size of the samples; RequestError if it has no such samples."""
    points = len(source.shape) == 1
    if points != (datasets.judged_by(request.against) == "points"):
        kinds = ("points", "images") if points else ("images", "points")
        raise RequestError(
            f"samples {printable(source.name)} are {kinds[0]}, and {shown(request.against)} holds {kinds[1]}"
        )
    harness = _harness(request, *((None, None) if points else (source.shape[1], source.shape[0])))
    datasets.sample_shape(harness.dataset, harness.image_size, harness.channels)
    return harness


def _harness(request: SampleRequest, image_size: int | None, channels: int | None) -> Harness:
    return harness_of(
        {
            "dataset": datasets.located(request.against),
            "image_size": image_size,
            "channels": channels,
            "held_out": request.held_out,
            "crop": request.crop,
            "data_root": request.data_root,
            "device": request.device,
            "threads": request.threads,
            "extractor": request.extractor,
        }
    )


def _notes(source: _Source, array: datasets.DataArray, labelled: bool) -> Sequence[str]:
    notes = []
    if source.hash == array.hash:
        notes.append(f"the samples are those of {datasets.label(array.name)} themselves")
    if source.has_labels and not labelled:
        notes.append(f"the labels are not used: they name no class of {datasets.label(array.name)}")
    if source.count != array.count:
        notes.append(
            f"{source.count:,} samples, {array.count:,} real ones: Frechet distances fall with either "
            "number; compare equal numbers only"
        )
    return notes
