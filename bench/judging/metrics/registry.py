"""The registry of metrics: the name of each, which direction is better and what the metric needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from bench.configuration import Harness
from bench.judging.class_splits import SPLITS
from bench.judging.metric_inputs import MetricInputs
from bench.judging.protocol import Better, Extractor, Requirement
from variants.plugins import RegistrationError, Registry

# These are recorded under names that say whose features they are: `fid` or `fd_NAME`, `inception_score` or
# `is_NAME`, `inception_score_10_splits` or `is_NAME_10_splits`.
FRECHET_DISTANCE = "frechet_distance"
INCEPTION_SCORE = "inception_score"
INCEPTION_SCORE_OF_SPLITS = f"{INCEPTION_SCORE}_{SPLITS}_splits"


@dataclass(frozen=True)
class Metric:
    """One number that a judge measures.

    Attributes
    ----------
    name : str
        Its name in the registry; `recorded_as` returns that of records, tables and the tracking store.
    title : str
        Its meaning, in one line.
    better : {"lower", "higher"}
        Which values are better.
    needs : str
        What the extractor must provide.
    settings : str
        Constants that decide its value, for the protocol; empty where there are none.
    revision : int
        Raised by one whenever a change of code changes its values: scores of real samples that an earlier
        revision cached are then measured again.
    compute : callable
        Computes the value.
    of_class : callable or None
        Computes the value for the samples of one class, by its number; None for a metric of all samples only.
    on_request : bool
        Whether the metric is measured only where it is asked for by name, as by ``bench eval --metrics``, and
        not at every evaluation of a run: its cost would slow runs down.
    """

    name: str
    title: str
    better: Better
    needs: Requirement
    settings: str
    revision: int
    compute: Callable[[MetricInputs], float]
    of_class: Callable[[MetricInputs, int], float] | None = None
    on_request: bool = False

    def recorded_as(self, extractor: Extractor) -> str:
        """The name of its values on an extractor's features."""
        if self.name.startswith(FRECHET_DISTANCE):
            return extractor.metric + self.name.removeprefix(FRECHET_DISTANCE)
        if self.name in (INCEPTION_SCORE, INCEPTION_SCORE_OF_SPLITS) and extractor.metric != "fid":
            splits = self.name.removeprefix(INCEPTION_SCORE)
            return f"is_{extractor.metric.removeprefix('fd_')}{splits}"
        return self.name

    def for_class(self, number: int, name: str, label: int) -> Metric | None:
        """Return the metric of one class, named by the metric and the number, as ``class_agreement_3``.

        Parameters
        ----------
        number, name
            The class in the data set.
        label : int
            The number of the class in the extractor.

        Returns
        -------
        Metric or None
            None for a metric of all samples only.
        """
        of_class = self.of_class
        if of_class is None:
            return None

        def compute(inputs: MetricInputs) -> float:
            return of_class(inputs, label)

        return replace(
            self, name=f"{self.name}_{number}", title=f"{self.title}: {name}", compute=compute, of_class=None
        )


METRICS: Registry[Metric] = Registry("metric", "began_bench.metrics")
# names that records and tables hold beside metrics and knobs
_TAKEN = frozenset({"step", "event", "variant", "preset"})


def metric(
    name: str,
    title: str,
    *,
    better: Better,
    needs: Requirement,
    settings: str = "",
    revision: int = 1,
    of_class: Callable[[MetricInputs, int], float] | None = None,
    on_request: bool = False,
) -> Callable[[Callable[[MetricInputs], float]], Callable[[MetricInputs], float]]:
    """Register a function as a metric; the fields are those of :class:`Metric`.

    Raises
    ------
    RegistrationError
        If a field is not possible, or another metric has that name.
    """

    def register(compute: Callable[[MetricInputs], float]) -> Callable[[MetricInputs], float]:
        _check(name, better, needs)
        try:
            inspect.signature(compute).bind(None)
        except (TypeError, ValueError):
            raise RegistrationError(f"metric {name}: a function of one argument is needed") from None
        entry = Metric(name, title, better, needs, settings, revision, compute, of_class, on_request)
        METRICS.add(name, entry, compute)
        return compute

    return register


def _check(name: str, better: str, needs: str) -> None:
    """Raise RegistrationError if a metric cannot have that name, direction or requirement."""
    if not isinstance(name, str) or not name.isidentifier() or name in _TAKEN | set(Harness.model_fields):
        raise RegistrationError(
            f"metric {name!r}: a name is an identifier such as mean_distance, and no knob"
        )
    if name == "fid" or name.startswith(("fid_", "fd_", "is_")):
        raise RegistrationError(f"metric {name!r}: fid, fd_NAME and is_NAME are an extractor's")
    for field, value, allowed in (("better", better, Better), ("needs", needs, Requirement)):
        if value not in get_args(allowed):
            raise RegistrationError(
                f"metric {name}: {field} {value!r}: allowed are {', '.join(get_args(allowed))}"
            )


def all_metrics() -> tuple[Metric, ...]:
    """Every metric, in the order of their registration; those of other packages come last."""
    return tuple(METRICS.entries().values())


def metrics_for(
    extractor: Extractor,
    labelled: bool = False,
    classes: bool = True,
    held_out: bool = False,
    on_request: bool = False,
) -> tuple[Metric, ...]:
    """The metrics of every evaluation, or those on request, whose requirement an extractor meets.

    Parameters
    ----------
    extractor : Extractor
        The extractor.
    labelled : bool
        Whether samples have labels.
    classes : bool
        Whether the classes that the extractor predicts mean something for the samples.
    held_out : bool
        Whether there are held-out real samples.
    on_request : bool
        Whether to return the metrics that are measured on request only, and not those of every evaluation.
    """
    provided = set(extractor.provides) | ({"labels"} if labelled else set())
    if held_out:
        provided.add("held-out")
    if not classes:
        provided.discard("classes")
    return tuple(
        entry for entry in all_metrics() if entry.needs in provided and entry.on_request == on_request
    )


def distances_of(distance: str) -> tuple[str, ...]:
    """Names of an extractor's Fréchet distance, ``fid`` or ``fd_NAME``, and of what is derived from it."""
    kinds = [entry.name for entry in all_metrics() if entry.name.startswith(FRECHET_DISTANCE)]
    return tuple(distance + kind.removeprefix(FRECHET_DISTANCE) for kind in kinds)


def _registered(recorded: str) -> Metric | None:
    """Return the metric of a recorded name, also of one class."""
    whole, _, number = recorded.rpartition("_")
    known = METRICS.entries()
    of_all = known.get(whole) if number.isdecimal() else None
    return known.get(recorded) or (of_all if of_all and of_all.of_class else None)


def needs_held_out(recorded: str) -> bool:
    """Whether a metric needs held-out real samples, by its recorded name."""
    for entry in all_metrics():
        derived = entry.name.removeprefix(FRECHET_DISTANCE)
        is_distance = derived != entry.name and recorded.startswith(("fid", "fd_"))
        if entry.needs == "held-out" and (
            entry.name == recorded or is_distance and recorded.endswith(derived)
        ):
            return True
    return False


def is_metric(recorded: str) -> bool:
    """Whether a recorded number is a metric, by its name."""
    of_extractor = recorded == "fid" or recorded.startswith(("fid_", "fd_", "is_"))
    return of_extractor or _registered(recorded) is not None


def better_direction(recorded: str) -> Better:
    """Direction of better values of a metric, by its recorded name.

    Raises
    ------
    ValueError
        If there is no such metric; a variant declares the direction of its training scalars.
    """
    if not is_metric(recorded):
        raise ValueError(f"{recorded!r} is no metric")
    if entry := _registered(recorded):
        return entry.better
    return "higher" if recorded.startswith("is_") else "lower"
